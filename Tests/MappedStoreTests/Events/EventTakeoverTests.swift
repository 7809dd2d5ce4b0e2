import Delivery
import Events
import HTTP
import LMDB
import Storage
import TestSupport
import Testing
import Values

@testable import MappedStore

@Suite struct EventTakeoverTests {
    /// An event of another service that came so many seconds ago, and how targets answered.
    private func former(
        _ routing: Routing, secondsAgo: Double, _ answers: [(subscription: UUID, policy: String, target: String)] = []
    ) throws -> FormerEvent {
        var random = SystemRandomNumberGenerator()
        let created = routing.moment.wall.adding(seconds: -secondsAgo).naive
        var event = try FormerEvent(
            id: UUID(random: &random).description, body: #"{"eventType": "t"}"#, created: created,
            now: routing.moment.wall)
        for answer in answers {
            try event.add(
                subscription: answer.subscription.description, policy: (answer.policy, "agreed"),
                target: (answer.target, "answer"), created: created, keptBytes: 3)
        }
        return event
    }

    @Test(arguments: [
        ("200", "200", "delivered", nil), ("200", "302", "delivered", nil),
        ("200", "503", "failed", Attempt.ErrorKind.status), ("200", "404", "failed", .status),
        ("500", "", "failed", .approval), ("200", "", "failed", .connect),
    ])
    func `what became of an event is told as the other service kept it`(
        policy: String, target: String, state: String, kind: Attempt.ErrorKind?
    ) throws {
        try withRouting { routing in
            try routing.subscribe(Routing.id(1))
            let event = try former(routing, secondsAgo: 60, [(Routing.id(1), policy, target)])
            let takeover = try routing.store.events.takeOver([event])
            try routing.store.commit()
            #expect(takeover.events == 1 && takeover.attempts == 1)
            let history = try routing.history(event.event.id)
            #expect(!history.isWaiting && history.receivedAt == event.receivedAt && history.body == event.event.body)
            let match = try #require(history.matches.first)
            #expect(match.state == state && match.attempts.count == 1)
            let outcome = try #require(match.attempts.first).outcome
            #expect(outcome.failure?.kind == kind && outcome.status == Int(target))
            #expect(outcome.approval == Attempt.Approval(status: Int(policy), body: Array("agr".utf8)))
            #expect(outcome.responseBody == Array("ans".utf8) && outcome.isResponseTruncated)
        }
    }

    @Test func `a second time changes nothing, and attempts need their subscription`() throws {
        try withRouting { routing in
            try routing.subscribe(Routing.id(1))
            let event = try former(
                routing, secondsAgo: 60, [(Routing.id(1), "200", "200"), (Routing.id(2), "200", "200")])
            let first = try routing.store.events.takeOver([event])
            #expect(first.attempts == 1 && first.strayAttempts == 1)
            let second = try routing.store.events.takeOver([event])
            try routing.store.commit()
            #expect(second.known == 1 && second.events == 0 && second.attempts == 0)
            #expect(try routing.kept() == [1, 1, 1, 0, 1, 1, 1])
        }
    }

    @Test func `nothing of it is delivered, not by a replay either, which finds its own events by their times`() throws
    {
        try withRouting { routing in
            let number = try routing.subscribe(Routing.id(1))
            let early = try routing.receive(secondsAgo: 500)
            let formers = try (1...50).map { try former(routing, secondsAgo: Double(1000 - $0)) }
            _ = try routing.store.events.takeOver(formers)
            try routing.store.commit()
            let late = try routing.receive(secondsAgo: 100)
            try routing.match()
            #expect(try routing.deliver() == [])
            for (seconds, expected) in [(2000.0, [early, late]), (300, [late]), (50, [])] {
                let wall = routing.moment.wall
                #expect(
                    try routing.store.events.replay(
                        Routing.id(1), since: wall.adding(seconds: -seconds), until: wall, all: true, for: nil)
                        == .accepted)
                try routing.store.commit()
                let replay = try routing.store.matching.waitingReplay(after: nil, limit: 1000, maximumBytes: 1 << 20)
                let ids = try routing.store.events.events(
                    from: 0, after: Timestamp(microseconds: 0), before: .farAhead, limit: 1000
                ).events.map(\.id)
                #expect(ids.count == 52)
                #expect((replay?.events ?? []).count == expected.count)
                if let replay {
                    try routing.store.matching.keep(replay.events.map(\.number), of: replay, at: routing.moment)
                    try routing.store.commit()
                }
                while try !routing.deliver().isEmpty {}
            }
            let delivered = try [early, late].map { try routing.history($0).matches.flatMap(\.attempts).count }
            #expect(delivered == [1, 2] && number > 0)
        }
    }

    @Test func `who asks for one by its id has it matched, and it stays where replays do not look`() throws {
        try withRouting { routing in
            let number = try routing.subscribe(Routing.id(1))
            let event = try former(routing, secondsAgo: 1000, [(Routing.id(1), "200", "503")])
            _ = try routing.store.events.takeOver([event])
            try routing.store.commit()
            #expect(try routing.store.events.redispatch(event.event.id) == .started)
            try routing.store.commit()
            try routing.match(number)
            #expect(try routing.deliver() == [.recover])
            #expect(try routing.history(event.event.id).matches.first?.attempts.count == 2)
            let found = try routing.store.read { (transaction) throws(LMDBError) in
                try routing.store.events.nextRoutedEvent(from: 0, in: transaction)
            }
            #expect(found == nil)
        }
    }

    @Test func `it can be purged`() throws {
        try withRouting { routing in
            try routing.subscribe(Routing.id(1))
            let event = try former(routing, secondsAgo: 1000, [(Routing.id(1), "200", "200")])
            _ = try routing.store.events.takeOver([event])
            try routing.store.commit()
            let step = try routing.store.events.purgeEvents(from: 0, before: routing.moment.wall, limit: 10)
            try routing.store.commit()
            #expect(step.removed == 1)
            #expect(try routing.kept() == [0, 0, 0, 0, 0, 0, 0])
        }
    }
}
