internal import Capture

/// Endpoints and their notifications.
package final class MappedCapture: MappedDomain {
    let core: StoreCore
    let pending = PendingCounters()
    /// The hosts of lanes that were due: the lane does not say it, and does not change it.
    var hosts: [ForwardLane: String] = [:]

    init(_ core: StoreCore) {
        self.core = core
        core.join(pending)
    }
}
