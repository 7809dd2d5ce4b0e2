/// Subscriptions, and the events that are routed to them.
package final class MappedEvents: MappedDomain {
    let core: StoreCore
    let deliveries: MappedDeliveries

    init(_ deliveries: MappedDeliveries) {
        core = deliveries.core
        self.deliveries = deliveries
    }
}
