/// Endpoints and their notifications.
package final class MappedCapture: MappedDomain {
    let core: StoreCore
    let pending = PendingCounters()

    init(_ core: StoreCore) {
        self.core = core
        core.join(pending)
    }
}
