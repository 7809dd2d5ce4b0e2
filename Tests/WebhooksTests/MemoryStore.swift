import Delivery
import HTTP
import MappedStore
import Values

@testable import Webhooks

/// A store in memory that does as much as the tests of the handlers need.
final class MemoryStore: WebhookStore {
    var webhooks: [Webhook] = []
    var keyrings: [UUID: Keyring] = [:]
    var events: [(event: Event, environment: UUID)] = []
    var tests: [(event: Event, webhook: UUID)] = []
    var entries: [LogEntry] = []
    var queries: [LogQuery] = []
    var recovered: [ClosedRange<Timestamp>] = []
    var recoverable = 3
    var nextEntry: UInt64?
    var redelivery = Redelivery.unknownLine
    var health = DestinationHealth()
    var failure: StoreFailure?
    /// Whether the keys of environments cannot be read.
    var takesNoKeys = false
    private var created: [RequestID: Webhook] = [:]
    private let delivery = UUID("dddddddd-0000-4000-8000-000000000000")!

    private func work() throws(StoreFailure) {
        if let failure { throw failure }
    }

    func webhooks(of environment: UUID) throws(StoreFailure) -> [Webhook] {
        try work()
        return webhooks.filter { $0.environment == environment }
    }

    func webhook(_ id: UUID) throws(StoreFailure) -> Webhook? {
        try work()
        return webhooks.first { $0.id == id }
    }

    func create(
        _ webhook: Webhook, for request: RequestID?, limit: Int, key: Keyring.Key?
    ) throws(StoreFailure) -> WebhookCreation {
        if let request, let created = created[request] { return .created(created) }
        guard try webhooks(of: webhook.environment).count < limit else { return .tooMany }
        if keyrings[webhook.environment] == nil {
            guard let key, !takesNoKeys else { return .noKey }
            _ = try keyring(of: webhook.environment, beginning: key)
        }
        webhooks.append(webhook)
        if let request { created[request] = webhook }
        return .created(webhook)
    }

    /// Called once before a webhook is replaced, to change it as another request would.
    var meanwhile: (() -> Void)?

    func replace(_ webhook: Webhook, by changed: Webhook) throws(StoreFailure) -> Replacement<Webhook> {
        let interrupt = meanwhile
        meanwhile = nil
        interrupt?()
        guard let index = webhooks.firstIndex(where: { $0.id == webhook.id }) else { return .gone }
        guard webhooks[index] == webhook else { return .differs(webhooks[index]) }
        webhooks[index] = changed
        return .replaced
    }

    func delete(_ id: UUID, for request: RequestID?) throws(StoreFailure) -> Bool {
        guard let index = webhooks.firstIndex(where: { $0.id == id }) else { return false }
        webhooks.remove(at: index)
        return true
    }

    func accept(
        _ event: Event, in environment: UUID, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> EventAcceptance {
        try work()
        let deliveries = webhooks.count { $0.environment == environment && $0.events.contains(event.type) }
        let earlier = events.first {
            $0.environment == environment
                && ($0.event.id == event.id
                    || event.idempotencyKey != nil && $0.event.idempotencyKey == event.idempotencyKey)
        }
        if let earlier {
            return EventAcceptance(eventID: earlier.event.id, deliveries: deliveries, isRepeated: true)
        }
        events.append((event, environment))
        return EventAcceptance(eventID: event.id, deliveries: deliveries, isRepeated: false)
    }

    func test(
        _ event: Event, to webhook: UUID, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> UUID? {
        tests.append((event, webhook))
        return delivery
    }

    func log(of webhook: UUID, _ query: LogQuery) throws(StoreFailure) -> LogPage? {
        guard try self.webhook(webhook) != nil else { return nil }
        queries.append(query)
        return LogPage(entries: entries, next: nextEntry)
    }

    func retry(
        _ entry: UInt64, of webhook: UUID, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> Redelivery {
        guard try self.webhook(webhook) != nil else { return .unknownDestination }
        return entry == 7 ? .started(delivery) : redelivery
    }

    func recover(
        _ webhook: UUID, since: Timestamp, until: Timestamp, limit: Int, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> Int? {
        guard try self.webhook(webhook) != nil else { return nil }
        recovered.append(since...until)
        return min(recoverable, limit)
    }

    func statistics(of webhook: UUID) throws(StoreFailure) -> WebhookStatistics? {
        guard try self.webhook(webhook) != nil else { return nil }
        return WebhookStatistics(health: health, pending: 4)
    }

    func keyring(of environment: UUID) throws(StoreFailure) -> Keyring? {
        try work()
        return keyrings[environment]
    }

    func keyring(of environment: UUID, beginning key: Keyring.Key) throws(StoreFailure) -> Keyring {
        try work()
        let keyring = keyrings[environment] ?? Keyring(number: UInt64(keyrings.count + 1), keys: [key])
        keyrings[environment] = keyring
        return keyring
    }

    func rotate(
        _ environment: UUID, to key: Keyring.Key, at now: Timestamp, overlapSeconds: Double
    ) throws(StoreFailure) -> Keyring? {
        if let rotated = keyrings[environment]?.announcing(key, at: now, overlapSeconds: overlapSeconds) {
            keyrings[environment] = rotated
        }
        return keyrings[environment]
    }
}
