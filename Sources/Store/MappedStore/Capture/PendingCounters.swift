internal import Capture
internal import HTTP
internal import LMDB

/// What this process has counted and the store does not have yet. The next commit adds it.
final class PendingCounters: TurnParticipant {
    var counters = CaptureCounters()

    var isPending: Bool { !counters.isEmpty }

    func writePending(_ core: StoreCore, in transaction: inout Transaction) throws(LMDBError) {
        var state = try core.captureState(in: transaction)
        state.counters = state.counters + counters
        try core.put(state, in: &transaction)
    }

    func turnCommitted() { counters = CaptureCounters() }

    /// What was counted as done came to nothing.
    func turnFailed() { counters.refuse() }

    /// What was counted as done is done again, and counted then.
    func turnForgotten() { counters.forgetDone() }
}

/// The record of what all endpoints have in common.
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
