import Delivery
import HTTP
import LMDB
import Storage
import SystemPackage
import TestSupport
import Testing
import Values
import Webhooks

@testable import MappedStore

/// A damaged record affects nothing but itself.
@Suite struct DamageTests {
    private final class Damaging {
        let store: MappedStore
        let environment = UUID(bytes: [UInt8](repeating: 1, count: 16))!
        var now: Moment
        private var random = SystemRandomNumberGenerator()

        init(_ directory: FilePath) throws {
            store = try open(directory)
            now = store.clock.now()
        }

        func webhook() throws -> Webhook {
            try store.createWebhook(UUID(random: &random), in: environment, retries: 0, at: now)
        }

        func accept(_ id: String) throws { try store.accept(id, in: environment, at: now) }

        /// Begins all attempts that are due, and ends them with success or the given failure.
        func work(_ failure: Attempt.Failure? = nil) throws -> [DeliveryStep.Start] {
            let starts = try step([], beginning: 100).starts
            try end(starts, failure)
            return starts
        }

        func end(_ starts: [DeliveryStep.Start], _ failure: Attempt.Failure? = nil) throws {
            let attempt = Attempt(status: failure == nil ? 200 : 400, failure: failure, triggeredAt: now.wall)
            let wish = ReceiverWish(attempt, now: now.wall, disablesOnGone: true)
            let results = starts.map { DeliveryResult(delivery: $0.delivery, attempt: attempt, wish: wish, jitter: 0) }
            #expect(try step(results, beginning: 0).concluded == results.count)
        }

        func step(_ results: [DeliveryResult], beginning room: Int) throws -> DeliveryStep {
            try store.step(results, beginning: room, at: now)
        }

        /// Overwrites the first entries of a table.
        func damage(_ table: Table, count: Int = 1) throws {
            try store.write { (transaction) throws(LMDBError) in
                var found: [(key: [UInt8], size: Int)] = []
                try table.scan(in: transaction) { key, value in
                    found.append((copy(key), value.byteCount))
                    return found.count < count
                }
                guard found.count == count else { throw .damaged("the table has too few entries for the test") }
                for (key, size) in found {
                    try table.put([UInt8](repeating: 0xFF, count: size), at: key, in: &transaction)
                }
            }
            try store.commit()
        }

        /// Accepts events, which their webhook refuses.
        func refuse(_ ids: [String]) throws {
            for id in ids {
                try accept(id)
                _ = try work(Attempt.Failure(kind: .status, text: ""))
            }
        }

        func recover(_ webhook: Webhook, limit: Int = 100) throws -> Int? {
            let count = try store.webhooks.recover(
                webhook.id, since: now.wall, until: now.wall, limit: limit, for: nil, at: now)
            try store.commit()
            return count
        }

        func log(_ webhook: Webhook) throws -> [String] {
            try #require(try store.webhooks.log(of: webhook.id, LogQuery(limit: 100))).entries.map(\.eventID)
        }
    }

    private func with(_ body: (Damaging) throws -> Void) throws {
        try withTemporaryDirectory { directory in try body(try Damaging(directory)) }
    }

    @Test(arguments: [\Tables.destinations.bytes, \Tables.destinationStates.bytes, \Tables.deliveries.bytes])
    func `a damaged record does not stop deliveries to other destinations`(table: any KeyPath<Tables, Table> & Sendable)
        throws
    {
        try with { test in
            let (first, second) = (try test.webhook(), try test.webhook())
            try test.accept("a")
            try test.damage(test.store.tables[keyPath: table])
            #expect(try test.work().map(\.destination.number) == [second.destination.number])
            #expect(try test.log(second) == ["a"])
            #expect(test.store.takeDamage().count == 1)
            try test.accept("b")
            #expect(try test.work().contains { $0.destination.number == second.destination.number })
            #expect(test.store.takeDamage() == [])
            #expect(first.destination.number < second.destination.number)
        }
    }

    @Test(arguments: [\Tables.destinations.bytes, \Tables.destinationStates.bytes])
    func `a damaged destination does not count as stalled`(
        table: any KeyPath<Tables, Table> & Sendable
    ) throws {
        try with { test in
            _ = try test.webhook()
            try test.accept("a")
            try test.damage(test.store.tables[keyPath: table])
            #expect(try test.work().isEmpty)
            test.now = Moment(wall: test.now.wall, steady: test.now.steady.adding(seconds: 1000))
            #expect(try !test.store.metrics(at: test.now).areDeliveriesStalled)
            let version = try test.store.version()
            #expect(try test.work().isEmpty)
            #expect(try test.store.version() == version)
        }
    }

    @Test func `an event that is posted again is new if the first payload is damaged`() throws {
        try with { test in
            let webhook = try test.webhook()
            try test.accept("a")
            _ = try test.work()
            try test.damage(test.store.tables.payloads.bytes)
            try test.accept("a")
            #expect(try test.work().map { $0.payload?.eventID } == ["a"])
            #expect(try test.log(webhook) == ["a", "a"])
        }
    }

    @Test func `a damaged payload is not sent, and later ones are`() throws {
        try with { test in
            _ = try test.webhook()
            try test.accept("a")
            try test.accept("b")
            try test.damage(test.store.tables.payloads.bytes)
            #expect(try test.work().map { $0.payload?.eventID } == [nil, "b"])
            #expect(test.store.takeDamage() == ["a payload is damaged: number 1"])
        }
    }

    @Test func `a destination that is damaged during an attempt does not affect others`() throws {
        try with { test in
            _ = try test.webhook()
            let other = try test.webhook()
            try test.accept("a")
            let starts = try test.step([], beginning: 10).starts
            try test.damage(test.store.tables.destinations.bytes)
            try test.end(starts)
            #expect(try test.log(other) == ["a"])
        }
    }

    @Test func `a damaged log entry is skipped, and dropped with those of its age`() throws {
        try with { test in
            let webhook = try test.webhook()
            for id in ["a", "b", "c"] {
                try test.accept(id)
                _ = try test.work()
                test.now = Moment(wall: test.now.wall.adding(seconds: 10), steady: test.now.steady)
            }
            try test.damage(test.store.tables.attempts.bytes)
            #expect(try test.log(webhook) == ["c", "b"])
            #expect(test.store.takeDamage().count == 1)
            func drop(after seconds: Double) throws -> Int {
                let oldest = test.now.wall.adding(seconds: seconds - 30)
                let dropped = try test.store.retention.dropOldDeliveries(before: oldest, maximumBytes: .max, limit: 100)
                try test.store.commit()
                return dropped
            }
            // The payload of the first stays, as its log entry counts as old as the second's.
            #expect(try drop(after: 1) == 1)
            #expect(try drop(after: 11) == 3)
            #expect(try test.log(webhook) == ["c"])
            #expect(test.store.takeDamage().count == 1)
            #expect(try test.store.check().faults == [])
        }
    }

    @Test func `a damaged payload is dropped with those of its age`() throws {
        try with { test in
            let webhook = try test.webhook()
            for id in ["a", "b"] {
                try test.accept(id)
                _ = try test.work()
            }
            try test.damage(test.store.tables.payloads.bytes)
            #expect(try test.log(webhook) == ["b", "a"])
            let dropped = try test.store.retention.dropOldDeliveries(
                before: test.now.wall.adding(seconds: 1), maximumBytes: .max, limit: 100)
            try test.store.commit()
            #expect(dropped == 4)
            #expect(try test.store.check().faults == [])
        }
    }

    @Test(arguments: [\Tables.lostPayloads.bytes, \Tables.lostLines.bytes, \Tables.payloads.bytes])
    func `deliveries that were given up are recovered, except one with a damaged record`(
        table: any KeyPath<Tables, Table> & Sendable
    ) throws {
        try with { test in
            let webhook = try test.webhook()
            try test.refuse(["a", "b", "c"])
            try test.damage(test.store.tables[keyPath: table])
            #expect(try test.recover(webhook, limit: 1) == 1)
            #expect(try test.recover(webhook) == 1)
            #expect(try test.recover(webhook) == 0)
            #expect(try test.work().map { $0.payload?.eventID } == ["b", "c"])
            #expect(test.store.takeDamage() != [])
        }
    }

    @Test func `an index entry of a pending delivery does not recover it again`() throws {
        try with { test in
            let webhook = try test.webhook()
            try test.refuse(["a", "b"])
            #expect(try test.recover(webhook, limit: 1) == 1)
            let indexKey = key(webhook.destination.number, 1)
            try test.store.write { (transaction) throws(LMDBError) in
                try test.store.tables.lostLines.bytes.put(key(1), at: indexKey, in: &transaction)
            }
            #expect(try test.recover(webhook) == 1)
            #expect(try test.work().map { $0.payload?.eventID } == ["a", "b"])
        }
    }

    @Test(arguments: [
        (\Tables.payloads.bytes, Redelivery.gone), (\.attempts.bytes, .unknownLine),
        (\.destinations.bytes, .unknownDestination),
    ])
    func `a delivery with a damaged record is not repeated, and its turn goes on`(
        table: any KeyPath<Tables, Table> & Sendable, outcome: Redelivery
    ) throws {
        try with { test in
            let webhook = try test.webhook()
            try test.refuse(["a"])
            try test.damage(test.store.tables[keyPath: table])
            #expect(try test.store.webhooks.retry(1, of: webhook.id, for: nil, at: test.now) == outcome)
            let isRead = outcome != .unknownDestination
            #expect(try test.recover(webhook) == (isRead ? (outcome == .gone ? 0 : 1) : nil))
        }
    }

    @Test(arguments: [\Tables.lostPayloads.bytes, \Tables.lostLines.bytes])
    func `log entries are dropped even if the index of lost deliveries is damaged`(
        table: any KeyPath<Tables, Table> & Sendable
    ) throws {
        try with { test in
            let webhook = try test.webhook()
            try test.refuse(["a"])
            try test.store.write { (transaction) throws(LMDBError) in
                let indexKey = key(webhook.destination.number, 1)
                try test.store.tables[keyPath: table].put([0xFF], at: indexKey, in: &transaction)
            }
            try test.store.commit()
            let end = test.now.wall.adding(seconds: 1)
            #expect(try test.store.retention.dropOldDeliveries(before: end, maximumBytes: .max, limit: 100) == 2)
            try test.store.commit()
            #expect(try test.store.count(\.attempts.bytes) == 0)
        }
    }

    @Test(arguments: [1, 3, 7, 100])
    func `damaged log entries and payloads are dropped in steps, with their index entries`(limit: Int) throws {
        try with { test in
            let webhooks = try (0..<2).map { _ in try test.webhook() }
            try test.refuse((0..<6).map { "\($0)" })
            try test.damage(test.store.tables.attempts.bytes, count: 9)
            try test.damage(test.store.tables.payloads.bytes, count: 4)
            var steps: [Int] = []
            repeat {
                steps.append(
                    try test.store.retention.dropOldDeliveries(
                        before: test.now.wall.adding(seconds: 1), maximumBytes: .max, limit: limit))
                try test.store.commit()
            } while steps.last == limit
            #expect(steps.reduce(0, +) == 12 + 6 && steps.allSatisfy { $0 <= limit })
            #expect(try webhooks.map { try test.log($0) } == [[], []])
            for table in [
                \Tables.attemptIndex.bytes, \.attemptPayloads.bytes, \.lostLines.bytes, \.lostPayloads.bytes,
                \.eventIDs.bytes,
            ] {
                #expect(try test.store.count(table) == 0)
            }
            #expect(try test.store.check().faults == [])
        }
    }

    @Test func `a webhook is deleted with its log entries, even damaged ones`() throws {
        try with { test in
            let webhook = try test.webhook()
            try test.refuse(["a", "b", "c"])
            try test.damage(test.store.tables.attempts.bytes, count: 2)
            #expect(try test.store.webhooks.delete(webhook.id, for: nil))
            try test.store.commit()
            while try test.store.removeGarbage(limit: 2) == 2 { try test.store.commit() }
            try test.store.commit()
            #expect(try test.store.count(\.attemptPayloads.bytes) == 0)
            #expect(try test.store.check().faults == [])
        }
    }
}
