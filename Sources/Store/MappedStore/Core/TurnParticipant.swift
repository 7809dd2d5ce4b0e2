internal import LMDB

/// State of a domain that belongs to the open turn but is held outside of the transaction.
///
/// It does not refer to the core: the core and the domain own it.
protocol TurnParticipant: AnyObject {
    /// Whether there is something to write at the commit, even if no request has written.
    var isPending: Bool { get }

    /// Writes the pending state as part of the commit.
    func writePending(_ core: StoreCore, in transaction: inout Transaction) throws(LMDBError)

    /// The commit has taken effect.
    func turnCommitted()

    /// The commit has failed, and all requests of the turn with it.
    func turnFailed()

    /// The turn was rolled back, and its requests will be handled again.
    func turnForgotten()

    /// The turn is over, committed or not. Called after `turnCommitted` or `turnFailed`, and before `turnForgotten`.
    func turnEnded()
}

extension TurnParticipant {
    var isPending: Bool { false }
    func writePending(_ core: StoreCore, in transaction: inout Transaction) throws(LMDBError) {}
    func turnCommitted() {}
    func turnFailed() {}
    func turnForgotten() {}
    func turnEnded() {}
}
