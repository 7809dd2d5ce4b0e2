package import Delivery
package import Events
package import HTTP
internal import MappedStore
package import Storage
package import Values

/// Event routing in a database: each operation waits for its batch.
package final class BatchedEvents {
    private let batches: Batches
    private let store: MappedEvents

    init(_ batches: Batches, _ store: MappedEvents) {
        (self.batches, self.store) = (batches, store)
    }
}

extension BatchedEvents: EventStore {
    package func subscriptions(of user: String, after: UInt64?, limit: Int) async throws(StoreFailure) -> [Subscription]
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.subscriptions(of: user, after: after, limit: limit)
        }
    }

    package func subscription(_ id: UUID) async throws(StoreFailure) -> Subscription? {
        try await batches.run { [store] () throws(StoreFailure) in try store.subscription(id) }
    }

    package func create(_ subscription: Subscription, for request: RequestID?, limit: Int) async throws(StoreFailure)
        -> SubscriptionCreation
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.create(subscription, for: request, limit: limit)
        }
    }

    package func replace(_ subscription: Subscription, by changed: Subscription) async throws(StoreFailure)
        -> Replacement<Subscription>
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.replace(subscription, by: changed) }
    }

    package func deleteSubscription(_ id: UUID, of user: String, for request: RequestID?) async throws(StoreFailure)
        -> Bool
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.deleteSubscription(id, of: user, for: request)
        }
    }

    package func receive(_ events: [ReceivedEvent], for request: RequestID?, at moment: Moment)
        async throws(StoreFailure) -> [UUID]
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.receive(events, for: request, at: moment) }
    }

    package func event(_ id: UUID, for user: String?) async throws(StoreFailure) -> EventHistory? {
        try await batches.run { [store] () throws(StoreFailure) in try store.event(id, for: user) }
    }

    package func deliveries(of subscription: UUID, _ query: DeliveryQuery) async throws(StoreFailure) -> [DeliveryLine]?
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.deliveries(of: subscription, query) }
    }

    package func redeliver(_ line: UInt64, of subscription: Subscription, for request: RequestID?, at moment: Moment)
        async throws(StoreFailure) -> Redelivery
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.redeliver(line, of: subscription, for: request, at: moment)
        }
    }

    package func replay(
        _ subscription: Subscription, since: Timestamp, until: Timestamp, all: Bool, for request: RequestID?
    ) async throws(StoreFailure) -> ReplayRequest {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.replay(subscription, since: since, until: until, all: all, for: request)
        }
    }
}

extension BatchedEvents: EventAdministration {
    package func events(from number: UInt64, after start: Timestamp, before end: Timestamp, limit: Int)
        async throws(StoreFailure) -> EventPage
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.events(from: number, after: start, before: end, limit: limit)
        }
    }

    package func redispatch(_ id: UUID) async throws(StoreFailure) -> Redispatch {
        try await batches.run { [store] () throws(StoreFailure) in try store.redispatch(id) }
    }

    package func purge(_ id: UUID, limit: Int) async throws(StoreFailure) -> PurgeOutcome {
        try await batches.run { [store] () throws(StoreFailure) in try store.purge(id, limit: limit) }
    }

    package func purgeEvents(from number: UInt64, before end: Timestamp, limit: Int) async throws(StoreFailure)
        -> PurgeStep
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.purgeEvents(from: number, before: end, limit: limit)
        }
    }

    package func takeOver(_ events: [FormerEvent]) async throws(StoreFailure) -> Takeover {
        try await batches.run { [store] () throws(StoreFailure) in try store.takeOver(events) }
    }
}
