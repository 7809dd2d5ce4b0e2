package import Delivery
package import HTTP
internal import MappedStore
package import Storage
package import Values
package import Webhooks

/// Webhooks in a database: each operation waits for its batch.
package final class BatchedWebhooks {
    private let batches: Batches
    private let store: MappedWebhooks

    init(_ batches: Batches, _ store: MappedWebhooks) {
        (self.batches, self.store) = (batches, store)
    }
}

extension BatchedWebhooks: WebhookStore {
    package func webhooks(of environment: UUID) async throws(StoreFailure) -> [Webhook] {
        try await batches.run { [store] () throws(StoreFailure) in try store.webhooks(of: environment) }
    }

    package func webhook(_ id: UUID) async throws(StoreFailure) -> Webhook? {
        try await batches.run { [store] () throws(StoreFailure) in try store.webhook(id) }
    }

    package func create(_ webhook: Webhook, for request: RequestID?, limit: Int, key: Keyring.Key?)
        async throws(StoreFailure) -> WebhookCreation
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.create(webhook, for: request, limit: limit, key: key)
        }
    }

    package func replace(_ webhook: Webhook, by changed: Webhook) async throws(StoreFailure) -> Replacement<Webhook> {
        try await batches.run { [store] () throws(StoreFailure) in try store.replace(webhook, by: changed) }
    }

    package func delete(_ id: UUID, for request: RequestID?) async throws(StoreFailure) -> Bool {
        try await batches.run { [store] () throws(StoreFailure) in try store.delete(id, for: request) }
    }

    package func accept(_ event: Event, in environment: UUID, for request: RequestID?, at moment: Moment)
        async throws(StoreFailure) -> EventAcceptance
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.accept(event, in: environment, for: request, at: moment)
        }
    }

    package func test(_ event: Event, to webhook: UUID, for request: RequestID?, at moment: Moment)
        async throws(StoreFailure) -> UUID?
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.test(event, to: webhook, for: request, at: moment)
        }
    }

    package func log(of webhook: UUID, _ query: LogQuery) async throws(StoreFailure) -> LogPage? {
        try await batches.run { [store] () throws(StoreFailure) in try store.log(of: webhook, query) }
    }

    package func retry(_ entry: UInt64, of webhook: UUID, for request: RequestID?, at moment: Moment)
        async throws(StoreFailure) -> Redelivery
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.retry(entry, of: webhook, for: request, at: moment)
        }
    }

    package func recover(
        _ webhook: UUID, since: Timestamp, until: Timestamp, limit: Int, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> Int? {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.recover(webhook, since: since, until: until, limit: limit, for: request, at: moment)
        }
    }

    package func statistics(of webhook: UUID) async throws(StoreFailure) -> WebhookStatistics? {
        try await batches.run { [store] () throws(StoreFailure) in try store.statistics(of: webhook) }
    }

    package func keyring(of environment: UUID) async throws(StoreFailure) -> Keyring? {
        try await batches.run { [store] () throws(StoreFailure) in try store.keyring(of: environment) }
    }

    package func keyring(of environment: UUID, beginning key: Keyring.Key) async throws(StoreFailure) -> Keyring {
        try await batches.run { [store] () throws(StoreFailure) in try store.keyring(of: environment, beginning: key) }
    }

    package func rotate(_ environment: UUID, to key: Keyring.Key, at now: Timestamp, overlapSeconds: Double)
        async throws(StoreFailure) -> Keyring?
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.rotate(environment, to: key, at: now, overlapSeconds: overlapSeconds)
        }
    }
}

extension BatchedWebhooks: WebhookMaintenance {
    package func forgetIdleKeyrings(at now: Timestamp, from start: [UInt8], limit: Int) async throws(StoreFailure)
        -> [UInt8]
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.forgetIdleKeyrings(at: now, from: start, limit: limit)
        }
    }

    package func count(_ leftOut: IntakeMetrics) async throws(StoreFailure) {
        try await batches.run { [store] () throws(StoreFailure) in try store.count(leftOut) }
    }
}
