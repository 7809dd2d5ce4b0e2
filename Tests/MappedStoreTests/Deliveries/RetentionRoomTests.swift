import Delivery
import Events
import HTTP
import LMDB
import StoreSupport
import Testing
import Values

@testable import MappedStore

/// What a store drops that is full or above its limits, and what it keeps.
@Suite struct RetentionRoomTests {
    /// Receives an event with a body of slightly more than `bytes`.
    @discardableResult
    private func receive(_ bytes: Int, _ routing: Routing) throws -> UUID {
        var random = SystemRandomNumberGenerator()
        let body = Array("{\"a\": \"\(String(repeating: "x", count: bytes))\"}".utf8)
        let event = ReceivedEvent(id: UUID(random: &random), type: "t", body: body)
        #expect(try routing.store.events.receive([event], for: nil, at: routing.moment) == [event.id])
        try routing.store.commit()
        return event.id
    }

    /// Matches all waiting events, and defers them for a lagging subscription.
    private func match(_ routing: Routing, _ subscriptions: [UInt64] = [], deferring lagging: UInt64) throws {
        let waiting = try routing.store.matching.waitingEvents(
            besides: [], skipping: 0, limit: 1000, maximumBytes: 1 << 20)
        let matches = waiting.map {
            EventMatches(event: $0.number, subscriptions: subscriptions, deferred: [lagging])
        }
        _ = try routing.store.matching.deliver(matches, at: routing.moment)
        try routing.store.commit()
    }

    /// Takes steps until one drops nothing.
    private func dropAll(_ routing: Routing, _ step: (MappedStore) throws -> Int) throws {
        for _ in 0..<100 {
            let count = try step(routing.store)
            try routing.store.commit()
            if count == 0 { return }
        }
        Issue.record("more is dropped in each step")
    }

    private func dropByAge(_ routing: Routing, secondsAgo: Double) throws -> Int {
        let oldest = routing.moment.wall.adding(seconds: -secondsAgo)
        let count = try routing.store.retention.dropOldDeliveries(before: oldest, maximumBytes: .max, limit: 100)
        try routing.store.commit()
        return count
    }

    // MARK: Room in a full store

    @Test func `log entries are dropped first, even if events take up much more room`() throws {
        try withRouting { routing in
            let subscription = try routing.subscribe(Routing.id(1))
            for _ in 0..<5 { try receive(20_000, routing) }
            try routing.match(subscription)
            #expect(try routing.deliver().count == 5)
            #expect(try routing.count(\.attempts.bytes) == 5)
            #expect(try routing.store.retention.dropForRoom(limit: 5) > 0)
            try routing.store.commit()
            #expect(try routing.count(\.attempts.bytes) == 0 && routing.count(\.payloads.bytes) == 5)
        }
    }

    @Test func `without log entries, finished events are dropped, and others are not`() throws {
        try withRouting { routing in
            let subscription = try routing.subscribe(Routing.id(1))
            let unwanted = try receive(1000, routing)
            try routing.match()
            let pending = try receive(1000, routing)
            try routing.match(subscription)
            let waiting = try receive(1000, routing)
            try dropAll(routing) { try $0.retention.dropForRoom(limit: 10) }
            #expect(try routing.store.events.event(unwanted) == nil)
            for event in [pending, waiting] { #expect(try routing.store.events.event(event) != nil) }
            #expect(try routing.store.check().faults == [])
        }
    }

    /// More log entries than one step looks at.
    @Test func `a step that has dropped nothing yet reports that there may be more`() throws {
        try withRouting { routing in
            let store = routing.store
            let (small, large) = (10_050, 1000)
            try store.write { (transaction) throws(LMDBError) in
                var state = try store.deliveries.deliveryState(in: transaction)
                for number in 1...UInt64(small + large) {
                    // Each of the small ones has its own owner.
                    let destination = number > UInt64(small) ? 1_000_000 : number
                    let text = String(repeating: "x", count: number > UInt64(small) ? 200 : 1)
                    let record = AttemptRecord(
                        number: number, destination: destination, payload: number, eventID: "", event: "", count: 1,
                        trigger: .scheduled, method: "POST", url: text,
                        attempt: Attempt(status: 200, triggeredAt: routing.moment.wall), nextRetryAt: nil,
                        isFinal: true)
                    let bytes = record.encoded
                    state.bytes += UInt64(bytes.count)
                    try store.tables.attempts.bytes.put(bytes, at: key(number), in: &transaction)
                }
                state.nextLog = UInt64(small + large) + 1
                try store.deliveries.put(state, in: &transaction)
            }
            try store.commit()
            #expect(try store.retention.dropForRoom(limit: 8) == 8)
            try store.commit()
            #expect(try routing.count(\.attempts.bytes) == small + large, "those of the largest owner come later")
            #expect(try store.retention.dropForRoom(limit: 8) == 8)
            try store.commit()
            #expect(try routing.count(\.attempts.bytes) == small + large - 8)
        }
    }

    // MARK: What is still to be delivered

    @Test func `an event stays for one delivery after many to deleted subscriptions`() throws {
        try withRouting { routing in
            let ids = (1...70).map { Routing.id($0) }
            let subscriptions = try ids.map { try routing.subscribe($0) }
            let event = try routing.receive(secondsAgo: 1000)
            let waiting = try routing.store.matching.waitingEvents(
                besides: [], skipping: 0, limit: 9, maximumBytes: 1 << 20)
            let matches = waiting.map { EventMatches(event: $0.number, subscriptions: subscriptions) }
            _ = try routing.store.matching.deliver(matches, at: routing.moment)
            try routing.store.commit()
            #expect(try routing.count(\.holds.bytes) == 70)
            for id in ids[..<69] { #expect(try routing.store.events.deleteSubscription(id, of: "me", for: nil)) }
            try routing.store.commit()
            #expect(try dropByAge(routing, secondsAgo: 500) == 0)
            #expect(try routing.store.events.event(event) != nil)
            #expect(try routing.store.events.deleteSubscription(ids[69], of: "me", for: nil))
            try routing.store.commit()
            #expect(try dropByAge(routing, secondsAgo: 500) == 1)
            #expect(try routing.store.events.event(event) == nil)
        }
    }

    // MARK: Subscriptions that lag

    @Test func `old events are dropped even if a subscription lags, which counts them as missed`() throws {
        try withRouting { routing in
            let lagging = try routing.subscribe(Routing.id(1), user: "slow")
            let old = try (0..<3).map { _ in try routing.receive(secondsAgo: 1000) }
            try match(routing, deferring: lagging)
            let young = try routing.receive()
            try match(routing, deferring: lagging)
            #expect(try routing.store.matching.laggingSubscriptions() == [lagging])
            #expect(try dropByAge(routing, secondsAgo: 500) == 3)
            for event in old { #expect(try routing.store.events.event(event) == nil) }
            let since = routing.moment.wall.adding(seconds: -1000)
            #expect(
                try routing.store.events.subscription(Routing.id(1))?.missed == MissedEvents(count: 3, since: since))
            let found = try routing.store.matching.waitingLag(after: nil, [:], limit: 10, maximumBytes: 1 << 20)
            let lag = try #require(found)
            #expect(lag.subscription == lagging && lag.from == lag.events.first?.number && lag.events.count == 1)
            #expect(try !routing.store.matching.deliver(lag.events.map(\.number), of: lag, at: routing.moment))
            try routing.store.commit()
            #expect(try routing.store.matching.laggingSubscriptions().isEmpty)
            #expect(try routing.deliver() == [.scheduled])
            #expect(try routing.history(young).matches.map(\.subscription) == [Routing.id(1)])
            #expect(try routing.store.check().faults == [])
        }
    }

    @Test(arguments: [true, false])
    func `events are dropped even if a subscription lags, above the limit and in a full store`(isFull: Bool) throws {
        try withRouting { routing in
            let lagging = try routing.subscribe(Routing.id(1), user: "slow")
            for _ in 0..<3 { try routing.receive() }
            try match(routing, deferring: lagging)
            try dropAll(routing) {
                try isFull
                    ? $0.retention.dropForRoom(limit: 10)
                    : $0.retention.dropOldDeliveries(before: Timestamp(microseconds: 0), maximumBytes: 0, limit: 10)
            }
            #expect(try routing.kept() == [0, 0, 0, 0, 0, 0, 0])
            #expect(try routing.store.events.subscription(Routing.id(1))?.missed?.count == 3)
            let found = try routing.store.matching.waitingLag(after: nil, [:], limit: 10, maximumBytes: 1 << 20)
            let lag = try #require(found)
            #expect(lag.events.isEmpty && lag.isAtEnd)
            #expect(try !routing.store.matching.deliver([], of: lag, at: routing.moment))
            try routing.store.commit()
            #expect(try routing.store.matching.laggingSubscriptions().isEmpty)
        }
    }

    @Test func `a lagging subscription is still matched with an event that stays for others`() throws {
        try withRouting { routing in
            let lagging = try routing.subscribe(Routing.id(1), user: "slow")
            let other = try routing.subscribe(Routing.id(2))
            let kept = try routing.receive(secondsAgo: 1000)
            try match(routing, [other], deferring: lagging)
            let dropped = try routing.receive(secondsAgo: 1000)
            try match(routing, deferring: lagging)
            #expect(try dropByAge(routing, secondsAgo: 500) == 1)
            #expect(try routing.store.events.event(dropped) == nil && routing.store.events.event(kept) != nil)
            #expect(try routing.store.events.subscription(Routing.id(1))?.missed?.count == 1)
            let lag = try routing.store.matching.waitingLag(after: nil, [:], limit: 10, maximumBytes: 1 << 20)
            #expect(lag?.events.count == 1)
        }
    }
}
