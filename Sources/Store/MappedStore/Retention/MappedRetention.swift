/// Drops the log entries and payloads of deliveries that are finished.
package final class MappedRetention: MappedDomain {
    let core: StoreCore
    let deliveries: MappedDeliveries
    let events: MappedEvents
    /// Where the next search for records to drop begins.
    var sweep = RetentionSweep()

    init(_ events: MappedEvents) {
        core = events.core
        deliveries = events.deliveries
        self.events = events
    }
}
