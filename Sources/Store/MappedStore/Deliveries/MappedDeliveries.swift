/// Destinations, their deliveries and the log. Webhooks and event routing share them.
package final class MappedDeliveries: MappedDomain {
    let core: StoreCore
    /// Where the next search for due owners begins; `nil`: with the first.
    var dueOwnersCursor: DueOwnerKey?

    init(_ core: StoreCore) { self.core = core }
}
