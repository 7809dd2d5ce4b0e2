package import Values

/// The transaction that the writes of a turn gather in, and its end.
///
/// Nothing is written outside of it, and readers see what it wrote once it is committed.
package protocol TransactionControl: AnyObject {
    /// Whether a transaction is open that waits for `commit`.
    var isWriting: Bool { get }

    /// Whether a request has broken the open transaction. Nothing of it is kept: after `rollBack` the other requests of
    /// the turn can be made again.
    var isTurnBroken: Bool { get }

    /// Whether the commit of the open transaction takes so long that requests which are about to come should be part of it.
    var gathers: Bool { get }

    /// Makes what was written since the last commit take effect, as one.
    @discardableResult
    func commit() throws(StoreFailure) -> Commit

    /// Waits until the last commit is durable.
    func settle() throws(StoreFailure)

    /// Throws away what was written since the last commit.
    func rollBack()

    /// The same, so that the requests that wrote it can be made again.
    func forgetTurn()

    /// Differs whenever there is something new to read, from whichever process. Cheap: it is read every few milliseconds.
    func version() throws(StoreFailure) -> UInt64

    /// Writes something, so that a commit after it proves that commits work.
    func touch() throws(StoreFailure)
}

/// What a commit came to that has not failed.
package enum Commit: Equatable, Sendable {
    /// There was nothing to commit.
    case empty
    /// What was written has taken effect and is durable.
    case durable
    /// What was written has taken effect, and is durable once the next commit, or `settle`, has returned.
    case durableWithNext
}

/// A clock that is the same for every process that uses the store.
package protocol StorageClock: Sendable {
    func now() -> Moment
}
