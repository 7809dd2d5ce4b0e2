/// What the worker needs to match events with subscriptions.
package final class MappedMatching: MappedDomain {
    let core: StoreCore
    let deliveries: MappedDeliveries
    let events: MappedEvents
    /// Events that cannot be read, and are not tried again by this process.
    var setAside: Set<UInt64> = []

    init(_ events: MappedEvents) {
        core = events.core
        deliveries = events.deliveries
        self.events = events
    }
}
