import Delivery
import Events
import HTTP
import LMDB
import Storage
import StoreSupport
import TestSupport
import Testing
import Values

@testable import MappedStore

@Suite struct EventTakeoverTests {
    /// An event that the original service has received some seconds ago, with attempts for subscriptions.
    private func former(
        _ routing: Routing, secondsAgo: Double, _ attempts: [(subscription: UUID, attempt: Attempt)] = []
    ) -> FormerEvent {
        var random = SystemRandomNumberGenerator()
        return FormerEvent(
            event: ReceivedEvent(
                id: UUID(random: &random), type: "t", body: Array(#"{"eventType": "t"}"#.utf8)),
            receivedAt: routing.moment.wall.adding(seconds: -secondsAgo),
            matches: attempts.map { FormerEvent.Match(subscription: $0.subscription, attempt: $0.attempt) })
    }

    private func attempt(_ routing: Routing, status: Int? = 200, _ kind: Attempt.ErrorKind? = nil) -> Attempt {
        Attempt(
            status: status, responseBody: Array("ans".utf8), isResponseTruncated: true,
            failure: kind.map { Attempt.Failure(kind: $0, text: "a failure") }, triggeredAt: routing.moment.wall,
            approval: Attempt.Approval(status: 200, body: Array("agr".utf8)))
    }

    @Test(arguments: [
        (200 as Int?, nil, "delivered"), (503, Attempt.ErrorKind.status, "failed"), (nil, .approval, "failed"),
        (nil, .connect, "failed"),
    ])
    func `an imported event has the history that the original service has stored`(
        status: Int?, kind: Attempt.ErrorKind?, state: String
    ) throws {
        try withRouting { routing in
            try routing.subscribe(Routing.id(1))
            let attempt = attempt(routing, status: status, kind)
            let event = former(routing, secondsAgo: 60, [(Routing.id(1), attempt)])
            let takeover = try routing.store.events.takeOver([event])
            try routing.store.commit()
            #expect(takeover.events == 1 && takeover.attempts == 1)
            let history = try routing.history(event.event.id)
            #expect(!history.isWaiting && history.receivedAt == event.receivedAt && history.body == event.event.body)
            let match = try #require(history.matches.first)
            #expect(match.state == state && match.attempts.map(\.outcome) == [attempt])
        }
    }

    @Test func `importing an event again changes nothing, and attempts need their subscription`() throws {
        try withRouting { routing in
            try routing.subscribe(Routing.id(1))
            let attempt = attempt(routing)
            let event = former(routing, secondsAgo: 60, [(Routing.id(1), attempt), (Routing.id(2), attempt)])
            let first = try routing.store.events.takeOver([event])
            #expect(first.attempts == 1 && first.strayAttempts == 1)
            let second = try routing.store.events.takeOver([event])
            try routing.store.commit()
            #expect(second.known == 1 && second.events == 0 && second.attempts == 0)
            #expect(try routing.kept() == [1, 1, 1, 0, 1, 1, 1])
        }
    }

    @Test func `an imported event is not delivered, even by a replay, which finds other events by time`() throws {
        try withRouting { routing in
            let number = try routing.subscribe(Routing.id(1))
            let early = try routing.receive(secondsAgo: 500)
            let formers = (1...50).map { former(routing, secondsAgo: Double(1000 - $0)) }
            _ = try routing.store.events.takeOver(formers)
            try routing.store.commit()
            let late = try routing.receive(secondsAgo: 100)
            try routing.match()
            #expect(try routing.deliver() == [])
            for (seconds, expected) in [(2000.0, [early, late]), (300, [late]), (50, [])] {
                let wall = routing.moment.wall
                #expect(
                    try routing.store.events.replay(
                        try #require(try routing.store.events.subscription(Routing.id(1))),
                        since: wall.adding(seconds: -seconds), until: wall, all: true, for: nil)
                        == .accepted)
                try routing.store.commit()
                let replay = try routing.store.matching.waitingReplay(after: nil, limit: 1000, maximumBytes: 1 << 20)
                let ids = try routing.store.events.events(
                    from: 0, after: Timestamp(microseconds: 0), before: .farAhead, limit: 1000
                ).events.map(\.id)
                #expect(ids.count == 52)
                #expect((replay?.events ?? []).count == expected.count)
                if let replay {
                    try routing.store.matching.deliver(replay.events.map(\.number), of: replay, at: routing.moment)
                    try routing.store.commit()
                }
                while try !routing.deliver().isEmpty {}
            }
            let delivered = try [early, late].map { try routing.history($0).matches.flatMap(\.attempts).count }
            #expect(delivered == [1, 2] && number > 0)
        }
    }

    @Test func `an imported event can be redispatched by its id, and stays out of replays`() throws {
        try withRouting { routing in
            let number = try routing.subscribe(Routing.id(1))
            let event = former(routing, secondsAgo: 1000, [(Routing.id(1), attempt(routing, status: 503, .status))])
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

    @Test func `an imported event can be purged`() throws {
        try withRouting { routing in
            try routing.subscribe(Routing.id(1))
            let event = former(routing, secondsAgo: 1000, [(Routing.id(1), attempt(routing))])
            _ = try routing.store.events.takeOver([event])
            try routing.store.commit()
            let step = try routing.store.events.purgeEvents(from: 0, before: routing.moment.wall, limit: 10)
            try routing.store.commit()
            #expect(step.removed == 1)
            #expect(try routing.kept() == [0, 0, 0, 0, 0, 0, 0])
        }
    }
}
