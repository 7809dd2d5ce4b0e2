package import Delivery
internal import DeliveryEngine
internal import Events
internal import HTTP
internal import Linux
package import Storage
internal import Values

/// Takes over the subscriptions and events of pacifica-notifications. Each page of rows is one transaction, or several if
/// its events are large or have many matches.
package struct PacificaTakeover {
    private let source: PacificaDatabase
    private let store: any StorageEngine
    private let settings: Settings
    private let takeover: PacificaSubscriptions
    private let now: Timestamp
    /// Events that are older are left out, because the worker would drop them at once.
    private let oldest: Timestamp

    private var subscriptions = (new: 0, known: 0, deleted: 0, disabled: 0, refused: 0)
    private var events = Takeover()
    private var oldEvents = 0
    private var refusedEvents = 0
    /// The summary as of the last commit; empty before the first one.
    package private(set) var keptSummary: [String] = []

    private static let subscriptionsPerPage = 200
    private static let eventsPerPage = 50
    /// The bytes of events, and the matches, after which a transaction is committed.
    private static let maximumBytes = 4 << 20
    private static let maximumMatches = 2000

    package init(_ source: PacificaDatabase, _ store: any StorageEngine, _ settings: Settings, _ sealing: Sealing) {
        self.source = source
        self.store = store
        self.settings = settings
        now = store.clock.now().wall
        takeover = PacificaSubscriptions(
            settings: settings.events, urls: AddressGuard(allowing: settings.allowedSubnets), sealing: sealing, now: now
        )
        oldest = now.adding(seconds: -settings.webhookRetentionSeconds)
    }

    package mutating func run() async throws {
        do {
            try await takeSubscriptions()
            try await takeEvents()
        } catch let failure as StoreFailure {
            throw failure
        } catch {
            throw Refusal("cannot read the database: \(error)")
        }
    }

    /// How many rows were refused, or taken over disabled.
    package var faults: Int { subscriptions.disabled + subscriptions.refused + refusedEvents }

    package var summary: [String] {
        let (new, known, deleted, disabled, refused) = subscriptions
        let lines = [
            "subscriptions: \(new) imported (\(disabled) of them disabled), \(known) already here, \(deleted) deleted, \(refused) refused",
            "events: \(events.events) imported, \(events.known) already here, \(oldEvents) older than WEBHOOKS_RETENTION, \(refusedEvents) refused",
            "attempts: \(events.attempts) imported, \(events.strayAttempts) left out because their subscriptions are not here",
        ]
        return new + events.events > 0 ? lines : lines + ["nothing was new"]
    }

    // MARK: Subscriptions

    private mutating func takeSubscriptions() async throws {
        try await source.pages(of: "eventmatch", PacificaSubscription.columns, size: Self.subscriptionsPerPage) {
            rows in
            for row in rows { try await take(PacificaSubscription(row: row)) }
            try store.commit()
            keptSummary = summary
        }
    }

    private mutating func take(_ former: PacificaSubscription) async throws {
        let name = "subscription \(former.row["uuid"] ?? "")"
        if former.isDeleted {
            subscriptions.deleted += 1
            return
        }
        if let id = former.id, try await isKept(id) {
            subscriptions.known += 1
            return
        }
        let (subscription, fault): (Subscription, String?)
        do throws(EventError) {
            (subscription, fault) = try takeover.subscription(former)
        } catch {
            subscriptions.refused += 1
            return complain("\(name) is left out: \(error.message)")
        }
        guard case .made = try await store.events.create(subscription, for: nil, limit: .max) else {
            subscriptions.known += 1
            return
        }
        subscriptions.new += 1
        guard let fault else { return }
        subscriptions.disabled += 1
        complain("\(name) is disabled: \(fault)")
    }

    private func isKept(_ id: UUID) async throws(StoreFailure) -> Bool {
        try await store.events.subscription(id) != nil
    }

    // MARK: Events

    private mutating func takeEvents() async throws {
        try await source.pages(of: "eventlog", FormerEvent.columns, size: Self.eventsPerPage) { rows in
            var taken: [FormerEvent] = []
            var (bytes, matches) = (0, 0)
            for row in rows {
                guard let event = try event(row) else { continue }
                taken.append(event)
                bytes += event.event.body.count
                matches += event.matches.count
                guard bytes >= Self.maximumBytes || matches >= Self.maximumMatches else { continue }
                try await take(&taken)
                (bytes, matches) = (0, 0)
            }
            try await take(&taken)
        }
    }

    private mutating func take(_ taken: inout [FormerEvent]) async throws {
        events += try await store.events.takeOver(taken)
        try store.commit()
        keptSummary = summary
        taken = []
    }

    private mutating func event(_ row: PacificaDatabase.Row) throws -> FormerEvent? {
        let id = row["uuid"] ?? ""
        do {
            var event = try FormerEvent(row: row, now: now)
            guard event.receivedAt >= oldest else {
                oldEvents += 1
                return nil
            }
            for match in try source.rows(
                of: "eventlogmatch", FormerEvent.matchColumns, where: "event_log_id", is: id)
            {
                try event.addMatch(row: match, keptBytes: settings.delivery.keptBytes)
            }
            return event
        } catch let fault as EventError {
            refusedEvents += 1
            complain("event \(id) is left out: \(fault.message)")
            return nil
        }
    }
}
