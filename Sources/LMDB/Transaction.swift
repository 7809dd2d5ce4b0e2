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

    /// Counts the transactions that write; a reader's is that of the last one it sees.
    package var id: UInt64 { unsafe UInt64(mdb_txn_id(handle)) }

    deinit { if !isLent { unsafe mdb_txn_abort(handle) } }
}

extension Transaction {
    /// Pages in the file that hold nothing and that the next transaction can write to. For a transaction that reads;
    /// LMDB lets no other look (mdb.c, mdb_cursor_open).
    ///
    /// The list of free pages is a table like the others, number 0: under the id of the transaction that freed them, the
    /// pages' count and numbers (as mdb_stat -f reads it). Those of the last transaction are only free after the next.
    /// - Parameter enough: the counting stops there.
    package func freePages(upTo enough: Int) throws(LMDBError) -> Int {
        var count = 0
        let last = unsafe UInt64(mdb_txn_id(handle))
        try Table(index: 0).scan(in: self) { key, value in
            guard key.byteCount == MemoryLayout<UInt>.size, value.byteCount >= MemoryLayout<UInt>.size,
                unsafe UInt64(key.unsafeLoadUnaligned(as: UInt.self)) < last
            else { return false }
            count += unsafe Int(clamping: value.unsafeLoadUnaligned(as: UInt.self))
            return count < enough
        }
        return count
    }
}
