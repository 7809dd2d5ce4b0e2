internal import LMDB
internal import Synchronization

/// The snapshots by which this process keeps the pages of the last checkpoint.
///
/// LMDB uses a page again once no reader sees it. A process that writes holds a snapshot at the published checkpoint or
/// before it, so that no process overwrites a page of the checkpoint: after a crash of the machine the store continues from
/// there.
final class Anchors: Sendable {
    private struct State {
        var current: PinnedSnapshot
        /// A later one, which takes the place of `current` once a checkpoint has reached it.
        var next: PinnedSnapshot?
    }

    private let state: Mutex<State?>
    private let access: EnvironmentAccess

    /// - Parameter first: a snapshot; before the process writes, a checkpoint must have reached it.
    init(_ access: EnvironmentAccess, first: PinnedSnapshot) {
        self.access = access
        state = Mutex(State(current: first))
    }

    /// The transaction of the snapshot that is held.
    var id: UInt64? { state.withLock { $0?.current.id } }

    /// Moves on as far as a checkpoint allows.
    /// - Parameter checkpoint: the transaction of the published checkpoint.
    func advance(to checkpoint: UInt64) throws(LMDBError) {
        let fresh = try access.snapshot()
        state.withLock { state in
            guard let held = state, fresh.id > held.current.id else { return }
            if fresh.id <= checkpoint {
                state = State(current: fresh)
            } else if let next = held.next, next.id <= checkpoint {
                state = State(current: next, next: fresh)
            } else if held.next == nil {
                state?.next = fresh
            }
        }
    }

    /// Holds a snapshot whose checkpoint is published.
    func hold(_ snapshot: PinnedSnapshot) {
        state.withLock { state in
            guard let held = state, snapshot.id > held.current.id else { return }
            let next = held.next.flatMap { $0.id > snapshot.id ? $0 : nil }
            state = State(current: snapshot, next: next)
        }
    }

    /// Lets go of all snapshots, before the environment is closed.
    func release() { state.withLock { $0 = nil } }
}
