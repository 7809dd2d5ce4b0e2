import Capture
import Delivery
import Events
import HTTP
import LMDB
import Linux
import Queues
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values
import Webhooks

@testable import MappedStore

/// Stores of an older layout, and files that replace others.
@Suite struct LayoutTests {
    /// The tables that each layout added.
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
        5: ["approval-heads", "subscription-counts"],
        6: ["endpoint-makers", "owner-heads", "due-owners", "holds", "missed-events", "lags"],
        8: ["refusals", "receivers", "confirmations", "due-confirmations", "notification-deliveries"],
    ]

    /// The named records that each layout did not have yet.
    private static let laterKeys = [
        1: ["queues", "mark", "schema"], 2: ["schema"], 3: ["schema"], 4: ["schema"], 5: ["schema"], 6: ["schema"],
        7: ["schema"], 8: ["schema"],
    ].mapValues { $0.map { Array($0.utf8) } }

    private static let id = UUID("6cf47199-5abf-4ae3-a40d-9d6283d0ee21")!
    private static let routedID = UUID("0f9b5e35-6fbb-4a36-9a44-3b5b1d36a0f6")!

    /// Fills a store with data of each kind that a layout has: an endpoint with a notification, a queue with a message, a
    /// webhook with one event that it has refused and one that waits, a subscription with an event that waits for
    /// approval.
    private func fill(_ store: MappedStore, layout: UInt64) throws {
        try store.create(1)
        #expect(try store.accept(at: 1) == .stored)
        if layout >= 2 {
            try store.configure()
            try store.post()
        }
        if layout >= 3 {
            let now = store.clock.now()
            let webhook = Webhook(
                id: Self.id, environment: Self.id, name: "n", events: ["job-created"],
                destination: Destination(number: 0, url: "http://receiver.test/", policy: .own(.schedule([]))),
                created: now.wall, updated: now.wall)
            let key = Keyring.Key(
                id: "k", algorithm: "ed25519", publicKey: "PEM", sealedPrivateKey: [0], created: now.wall,
                signsFrom: now.wall)
            let created = try store.webhooks.create(webhook, for: nil, limit: 9, key: key)
            guard case .created = created else { throw StoreError("\(created)") }
            for name in ["refused", "waits"] {
                let event = Event(id: name, type: "job-created", body: Array(name.utf8))
                _ = try store.webhooks.accept(event, in: Self.id, for: nil, at: now)
                try store.commit()
                if name == "refused" { try refuse(try begin(store), store) }
            }
        }
        if layout >= 4 { try route(store, Self.routedID) }
        try store.commit()
    }

    private func begin(_ store: MappedStore) throws -> [DeliveryStep.Start] {
        let outcome = try store.deliveries.step(
            [], beginning: AttemptRoom(9), inFlight: [:], owner: 1, leaseSeconds: 25, policies: RetryPolicies(),
            at: store.clock.now())
        try store.commit()
        return outcome.starts
    }

    private func refuse(
        _ starts: [DeliveryStep.Start], but accepted: String? = nil, _ store: MappedStore
    ) throws {
        let now = store.clock.now()
        let results = starts.map { start -> DeliveryResult in
            let isAccepted = accepted != nil && start.payload?.eventID == accepted
            let failure = isAccepted ? nil : Attempt.Failure(kind: .status, text: "")
            let attempt = Attempt(status: isAccepted ? 200 : 400, failure: failure, triggeredAt: now.wall)
            return DeliveryResult(
                delivery: start.delivery, attempt: attempt,
                wish: ReceiverWish(attempt, now: now.wall, disablesOnGone: true), jitter: 0)
        }
        _ = try store.deliveries.step(
            results, beginning: AttemptRoom(0), inFlight: [:], owner: 1, leaseSeconds: 25, policies: RetryPolicies(),
            at: now)
        try store.commit()
    }

    /// Checks that everything from `fill` is there, and works.
    private func expectFilled(_ store: MappedStore, layout: UInt64) throws {
        #expect(try store.waiting(at: 1) == [1])
        #expect(try store.queues.isConfigured() == (layout >= 2))
        #expect(try store.count(\.messages.table.bytes) == (layout >= 2 ? 1 : 0))
        if layout >= 2 {
            _ = try store.listen("c")
            try store.post()
            try store.commit()
            // Its number is above those that may have been given after this copy was made.
            let numbers = try store.read("c") ?? []
            #expect(numbers.count == 1 && numbers[0] >= 2)
        }
        #expect(try store.deliveries.hasDestinations() == (layout >= 3))
        guard layout >= 3 else { return }
        #expect(try store.webhooks.webhook(Self.id)?.destination.url == "http://receiver.test/")
        let entries = try store.webhooks.log(of: Self.id, LogQuery())?.entries ?? []
        #expect(entries.map(\.eventID) == ["refused"])
        let bodies = ["waits"] + (layout >= 4 ? ["{}"] : [])
        #expect(try begin(store).map { $0.payload?.body } == bodies.map { Array($0.utf8) })
    }

    /// Routes an event.
    private func route(_ store: MappedStore, _ id: UUID) throws {
        let now = store.clock.now()
        #expect(try store.events.create(.example(id, approvalPath: "/events/u", at: now.wall)) != nil)
        _ = try store.events.receive([ReceivedEvent(id: id, type: "", body: Array("{}".utf8))], for: nil, at: now)
        try store.commit()
        let matcher = EventMatcher(store: store.matching)
        while try matcher.step(until: .farAhead, now: { now }) { try store.commit() }
        #expect(try store.events.event(id)?.matches.isEmpty == false)
    }

    private struct Entry: Hashable {
        let table: String
        let key: [UInt8]
        let value: [UInt8]
    }

    private static func entries(_ directory: FilePath, _ tables: [(name: String, later: String)]) throws -> [Entry] {
        var entries: [Entry] = []
        let environment = try Self.environment(directory)
        let transaction = try environment.beginRead()
        for (name, later) in tables {
            try Table(later, creating: false, in: transaction).scan(in: transaction) { key, value in
                entries.append(Entry(table: name, key: copy(key), value: copy(value)))
                return true
            }
        }
        return entries
    }

    /// Makes a store of an older layout from the tables of a newer one.
    /// - Parameter unfilled: tables that the older layout had, but did not fill.
    /// - Returns: the entries that the newer layout has in these.
    @discardableResult
    private func make(
        layout: UInt64, in directory: FilePath, unfilled: [String] = [], _ more: (MappedStore) throws -> Void = { _ in }
    ) throws -> Set<Entry> {
        let tables = (1...layout).flatMap { Self.tablesSince[$0] ?? [] }
        var entries: [Entry] = []
        var left: [Entry] = []
        try withTemporaryDirectory { other in
            do {
                let store = try open(other)
                try fill(store, layout: layout)
                try more(store)
            }
            let kept = tables.filter { !unfilled.contains($0) && $0 != "endpoints" }.map { ($0, $0) }
            entries = try Self.entries(other, kept + (layout == 4 ? [("delivery-heads", "approval-heads")] : []))
            left = try Self.entries(other, unfilled.map { ($0, $0) })
        }
        // The records of endpoints are those with the shorter keys.
        entries = entries.map { entry in
            let isEndpoint = layout < 7 && entry.table == "notifications" && entry.key.count == 8
            return isEndpoint ? Entry(table: "endpoints", key: entry.key, value: entry.value) : entry
        }
        let environment = try Self.environment(directory)
        var transaction = try environment.beginWrite()
        for name in tables { _ = try Table(name, creating: true, in: transaction) }
        for entry in entries where Self.laterKeys[Int(layout)]?.contains(entry.key) == false {
            try Table(entry.table, creating: false, in: transaction).put(entry.value, at: entry.key, in: &transaction)
        }
        try Table("meta", creating: false, in: transaction).put(
            key(layout), at: Array("schema".utf8), in: &transaction)
        try transaction.commit()
        return Set(left)
    }

    private static func environment(_ directory: FilePath) throws(LMDBError) -> Environment {
        try Environment(
            path: MappedStore.file(in: directory).string, tables: 64, readers: 16,
            Environment.Options(mapBytes: 64 << 20))
    }

    @Test(arguments: Array(1...8), [MappedStore.Options.Access.shared, .exclusive])
    func `a store of an older layout is migrated with all its contents`(
        layout: UInt64, access: MappedStore.Options.Access
    ) throws {
        try withTemporaryDirectory { directory in
            try make(layout: layout, in: directory)
            let time: UInt64
            do {
                let store = try MappedStore(
                    directory: directory, MappedStore.Options(maximumBytes: 64 << 20, isDurable: false, access: access))
                #expect(try store.check().faults == [])
                try expectFilled(store, layout: layout)
                time = try store.queues.time()
                #expect(time > 1_700_000_000)
                if layout < 2 {
                    try store.configure()
                    try store.post()
                }
                try route(store, Self.id)
                #expect(try store.check().faults == [])
            }
            let store = try open(directory)
            #expect(try store.waiting(at: 1) == [1])
            #expect(try store.queues.time() == time)
            #expect(try store.count(\.messages.table.bytes) == (layout < 2 ? 1 : 2))
            let version = try store.read { (transaction) throws(LMDBError) in
                try store.tables.schema.value(in: transaction)
            }
            #expect(version == MappedStore.schemaVersion)
        }
    }

    /// Makes deliveries fail: one succeeds the second time, one fails again, and one is pending again.
    private func giveUp(_ store: MappedStore) throws {
        for name in ["saved", "twice", "underway"] {
            let event = Event(id: name, type: "job-created", body: [])
            _ = try store.webhooks.accept(event, in: Self.id, for: nil, at: store.clock.now())
        }
        let test = Event(id: "test", type: "job-created", body: [])
        _ = try store.webhooks.test(test, to: Self.id, for: nil, at: store.clock.now())
        try store.commit()
        try refuse(try begin(store), store)
        func sendAgain(_ names: String...) throws {
            for entry in try #require(try store.webhooks.log(of: Self.id, LogQuery())).entries
            where names.contains(entry.eventID) {
                guard case .started = try store.webhooks.retry(entry.id, of: Self.id, for: nil, at: store.clock.now())
                else {
                    throw StoreError("\(entry)")
                }
            }
            try store.commit()
        }
        try sendAgain("saved", "twice")
        try refuse(try begin(store), but: "saved", store)
        try sendAgain("underway")
    }

    private static let unfilled: [(UInt64, [String])] = [
        (3, ["attempt-parcels", "lost-lines", "lost-parcels"]), (4, ["attempt-parcels", "lost-lines", "lost-parcels"]),
        (4, ["lost-lines", "lost-parcels"]), (4, []),
    ]

    @Test(arguments: unfilled)
    func `deliveries that were given up in an older layout are recovered`(layout: UInt64, unfilled: [String]) throws {
        try withTemporaryDirectory { directory in
            let expected = try make(layout: layout, in: directory, unfilled: unfilled, giveUp)
            #expect(expected.isEmpty == unfilled.isEmpty)
            do {
                let store = try open(directory)
                #expect(try store.check().faults == [])
            }
            #expect(try Set(Self.entries(directory, unfilled.map { ($0, $0) })) == expected)
            let store = try open(directory)
            let now = store.clock.now()
            let since = now.wall.adding(seconds: -100)
            #expect(
                try store.webhooks.recover(Self.id, since: since, until: now.wall, limit: 9, for: nil, at: now) == 3)
            try store.commit()
            let sent = try begin(store).compactMap(\.payload?.eventID)
            #expect(Set(sent) == ["refused", "waits", "twice", "underway"] && sent.count == 4)
        }
    }

    @Test(arguments: Array(1...8))
    func `a store of an older layout is refused with advice if it is read-only, and is not changed`(
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
                    "schema version \(layout); run \"postroom store migrate\" to migrate it to version \(MappedStore.schemaVersion)"
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

    /// The time of a store before a change of its closed file, after it, and after another opening.
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
                before = try store.queues.time()
                try closing(store)
            }
            try change(MappedStore.file(in: directory))
            func reopened() throws -> UInt64 {
                let store = try open(directory)
                #expect(try store.count(\.messages.table.bytes) == 1)
                return try store.queues.time()
            }
            return (before, try reopened(), try reopened())
        }
    }

    @Test func `opening a store again does not change its time`() throws {
        let (before, after, again) = try time { _ in }
        #expect(before == after && after == again)
    }

    @Test(arguments: [false, true])
    func `replacing or overwriting the file with an older copy changes the time once`(isInPlace: Bool) throws {
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

    @Test func `renewing the mark does not change the time, and losing it does`() throws {
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
}
