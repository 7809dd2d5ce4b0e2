/// Destinations, what is delivered to them, and the log of it: what webhooks and event routing have in common.
package final class MappedDeliveries: MappedDomain {
    let core: StoreCore
    /// Where the next look for owners whose deliveries are due begins.
    var dueOwnersCursor: DueOwnerKey?

    init(_ core: StoreCore) { self.core = core }
}
