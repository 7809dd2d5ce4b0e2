internal import CLMDB

/// A transaction, tied to the thread that began it. One that is not committed is undone.
@safe package struct Transaction: ~Copyable {
    let handle: OpaquePointer
    private let isLent: Bool

    init(own handle: OpaquePointer) {
        unsafe self.handle = handle
        isLent = false
    }

    init(lent handle: OpaquePointer) {
        unsafe self.handle = handle
        isLent = true
    }

    /// Makes what was written visible to all, and lasting. The handle is gone whether or not this succeeds (lmdb.h,
    /// mdb_txn_commit).
    package consuming func commit() throws(LMDBError) {
        let code = unsafe mdb_txn_commit(handle)
        discard self
        try check(code, "mdb_txn_commit")
    }

    deinit { if !isLent { unsafe mdb_txn_abort(handle) } }
}

extension Transaction {
    /// Pages in the file that hold nothing and that this transaction could write to.
    ///
    /// The list of free pages is a table like the others, number 0: under the id of the transaction that freed them, the
    /// pages' count and numbers (as mdb_stat -f reads it). Pages freed by the last two transactions may still be read.
    /// - Parameter enough: the counting stops there.
    package func freePages(upTo enough: Int) throws(LMDBError) -> Int {
        var count = 0
        let recent = unsafe UInt64(mdb_txn_id(handle)) - 2
        try Table(index: 0).scan(in: self) { key, value in
            guard key.byteCount == MemoryLayout<UInt>.size, value.byteCount >= MemoryLayout<UInt>.size,
                unsafe key.unsafeLoadUnaligned(as: UInt.self) < recent
            else { return false }
            count += unsafe Int(clamping: value.unsafeLoadUnaligned(as: UInt.self))
            return count < enough
        }
        return count
    }
}
