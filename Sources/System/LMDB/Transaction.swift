internal import CLMDB

/// A transaction, tied to the thread that began it. One that is not committed is rolled back.
@safe package struct Transaction: ~Copyable {
    /// `nil` if the tables are remote.
    let handle: OpaquePointer?
    /// The tables, if they are not in an LMDB environment.
    let remote: (any RemoteTables)?
    /// Keeps the environment open for as long as the transaction lives, as closing it frees its transactions (mdb.c,
    /// mdb_env_close0); `nil` if `Environment.read` lends the transaction.
    private let environment: Environment?
    private var isOver = false
    /// Where changes are recorded; `nil`: nowhere.
    package var log: ChangeLog?
    /// How many times a key was stored or removed.
    package internal(set) var changes = 0
    /// Whether anything was stored or removed. If not, a commit does nothing, and uses no id (mdb.c, mdb_txn_commit).
    package var hasChanged: Bool { changes > 0 }

    init(own handle: OpaquePointer, in environment: Environment) {
        unsafe self.handle = handle
        self.environment = environment
        remote = nil
    }

    init(lent handle: OpaquePointer) {
        unsafe self.handle = handle
        environment = nil
        remote = nil
    }

    /// A transaction on tables of another engine, which commits and rolls back itself.
    /// - Parameter changes: how many changes it has made before.
    package init(on remote: any RemoteTables, changes: Int = 0) {
        unsafe handle = nil
        environment = nil
        self.remote = remote
        self.changes = changes
    }

    /// Commits: makes the writes visible to all processes. The handle is gone whether or not this succeeds (lmdb.h,
    /// mdb_txn_commit).
    package consuming func commit() throws(LMDBError) {
        let code = unsafe mdb_txn_commit(handle)
        isOver = true
        try check(code, "mdb_txn_commit")
    }

    /// Numbers the write transactions in order. A reader has the id of the last one that it sees.
    package var id: UInt64 { unsafe UInt64(mdb_txn_id(handle)) }

    deinit { if environment != nil, !isOver { unsafe mdb_txn_abort(handle) } }
}
