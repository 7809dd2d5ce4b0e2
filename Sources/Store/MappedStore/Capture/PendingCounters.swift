internal import Capture
internal import HTTP
internal import LMDB

/// Counts of this process that the store does not have yet. The next commit adds them.
final class PendingCounters: TurnParticipant {
    var counters = CaptureCounters()

    var isPending: Bool { !counters.isEmpty }

    func writePending(_ core: StoreCore, in transaction: inout Transaction) throws(LMDBError) {
        var state = try core.captureState(in: transaction)
        state.counters = state.counters + counters
        try core.put(state, in: &transaction)
    }

    func turnCommitted() { counters = CaptureCounters() }

    /// Requests that were counted as done have failed.
    func turnFailed() { counters.refuse() }

    /// Requests that were counted as done will be handled again, and counted then.
    func turnForgotten() { counters.forgetDone() }
}

/// Access to the state that all endpoints share.
extension StoreCore {
    func captureState(in transaction: borrowing Transaction) throws(LMDBError) -> CaptureState {
        try shared(
            tables.captureState,
            rebuilt: { () throws(LMDBError) in try tables.rebuiltCaptureState(in: transaction) }, in: transaction)
            ?? CaptureState()
    }

    func put(_ state: CaptureState, in transaction: inout Transaction) throws(LMDBError) {
        try tables.captureState.put(state, in: &transaction)
    }
}
