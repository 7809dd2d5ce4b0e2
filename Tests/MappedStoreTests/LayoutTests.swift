import Capture
import Gateway
import LMDB
import Linux
import Queues
import SystemPackage
import TestSupport
import Testing

@testable import MappedStore

/// Stores of an older layout, and files that take the place of others.
@Suite struct LayoutTests {
    /// Those that a layout added to the one before.
    private static let tablesSince: [UInt64: [String]] = [
        1: ["meta", "endpoints", "endpoint-ids", "endpoint-uses", "notifications", "requests"],
        2: [
            "queue-names", "queues", "queue-logs", "messages", "users", "rights", "clients", "logins", "garbage",
        ],
        3: [
            "destinations", "destination-states", "parcels", "event-ids", "deliveries", "delivery-heads", "attempts",
            "attempt-index", "keyrings", "environments", "webhooks", "webhook-ids", "environment-webhooks",
        ],
        4: [
            "lost-lines", "lost-parcels", "attempt-parcels", "subscriptions", "subscription-ids", "user-subscriptions",
            "expressions", "gone-expressions", "routed-events", "waiting-events", "replays",
        ],
    ]

    /// Records by name that a layout did not have.
    private static let laterKeys = [
        1: [Tables.queuesKey, Tables.markKey, Tables.schemaKey], 2: [Tables.schemaKey], 3: [Tables.schemaKey],
        4: [Tables.schemaKey],
    ]

    /// Makes a store of an older layout with an endpoint and a notification at it: of a newer one, the tables that were
    /// there.
    private func make(layout: UInt64, in directory: FilePath) throws {
        let tables = (1...layout).flatMap { Self.tablesSince[$0] ?? [] }
        var entries: [(table: String, key: [UInt8], value: [UInt8])] = []
        try withTemporaryDirectory { other in
            do {
                let store = try open(other)
                try store.create(1)
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
            }
            let environment = try Self.environment(other)
            let transaction = try environment.beginRead()
            for name in tables {
                try Table(name, creating: false, in: transaction).scan(in: transaction) { key, value in
                    entries.append((name, copy(key), copy(value)))
                    return true
                }
            }
        }
        let environment = try Self.environment(directory)
        var transaction = try environment.beginWrite()
        for name in tables { _ = try Table(name, creating: true, in: transaction) }
        for entry in entries where Self.laterKeys[Int(layout)]?.contains(entry.key) == false {
            try Table(entry.table, creating: false, in: transaction).put(entry.value, at: entry.key, in: &transaction)
        }
        try Table("meta", creating: false, in: transaction).put(key(layout), at: Tables.schemaKey, in: &transaction)
        try transaction.commit()
    }

    private static func environment(_ directory: FilePath) throws(LMDBError) -> Environment {
        try Environment(
            path: MappedStore.file(in: directory).string, tables: 48, readers: 16,
            Environment.Options(mapBytes: 64 << 20, isDurable: true))
    }

    @Test(arguments: [1, 2, 3, 4], [MappedStore.Options.Access.shared, .exclusive])
    func `a store of an older layout is migrated, with all that is in it`(
        layout: UInt64, access: MappedStore.Options.Access
    ) throws {
        try withTemporaryDirectory { directory in
            try make(layout: layout, in: directory)
            let time: UInt64
            do {
                let store = try MappedStore(
                    directory: directory, MappedStore.Options(maximumBytes: 64 << 20, isDurable: false, access: access))
                #expect(try store.waiting(at: 1) == [1])
                #expect(try !store.isConfigured())
                time = try store.time()
                #expect(time > 1_700_000_000)
                try store.configure()
                try store.post()
                try store.commit()
                #expect(try !store.hasDestinations() && store.check().faults.isEmpty)
            }
            let store = try open(directory)
            #expect(try store.waiting(at: 1) == [1])
            #expect(try store.time() == time)
            #expect(try store.count(\.messages.table) == 1)
            let version = try store.read { (transaction) throws(LMDBError) in
                try store.tables.meta.number(at: Tables.schemaKey, in: transaction)
            }
            #expect(version == MappedStore.schemaVersion)
        }
    }

    @Test(arguments: [1, 2, 3, 4])
    func `an older store that is not to be changed is refused with what to do, and stays as it is`(
        layout: UInt64
    ) throws {
        try withTemporaryDirectory { directory in
            try make(layout: layout, in: directory)
            let path = MappedStore.file(in: directory)
            let bytes = Files.contents(of: path)
            let options = MappedStore.Options(maximumBytes: 64 << 20, access: .readOnly)
            do throws(StoreError) {
                _ = try MappedStore(directory: directory, options)
                Issue.record("opened")
            } catch {
                let advice =
                    "schema version \(layout); \"postroom store migrate\" brings it to \(MappedStore.schemaVersion)"
                #expect(error.description.hasPrefix("\(path): \(advice)"))
                #expect(!error.isDamage)
            }
            #expect(Files.contents(of: path) == bytes)
            _ = try open(directory)
            let store = try MappedStore(directory: directory, options)
            #expect(try store.waiting(at: 1) == [1])
        }
    }

    // MARK: The file

    /// What a store's time is before something is done to its closed file, and after.
    private func time(
        around change: (FilePath) throws -> Void, closing: (MappedStore) throws -> Void = { _ in }
    ) throws -> (before: UInt64, after: UInt64, again: UInt64) {
        try withTemporaryDirectory { directory in
            let before: UInt64
            do {
                let store = try open(directory)
                try store.configure()
                try store.post()
                try store.commit()
                before = try store.time()
                try closing(store)
            }
            try change(MappedStore.file(in: directory))
            func reopened() throws -> UInt64 {
                let store = try open(directory)
                #expect(try store.count(\.messages.table) == 1)
                return try store.time()
            }
            return (before, try reopened(), try reopened())
        }
    }

    @Test func `opening a store again does not change its time`() throws {
        let (before, after, again) = try time { _ in }
        #expect(before == after && after == again)
    }

    @Test(arguments: [false, true])
    func `an older copy in the place of the file, or written over it, changes the time once`(isInPlace: Bool) throws {
        var copy: [UInt8] = []
        let (before, after, again) = try time { path in
            if isInPlace {
                let file = try Files.open(path, .writeOnly, [.truncate, .closeOnExec])
                defer { try? file.close() }
                try file.writeAll(copy)
            } else {
                try Files.replace(path, with: copy)
            }
        } closing: { store in
            try withTemporaryDirectory { directory in
                try store.compact(to: directory.appending("copy"))
                copy = try #require(Files.contents(of: directory.appending("copy")))
            }
            try store.renewMark()
        }
        #expect(after > before)
        #expect(again == after)
    }

    @Test func `renewing the mark does not change the time, losing it does`() throws {
        let (before, after, _) = try time(around: { _ in }, closing: { try $0.renewMark() })
        #expect(before == after)
        let lost = try time { path in try Files.remove(path.removingLastComponent().appending("store.mark")) }
        #expect(lost.after > lost.before)
        #expect(lost.again == lost.after)
    }

    @Test func `compacting does not change the time`() throws {
        var copy = FilePath()
        let (before, after, again) = try time { path in
            try Files.move(copy, to: path)
        } closing: { store in
            try withTemporaryDirectory { directory in copy = FilePath("\(directory).compact") }
            try store.compact(to: copy)
        }
        #expect(before == after && after == again)
    }

    @Test func `a store that begins anew has another time, each time`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            var times = [try store.time()]
            for _ in 0..<3 {
                try store.beginAnew()
                times.append(try store.time())
            }
            #expect(times == times.sorted() && Set(times).count == 4)
            #expect(try open(directory).time() == times.last)
        }
    }
}
