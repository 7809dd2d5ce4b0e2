package import Values

/// Controls the transaction that collects the writes of a turn.
///
/// All writes are part of it, and readers see them once it is committed.
package protocol TransactionControl: AnyObject {
    /// Whether a transaction is open that waits for `commit`.
    var isWriting: Bool { get }

    /// Whether a request has broken the open transaction, so that nothing of it can be committed. After `rollBack` the other
    /// requests of the turn can be handled again.
    var isTurnBroken: Bool { get }

    /// Whether a commit of the open transaction takes so long that requests which are about to arrive should join it.
    var gathers: Bool { get }

    /// Commits the writes since the last commit, together.
    @discardableResult
    func commit() throws(StoreFailure) -> Commit

    /// Waits until the last commit is durable.
    func settle() throws(StoreFailure)

    /// Discards the writes since the last commit.
    func rollBack()

    /// As `rollBack`, but the requests that made the writes will be handled again.
    func forgetTurn()

    /// Changes whenever any process has committed something new to read. Cheap: it is read every few milliseconds.
    func version() throws(StoreFailure) -> UInt64

    /// Writes something, so that a following commit proves that commits work.
    func touch() throws(StoreFailure)
}

/// The outcome of a commit that has not failed.
package enum Commit: Equatable, Sendable {
    /// There was nothing to commit.
    case empty
    /// The writes have taken effect, and there is nothing more to wait for: they are as durable as the settings ask for.
    case durable
    /// The writes have taken effect, and are as durable as that once the next commit, or `settle`, has returned.
    case durableWithNext
}

/// A clock that is the same for every process that uses the store.
package protocol StorageClock: Sendable {
    func now() -> Moment
}
