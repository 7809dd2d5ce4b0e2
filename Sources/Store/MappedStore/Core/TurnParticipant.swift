internal import LMDB

/// What a domain knows of the open turn, and keeps outside of the transaction.
///
/// It does not refer to the core, which owns it together with its domain.
protocol TurnParticipant: AnyObject {
    /// Whether there is something to write at the commit, even where no request has written.
    var isPending: Bool { get }

    /// Writes what is pending as a part of the commit.
    func writePending(_ core: StoreCore, in transaction: inout Transaction) throws(LMDBError)

    /// The commit has taken effect.
    func turnCommitted()

    /// The commit has failed, and all requests of the turn with it.
    func turnFailed()

    /// Nothing of the turn is kept, and its requests are made again.
    func turnForgotten()

    /// The turn is over, whatever became of it. Called after the others.
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
