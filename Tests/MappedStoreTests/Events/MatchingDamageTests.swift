import Delivery
import Events
import HTTP
import LMDB
import StoreSupport
import TestSupport
import Testing
import Values

@testable import MappedStore

/// In matching, a damaged record affects only its own event, subscription or replay.
@Suite struct MatchingDamageTests {
    private struct Filled {
        let store: MappedStore
        let now: Moment
        let subscriptions: [Subscription]
        /// The numbers of their payloads, oldest first.
        let events: [UInt64]
    }

    /// Runs `body` with a store that has three subscriptions and three events that all of them match.
    private func withFilledStore(_ body: (Filled) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            let now = store.clock.now()
            var random = SystemRandomNumberGenerator()
            var subscriptions: [Subscription] = []
            for _ in 0..<3 {
                let subscription = Subscription.example(UUID(random: &random), at: now.wall)
                subscriptions.append(try #require(try store.events.create(subscription)))
            }
            let events = (0..<3).map { _ in
                ReceivedEvent(id: UUID(random: &random), type: "", body: Array("{}".utf8))
            }
            _ = try store.events.receive(events, for: nil, at: now)
            try store.commit()
            let numbers = try store.matching.waitingEvents(besides: [], skipping: 0, limit: 9, maximumBytes: .max).map(
                \.number)
            try body(Filled(store: store, now: now, subscriptions: subscriptions, events: numbers))
        }
    }

    private func damage(_ table: Table, at key: [UInt8], of store: MappedStore) throws {
        try store.write { (transaction) throws(LMDBError) in try table.put([0xff], at: key, in: &transaction) }
        try store.commit()
    }

    private func match(_ filled: Filled, _ matcher: EventMatcher? = nil) throws {
        let matcher = matcher ?? EventMatcher(store: filled.store.matching)
        var steps = 0
        while try matcher.step(until: .farAhead, now: { filled.now }) {
            try filled.store.commit()
            steps += 1
            try #require(steps < 100)
        }
        try filled.store.commit()
    }

    /// The number of deliveries of each subscription.
    private func deliveries(_ filled: Filled) throws -> [Int] {
        try filled.store.read { (transaction) throws(LMDBError) in
            var counts: [Int] = []
            for subscription in filled.subscriptions {
                var count = 0
                try filled.store.deliveries.scanDeliveries(of: subscription.destination.number, in: transaction) { _ in
                    count += 1
                    return true
                }
                counts.append(count)
            }
            return counts
        }
    }

    private static var events: [(name: String, path: KeyPath<Tables, Table>)] {
        [
            ("parcels", \.payloads.bytes), ("routed-events", \.routedEvents.bytes),
            ("waiting-events", \.waitingEvents.bytes),
        ]
    }

    @Test(arguments: events.map(\.name))
    func `a damaged event is set aside and reported once, and the others are matched`(name: String) throws {
        let path = try #require(Self.events.first { $0.name == name }).path
        try withFilledStore { filled in
            try damage(filled.store.tables[keyPath: path], at: key(filled.events[0]), of: filled.store)
            let matcher = EventMatcher(store: filled.store.matching)
            try match(filled, matcher)
            #expect(try deliveries(filled) == [2, 2, 2])
            let reported = filled.store.takeDamage()
            #expect(reported.count == 1 && reported[0].hasSuffix(" is damaged: event \(filled.events[0])"))
            try match(filled, matcher)
            #expect(filled.store.takeDamage() == [])
            // It is still there.
            #expect(
                try filled.store.matching.waitingEvents(besides: [], skipping: 0, limit: 9, maximumBytes: .max) == [])
            #expect((try? filled.store.check().faults) != [])
        }
    }

    @Test func `if all events of a step are damaged, the later ones are matched`() throws {
        try withFilledStore { filled in
            for event in filled.events[..<2] {
                try damage(filled.store.tables.waitingEvents.bytes, at: key(event), of: filled.store)
            }
            let events = try filled.store.matching.waitingEvents(besides: [], skipping: 0, limit: 1, maximumBytes: 1)
            #expect(events.map(\.number) == [filled.events[2]])
        }
    }

    private static var subscriptions: [(name: String, path: KeyPath<Tables, Table>)] {
        [
            ("subscriptions", \.subscriptions.bytes), ("destinations", \.destinations.bytes),
            ("destination-states", \.destinationStates.bytes),
        ]
    }

    @Test(arguments: subscriptions.map(\.name))
    func `a damaged subscription gets nothing, and the others get their events`(name: String) throws {
        let path = try #require(Self.subscriptions.first { $0.name == name }).path
        try withFilledStore { filled in
            let number = filled.subscriptions[1].destination.number
            try damage(filled.store.tables[keyPath: path], at: key(number), of: filled.store)
            try match(filled)
            #expect(try deliveries(filled) == [3, 0, 3])
            let reported = filled.store.takeDamage()
            #expect(reported.count == 1 && reported[0].hasSuffix(" \(number)"))
        }
    }

    @Test func `a damaged change of an expression does not hide the later ones`() throws {
        try withFilledStore { filled in
            var first: [UInt8] = []
            try filled.store.read { (transaction) throws(LMDBError) in
                try filled.store.tables.expressions.bytes.scan(in: transaction) { key, _ in
                    first = copy(key)
                    return false
                }
            }
            try damage(filled.store.tables.expressions.bytes, at: first, of: filled.store)
            try match(filled)
            #expect(try deliveries(filled) == [0, 3, 3])
        }
    }

    @Test func `a subscription that is damaged after it matched does not stop its events`() throws {
        try withFilledStore { filled in
            var waiting = WaitingRecord()
            waiting.dispatched = 1
            let numbers = filled.subscriptions.map(\.destination.number)
            try filled.store.write { (transaction) throws(LMDBError) in
                for event in filled.events {
                    try filled.store.tables.routedEvents.bytes.put(
                        RoutedEventRecord(matched: numbers).encoded, at: key(event), in: &transaction)
                    try filled.store.tables.waitingEvents.bytes.put(waiting.encoded, at: key(event), in: &transaction)
                }
            }
            try damage(filled.store.tables.destinations.bytes, at: key(numbers[1]), of: filled.store)
            try match(filled)
            #expect(try deliveries(filled) == [0, 0, 3])
        }
    }

    @Test func `a damaged replay does not stop other replays`() throws {
        try withFilledStore { filled in
            try match(filled)
            for subscription in filled.subscriptions {
                #expect(
                    try filled.store.events.replay(
                        subscription, since: filled.now.wall, until: filled.now.wall, all: true, for: nil)
                        == .accepted)
            }
            try filled.store.commit()
            let numbers = filled.subscriptions.map(\.destination.number)
            try damage(filled.store.tables.replays.bytes, at: key(numbers[0]), of: filled.store)
            try damage(filled.store.tables.subscriptions.bytes, at: key(numbers[1]), of: filled.store)
            try damage(filled.store.tables.payloads.bytes, at: key(filled.events[1]), of: filled.store)
            try match(filled)
            #expect(try deliveries(filled) == [3, 3, 5])
            let wanted = [
                "a replay of subscription \(numbers[0]) is damaged",
                "a subscription is damaged: subscription \(numbers[1])",
                "a payload is damaged: event \(filled.events[1])",
            ]
            #expect(filled.store.takeDamage() == wanted)
        }
    }

    @Test func `a slow expression is reported even if the first step is rolled back`() throws {
        try withFilledStore { filled in
            try match(filled)
            let slow = filled.subscriptions[0]
            try filled.store.events.change(slow.id) { (subscription: inout Subscription) in
                subscription.expression = "$" + String(repeating: "..*", count: 12) + "[?(@ = \"never\")]"
            }
            let deep = String(repeating: "[", count: 60) + "1" + String(repeating: "]", count: 60)
            var random = SystemRandomNumberGenerator()
            let event = ReceivedEvent(
                id: UUID(random: &random), type: "", body: Array("{\"a\": [\(deep), \(deep)]}".utf8))
            _ = try filled.store.events.receive([event], for: nil, at: filled.now)
            try filled.store.commit()
            let matcher = EventMatcher(store: filled.store.matching)
            #expect(try matcher.step(until: .farAhead, now: { filled.now }))
            filled.store.rollBack()
            matcher.rolledBack()
            try match(filled, matcher)
            let reported = try #require(try filled.store.events.subscription(slow.id)).destination.disabledReason
            #expect(reported?.contains("took too long") == true)
        }
    }

    @Test(arguments: [\Tables.payloads.bytes, \Tables.routedEvents.bytes], 0..<8)
    func `a replay has the events of its time, even if one is damaged`(
        table: any KeyPath<Tables, Table> & Sendable, damaged: Int
    ) throws {
        try withFilledStore { filled in
            let store = filled.store
            var random = SystemRandomNumberGenerator()
            for step in 1..<6 {
                let event = ReceivedEvent(id: UUID(random: &random), type: "", body: Array("{}".utf8))
                let moment = Moment(wall: filled.now.wall.adding(seconds: Double(step)), steady: filled.now.steady)
                _ = try store.events.receive([event], for: nil, at: moment)
            }
            try store.commit()
            let events = try store.matching.waitingEvents(besides: [], skipping: 0, limit: 9, maximumBytes: .max).map(
                \.number)
            try damage(store.tables[keyPath: table], at: key(events[damaged]), of: store)
            let subscription = filled.subscriptions[0]
            let (since, until) = (filled.now.wall.adding(seconds: 2), filled.now.wall.adding(seconds: 4))
            #expect(
                try store.events.replay(subscription, since: since, until: until, all: true, for: nil) == .accepted)
            try store.commit()
            let stored = try store.read { (transaction) throws(LMDBError) in
                try store.tables.replays.value(at: ReplayKey(subscription.destination.number, 0), in: transaction)
            }
            let record = try #require(stored)
            let found = events.filter { (record.next...record.last).contains($0) && $0 != events[damaged] }
            #expect(found == events[4...6].filter { $0 != events[damaged] })
        }
    }

    @Test(arguments: [ReplayRecord(next: 1, last: .max, all: true), ReplayRecord(next: 3, last: 2, all: true)])
    func `an impossible replay is damaged`(record: ReplayRecord) throws {
        try withFilledStore { filled in
            let store = filled.store
            let number = filled.subscriptions[0].destination.number
            try store.write { (transaction) throws(LMDBError) in
                try store.tables.replays.bytes.put(record.encoded, at: key(number), in: &transaction)
            }
            try store.commit()
            #expect(try store.matching.waitingReplay(after: nil, limit: 9, maximumBytes: .max) == nil)
            #expect(store.takeDamage() == ["a replay of subscription \(number) is damaged"])
        }
    }

    @Test(arguments: subscriptions.map(\.name))
    func `a damaged subscription is left out of the list, and can be deleted`(name: String) throws {
        let path = try #require(Self.subscriptions.first { $0.name == name }).path
        try withFilledStore { filled in
            let store = filled.store
            try match(filled)
            let gone = filled.subscriptions[1]
            try damage(store.tables[keyPath: path], at: key(gone.destination.number), of: store)
            let isListed = name == "destination-states"
            let shown = filled.subscriptions.filter { $0.id != gone.id || isListed }.map(\.id)
            #expect(try store.events.subscriptions(of: "u", after: nil, limit: 9).map(\.id) == shown)
            // A page with fewer entries than its limit would end the list.
            #expect(try store.events.subscriptions(of: "u", after: nil, limit: 2).map(\.id) == Array(shown.prefix(2)))
            #expect(try !store.events.deleteSubscription(gone.id, of: "other", for: nil))
            #expect(try store.events.deleteSubscription(gone.id, of: "u", for: nil))
            #expect(try !store.events.deleteSubscription(gone.id, of: "u", for: nil))
            try store.commit()
            #expect(try store.removeGarbage(limit: 100) < 100)
            try store.commit()
            #expect(try store.check().faults == [])
        }
    }
}
