import Delivery
import HTTP
import MappedStore
import Values

@testable import Webhooks

/// As much of a store as the handlers can be tested on.
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
        _ webhook: Webhook, for request: RequestID?, limit: Int, _ makeKey: () -> Keyring.Key?
    ) throws(StoreFailure) -> WebhookCreation {
        if let request, let created = created[request] { return .created(created) }
        guard try webhooks(of: webhook.environment).count < limit else { return .tooMany }
        guard try keyring(of: webhook.environment, makeKey) != nil else { return .noKey }
        webhooks.append(webhook)
        if let request { created[request] = webhook }
        return .created(webhook)
    }

    func change(_ id: UUID, _ change: (inout Webhook) -> Bool) throws(StoreFailure) -> Webhook? {
        guard let index = webhooks.firstIndex(where: { $0.id == id }) else { return nil }
        var webhook = webhooks[index]
        if change(&webhook) { webhooks[index] = webhook }
        return webhooks[index]
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

    func hasKeyring(_ environment: UUID) throws(StoreFailure) -> Bool { keyrings[environment] != nil }

    func keyring(of environment: UUID, _ make: () -> Keyring.Key?) throws(StoreFailure) -> Keyring? {
        try work()
        if let keyring = keyrings[environment] { return keyring }
        guard let key = make() else { return nil }
        keyrings[environment] = Keyring(number: UInt64(keyrings.count + 1), keys: [key])
        return keyrings[environment]
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
