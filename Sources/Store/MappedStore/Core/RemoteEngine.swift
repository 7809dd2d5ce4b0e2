package import LMDB
package import Linux

/// An engine that has the store's tables instead of a file: it lends transactions on them.
///
/// Reads see what was committed before `beginRead`, by anyone. Writes collect between `beginWrite` and `commit`; meanwhile no
/// other process writes. Used by one thread.
package protocol RemoteEngine: AnyObject {
    /// Lends the tables as of the last commit, until `endRead`.
    func beginRead() throws(LMDBError) -> any RemoteTables
    func endRead()

    /// Lends the tables for writing, until `commit` or `rollBack`. It may be called again meanwhile, and then lends the same.
    func beginWrite() throws(LMDBError) -> any RemoteTables
    func commit() throws(LMDBError)
    /// Discards what was written since `beginWrite`. Does nothing if nothing is open.
    func rollBack()

    /// Changes whenever any process has committed something.
    func version() throws(LMDBError) -> UInt64

    var clock: SteadyClock { get }

    /// Set by processes that are watched, so that waiting does not count as being stuck.
    var heartbeat: Heartbeat? { get set }

    /// Bytes that the tables take.
    func usedBytes() throws(LMDBError) -> Int
}
