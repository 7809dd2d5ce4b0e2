/// Webhooks, their environments with keys, and the events that are sent to them.
package final class MappedWebhooks: MappedDomain {
    let core: StoreCore
    let deliveries: MappedDeliveries

    init(_ deliveries: MappedDeliveries) {
        core = deliveries.core
        self.deliveries = deliveries
    }
}
