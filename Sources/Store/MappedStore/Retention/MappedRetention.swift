/// Drops what deliveries leave behind.
package final class MappedRetention: MappedDomain {
    let core: StoreCore
    let deliveries: MappedDeliveries
    let events: MappedEvents
    /// Where the next look for what can be dropped begins.
    var sweep = RetentionSweep()

    init(_ events: MappedEvents) {
        core = events.core
        deliveries = events.deliveries
        self.events = events
    }
}
