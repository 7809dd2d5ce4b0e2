internal import CLMDB

/// A transaction, tied to the thread that began it. One that is not committed is undone.
@safe package struct Transaction: ~Copyable {
    let handle: OpaquePointer
    /// Kept for as long as the transaction lives, as closing an environment frees the transactions in it (mdb.c,
    /// mdb_env_close0); `nil` where the transaction is lent.
    private let environment: Environment?
    private var isOver = false
    /// How many keys were put in or removed.
    package internal(set) var changes = 0
    /// Whether anything was put in or removed. Where nothing was, a commit does nothing: it waits for no disk, and uses no id
    /// (mdb.c, mdb_txn_commit).
    package var hasChanged: Bool { changes > 0 }

    init(own handle: OpaquePointer, in environment: Environment) {
        unsafe self.handle = handle
        self.environment = environment
    }

    init(lent handle: OpaquePointer) {
        unsafe self.handle = handle
        environment = nil
    }

    /// Makes what was written visible to all, and lasting. The handle is gone whether or not this succeeds (lmdb.h,
    /// mdb_txn_commit).
    package consuming func commit() throws(LMDBError) {
        let code = unsafe mdb_txn_commit(handle)
        isOver = true
        try check(code, "mdb_txn_commit")
    }

    /// Counts the transactions that write; a reader's is that of the last one it sees.
    package var id: UInt64 { unsafe UInt64(mdb_txn_id(handle)) }

    deinit { if environment != nil, !isOver { unsafe mdb_txn_abort(handle) } }
}
