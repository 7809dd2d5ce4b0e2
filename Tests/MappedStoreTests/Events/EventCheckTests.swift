import Delivery
import Events
import HTTP
import LMDB
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

/// Checking the subscriptions and routed events of a store.
@Suite struct EventCheckTests {
    /// Runs `body` with a store that has a subscription, a deleted one, an event that was matched and attempted, one
    /// that waits, and a replay.
    private func withFilledStore(_ body: (MappedStore) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            var random = SystemRandomNumberGenerator()
            let now = store.clock.now()
            func subscribe() throws -> Subscription {
                try #require(try store.events.create(.example(UUID(random: &random), at: now.wall)))
            }
            func receive() throws {
                let event = ReceivedEvent(id: UUID(random: &random), type: "", body: Array("{}".utf8))
                _ = try store.events.receive([event], for: nil, at: now)
            }
            let (stays, gone) = (try subscribe(), try subscribe())
            #expect(try store.events.deleteSubscription(gone.id, of: gone.user, for: nil))
            try receive()
            try store.commit()
            let matcher = EventMatcher(store: store.matching)
            while try matcher.step(until: .farAhead, now: { now }) { try store.commit() }
            try store.events.change(stays.id) { (subscription: inout Subscription) in
                subscription.destination.disable(since: now.wall)
            }
            try store.commit()
            _ = try store.deliveries.step(
                [], beginning: AttemptRoom(10), inFlight: [:], owner: 1, leaseSeconds: 1, policies: RetryPolicies(),
                at: now)
            try receive()
            #expect(
                try store.events.replay(stays, since: now.wall, until: now.wall, all: true, for: nil) == .accepted)
            try store.commit()
            #expect(try store.check().faults == [])
            try body(store)
        }
    }

    private static var tables: [(name: String, path: KeyPath<Tables, Table>)] {
        [
            ("subscriptions", \.subscriptions.bytes), ("subscription-ids", \.subscriptionIDs.bytes),
            ("user-subscriptions", \.userSubscriptions.bytes), ("subscription-counts", \.subscriptionCounts.bytes),
            ("expressions", \.expressions.bytes),
            ("gone-expressions", \.goneExpressions.bytes), ("routed-events", \.routedEvents.bytes),
            ("attempt-parcels", \.attemptPayloads.bytes), ("waiting-events", \.waitingEvents.bytes),
            ("replays", \.replays.bytes),
            ("event-ids", \.eventIDs.bytes),
        ]
    }

    private func entries(_ table: Table, of store: MappedStore) throws -> [(key: [UInt8], value: [UInt8])] {
        try store.read { (transaction) throws(LMDBError) in
            var entries: [(key: [UInt8], value: [UInt8])] = []
            try table.scan(in: transaction) { key, value in
                entries.append((copy(key), copy(value)))
                return true
            }
            return entries
        }
    }

    @Test(arguments: tables.map(\.name))
    func `a missing, damaged or surplus entry is found`(name: String) throws {
        let path = try #require(Self.tables.first { $0.name == name }).path
        let optional = ["waiting-events", "replays"]
        for change in ["missing", "damaged", "surplus"] {
            // A missing entry of these may mean that the work is done; an entry without a value cannot be damaged.
            if change == "missing", optional.contains(name) { continue }
            try withFilledStore { store in
                let table = store.tables[keyPath: path]
                let all = try entries(table, of: store)
                let entry = try #require(all.first)
                if change == "damaged", entry.value.isEmpty { return }
                try store.write { (transaction) throws(LMDBError) in
                    switch change {
                    case "missing": try table.remove(entry.key, in: &transaction)
                    case "damaged": try table.put([0xff], at: entry.key, in: &transaction)
                    default:
                        var other = entry.key
                        other[other.count - 1] ^= 0x40
                        try table.put(entry.value, at: other, in: &transaction)
                    }
                }
                try store.commit()
                do throws(StoreFailure) {
                    let faults = try store.check().faults
                    #expect(faults != [], "\(change)")
                } catch {
                    // An entry that cannot be read at all ends the check.
                    guard change == "damaged", case .damaged = error else { throw error }
                }
            }
        }
    }
}
