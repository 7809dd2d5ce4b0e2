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

/// Routes events in its own store; the test says which subscriptions an event matches.
struct Routing {
    let store: MappedStore
    /// The time of all operations.
    let moment: Moment

    init(_ store: MappedStore) {
        self.store = store
        moment = store.clock.now()
    }

    static func id(_ number: Int) -> UUID {
        guard let id = UUID("00000000-0000-4000-8000-\(100_000_000_000 + number)") else { fatalError("it is a UUID") }
        return id
    }

    @discardableResult
    func subscribe(_ id: UUID, user: String = "me") throws -> UInt64 {
        let subscription = Subscription(
            id: id, user: user, name: "n", expression: "$", target: "http://target.test/",
            destination: Destination(
                number: 0, url: "http://target.test/", policy: .events, protocolKind: .event,
                shape: [0] + Array("{}".utf8)),
            created: moment.wall, updated: moment.wall)
        let made = try store.events.create(subscription)
        try store.commit()
        return try #require(made).destination.number
    }

    /// Receives an event, as of some seconds ago.
    @discardableResult
    func receive(secondsAgo: Double = 0) throws -> UUID {
        var random = SystemRandomNumberGenerator()
        let id = UUID(random: &random)
        let then = Moment(
            wall: moment.wall.adding(seconds: -secondsAgo), steady: moment.steady.adding(seconds: -secondsAgo))
        let event = ReceivedEvent(id: id, type: "t", body: Array(#"{"a": 1}"#.utf8))
        #expect(try store.events.receive([event], for: nil, at: then) == [id])
        try store.commit()
        return id
    }

    /// Matches every waiting event with the same subscriptions.
    func match(_ subscriptions: UInt64...) throws {
        let waiting = try store.matching.waitingEvents(besides: [], skipping: 0, limit: 1000, maximumBytes: 1 << 20)
        _ = try store.matching.deliver(
            waiting.map { EventMatches(event: $0.number, subscriptions: $0.matched ?? subscriptions) }, at: moment)
        try store.commit()
    }

    /// Makes all attempts that are due, with one answer to all.
    @discardableResult
    func deliver(status: Int = 200) throws -> [Trigger] {
        func step(_ results: [DeliveryResult], _ capacity: Int) throws -> [DeliveryStep.Start] {
            let outcome = try store.deliveries.step(
                results, beginning: AttemptRoom(capacity), inFlight: [:], owner: 1, leaseSeconds: 25,
                policies: RetryPolicies(),
                at: moment)
            try store.commit()
            return outcome.starts
        }
        let starts = try step([], 1000)
        let results = starts.map { start in
            var attempt = Attempt(status: status, triggeredAt: moment.wall)
            if status != 200 { attempt.failure = Attempt.Failure(kind: .status, text: "\(status)") }
            return DeliveryResult(
                delivery: start.delivery, attempt: attempt,
                wish: ReceiverWish(attempt, now: moment.wall, disablesOnGone: true), jitter: 0)
        }
        _ = try step(results, 0)
        return starts.map(\.delivery.trigger)
    }

    func history(_ id: UUID) throws -> EventHistory { try #require(try store.events.event(id)) }

    func count(_ table: KeyPath<Tables, Table>) throws -> Int {
        try store.read { (transaction) throws(LMDBError) in try store.tables[keyPath: table].count(in: transaction) }
    }

    /// The numbers of records of events and their deliveries.
    func kept() throws -> [Int] {
        try [
            \.payloads.bytes, \.eventIDs.bytes, \.routedEvents.bytes, \.waitingEvents.bytes, \.attempts.bytes,
            \.attemptIndex.bytes, \.attemptPayloads.bytes,
        ].map(
            count)
    }
}

func withRouting(_ body: (Routing) throws -> Void) throws {
    try withTemporaryDirectory { directory in try body(Routing(try open(directory))) }
}

@Suite struct EventAdministrationTests {
    // MARK: Showing

    @Test func `events are found by the time of their arrival`() throws {
        try withRouting { routing in
            let ids = try [400, 300, 200, 100].map { try routing.receive(secondsAgo: $0) }
            func found(_ start: Double, _ end: Double, limit: Int = 10) throws -> [UUID] {
                let wall = routing.moment.wall
                return try routing.store.events.events(
                    from: 0, after: wall.adding(seconds: -start), before: wall.adding(seconds: -end), limit: limit
                ).events.map(\.id)
            }
            #expect(try found(500, 0) == ids)
            #expect(try found(500, 0, limit: 3) == Array(ids[..<3]))
            #expect(try found(350, 150) == Array(ids[1...2]))
            #expect(try found(300, 100) == [ids[2]], "neither end is included")
            #expect(try found(50, 0) == [])
        }
    }

    @Test func `a page begins where the previous one ended`() throws {
        try withRouting { routing in
            var ids: [UUID] = []
            for _ in 0..<600 { ids.append(try routing.receive(secondsAgo: 10)) }
            var (found, next, steps): ([UUID], UInt64?, Int) = ([], 0, 0)
            while let from = next {
                let page = try routing.store.events.events(
                    from: from, after: Timestamp(microseconds: 0), before: .farAhead, limit: .max)
                found += page.events.map(\.id)
                next = page.next
                steps += 1
            }
            #expect(found == ids && steps == 3)
        }
    }

    // MARK: Retrying

    @Test func `a redispatched event is matched with the current subscriptions, and keeps its history`() throws {
        try withRouting { routing in
            let first = try routing.subscribe(Routing.id(1))
            let event = try routing.receive()
            try routing.match(first)
            #expect(try routing.deliver() == [.scheduled])
            let second = try routing.subscribe(Routing.id(2))
            #expect(try routing.store.events.redispatch(event) == .started)
            try routing.store.commit()
            #expect(try routing.history(event).isWaiting)
            try routing.match(second)
            #expect(try routing.deliver() == [.recover])
            let history = try routing.history(event)
            #expect(!history.isWaiting && history.matches.map(\.subscription) == [Routing.id(1), Routing.id(2)])
            #expect(history.matches.map(\.state) == ["delivered", "delivered"])
        }
    }

    @Test func `a waiting or unknown event is not redispatched`() throws {
        try withRouting { routing in
            let event = try routing.receive()
            #expect(try routing.store.events.redispatch(event) == .waiting)
            #expect(try routing.store.events.redispatch(Routing.id(9)) == .unknown)
            try routing.match()
            #expect(try routing.store.events.redispatch(event) == .started)
            try routing.store.commit()
            #expect(try routing.store.events.redispatch(event) == .waiting)
        }
    }

    // MARK: Purging

    @Test func `an event is purged with its history, in steps`() throws {
        try withRouting { routing in
            let subscriptions = try (1...5).map { try routing.subscribe(Routing.id($0)) }
            let event = try routing.receive()
            let other = try routing.receive()
            for subscription in subscriptions {
                try routing.match(subscription)
                try routing.deliver()
                for id in [event, other] { _ = try routing.store.events.redispatch(id) }
                try routing.store.commit()
            }
            try routing.match()
            #expect(try routing.kept() == [2, 2, 2, 0, 10, 10, 10])
            var steps: [PurgeOutcome] = []
            while steps.last != .removed, steps.count < 10 {
                steps.append(try routing.store.events.purge(event, limit: 2))
                try routing.store.commit()
            }
            #expect(steps == [.begun, .begun, .removed])
            #expect(try routing.kept() == [1, 1, 1, 0, 5, 5, 5])
            #expect(try routing.store.events.event(event) == nil)
            #expect(try routing.store.events.purge(event, limit: 2) == .unknown)
            #expect(try routing.history(other).matches.count == 5)
        }
    }

    @Test func `an event is purged completely even if a log entry is damaged`() throws {
        try withRouting { routing in
            let subscription = try routing.subscribe(Routing.id(1))
            let event = try routing.receive()
            for _ in 0..<3 {
                try routing.match(subscription)
                try routing.deliver()
                _ = try routing.store.events.redispatch(event)
                try routing.store.commit()
            }
            try routing.match()
            try routing.store.write { (transaction) throws(LMDBError) in
                try routing.store.tables.attempts.bytes.put([0xff], at: key(2), in: &transaction)
            }
            #expect(try routing.store.events.purge(event, limit: 3) == .begun)
            #expect(try routing.store.events.purge(event, limit: 3) == .removed)
            try routing.store.commit()
            #expect(try routing.kept() == [0, 0, 0, 0, 0, 0, 0])
        }
    }

    @Test func `purging by age keeps events that wait to be matched or delivered`() throws {
        try withRouting { routing in
            let subscription = try routing.subscribe(Routing.id(1))
            let delivered = try routing.receive(secondsAgo: 1000)
            try routing.match(subscription)
            try routing.deliver()
            let retried = try routing.receive(secondsAgo: 1000)
            try routing.match(subscription)
            try routing.deliver(status: 503)
            let unmatched = try routing.receive(secondsAgo: 1000)
            let young = try routing.receive(secondsAgo: 10)
            let step = try routing.store.events.purgeEvents(
                from: 0, before: routing.moment.wall.adding(seconds: -500), limit: 100)
            try routing.store.commit()
            #expect(step.removed == 1 && step.unfinished == 2 && step.next == nil)
            #expect(try routing.store.events.event(delivered) == nil)
            for id in [retried, unmatched, young] { #expect(try routing.store.events.event(id) != nil) }
        }
    }

    @Test func `purging by age continues where a step ended, even within an event, and leaves nothing`() throws {
        try withRouting { routing in
            let subscription = try routing.subscribe(Routing.id(1))
            for _ in 0..<20 { try routing.receive(secondsAgo: 1000) }
            try routing.match(subscription)
            while try !routing.deliver().isEmpty {}
            var (removed, next, steps): (Int, UInt64?, Int) = (0, 0, 0)
            while let from = next, steps < 100 {
                let step = try routing.store.events.purgeEvents(from: from, before: routing.moment.wall, limit: 7)
                try routing.store.commit()
                removed += step.removed
                next = step.next
                steps += 1
            }
            #expect(removed == 20 && steps > 3)
            #expect(try routing.kept() == [0, 0, 0, 0, 0, 0, 0])
        }
    }

    @Test func `a delivery of a purged event has no payload`() throws {
        try withRouting { routing in
            let subscription = try routing.subscribe(Routing.id(1))
            let event = try routing.receive()
            try routing.match(subscription)
            #expect(try routing.store.events.purge(event, limit: 10) == .removed)
            try routing.store.commit()
            let step = try routing.store.deliveries.step(
                [], beginning: AttemptRoom(10), inFlight: [:], owner: 1, leaseSeconds: 25, policies: RetryPolicies(),
                at: routing.moment)
            #expect(step.starts.count == 1 && step.starts.first?.payload == nil)
        }
    }
}
