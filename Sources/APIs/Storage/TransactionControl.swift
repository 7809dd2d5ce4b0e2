package import SystemPackage
package import Values

/// Controls the transaction that collects the writes of a turn.
///
/// All writes are part of it, and readers see them once it is committed.
package protocol TransactionControl: AnyObject {
    /// Makes the operations that were called and wait, if the engine gathers them.
    /// - Returns: whether there were any: their callers can go on.
    func makeGathered() -> Bool

    /// Whether a transaction is open that waits for `commit`.
    var isWriting: Bool { get }

    /// Whether a request has broken the open transaction, so that nothing of it can be committed. After `rollBack` the other
    /// requests of the turn can be handled again.
    var isTurnBroken: Bool { get }

    /// Commits the writes since the last commit, together.
    @discardableResult
    func commit() throws(StoreFailure) -> Commit

    /// The number of the last transaction that this process has read or committed. Numbers never decrease.
    var ticket: UInt64 { get }

    /// Whether no crash can undo a transaction, nor any before it, as far as DURABILITY asks for that.
    func isDurable(_ ticket: UInt64) -> Bool

    /// Waits until the transaction of `ticket` is durable. No transaction may be open.
    func flush() throws(StoreFailure)

    /// Makes the transaction of `ticket` durable, either before it returns or in the background. No transaction may be open.
    func beginFlush() throws(StoreFailure)

    /// Becomes readable when `beginFlush` has made something durable in the background, or has failed; `nil` if nothing is
    /// done in the background.
    var flushDescriptor: FileDescriptor? { get }

    /// Makes `flushDescriptor` unreadable until there is more. Makes nothing durable itself.
    /// - Throws: `lost` if nothing can be made durable any more, because the disk has failed.
    func takeFlushNews() throws(StoreFailure)

    /// Discards the writes since the last commit.
    func rollBack()

    /// As `rollBack`, but the requests that made the writes will be handled again.
    func forgetTurn()

    /// Changes whenever any process has committed something new to read. Cheap: it is read every few milliseconds.
    func version() throws(StoreFailure) -> UInt64

    /// Writes something, so that a following commit proves that commits work.
    func touch() throws(StoreFailure)
}

extension TransactionControl {
    package func makeGathered() -> Bool { false }
}

/// The outcome of a commit that has not failed.
package enum Commit: Equatable, Sendable {
    /// There was nothing to commit.
    case empty
    /// The writes have taken effect: others see them.
    case committed
}

/// A clock that is the same for every process that uses the store.
package protocol StorageClock: Sendable {
    func now() -> Moment
}
