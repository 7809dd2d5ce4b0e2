internal import CLMDB

/// A named database in an environment: keys in the order of their bytes, each with a value.
package struct Table: Sendable {
    let index: UInt32

    init(index: UInt32) { self.index = index }

    /// Opens a table, or makes it where the transaction may write. It stays open once the transaction is committed.
    package init(_ name: String, creating: Bool, in transaction: borrowing Transaction) throws(LMDBError) {
        var index: UInt32 = 0
        let flags = creating ? UInt32(MDB_CREATE) : 0
        unsafe try check(mdb_dbi_open(transaction.handle, name, flags, &index), "mdb_dbi_open")
        self.index = index
    }

    /// `nil` where there is no table of this name.
    package init?(ifThere name: String, in transaction: borrowing Transaction) throws(LMDBError) {
        var index: UInt32 = 0
        let code = unsafe mdb_dbi_open(transaction.handle, name, 0, &index)
        if code == MDB_NOTFOUND { return nil }
        try check(code, "mdb_dbi_open")
        self.index = index
    }

    /// How many entries there are.
    package func count(in transaction: borrowing Transaction) throws(LMDBError) -> Int {
        var statistics = MDB_stat()
        unsafe try check(mdb_stat(transaction.handle, index, &statistics), "mdb_stat")
        return statistics.ms_entries
    }

    /// Lends the value under a key, in place in the map; `nil` where there is none.
    package func value<Result>(
        at key: [UInt8], in transaction: borrowing Transaction, _ body: (RawSpan) -> Result
    ) throws(LMDBError) -> Result? {
        var found = unsafe MDB_val()
        let code = unsafe withValue(key) { unsafe mdb_get(transaction.handle, index, $0, &found) }
        if code == MDB_NOTFOUND { return nil }
        try check(code, "mdb_get")
        return unsafe body(found.bytes.bytes)
    }

    package func contains(_ key: [UInt8], in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        try value(at: key, in: transaction) { _ in true } ?? false
    }

    /// Puts a value under a key, in place of the one that was there.
    package func put(_ value: [UInt8], at key: [UInt8], in transaction: inout Transaction) throws(LMDBError) {
        let code = unsafe withValue(key) { key in
            unsafe withValue(value) { value in unsafe mdb_put(transaction.handle, index, key, value, 0) }
        }
        try check(code, "mdb_put")
        transaction.changes += 1
    }

    /// Removes a key and its value, and says whether they were there.
    @discardableResult
    package func remove(_ key: [UInt8], in transaction: inout Transaction) throws(LMDBError) -> Bool {
        let code = unsafe withValue(key) { unsafe mdb_del(transaction.handle, index, $0, nil) }
        if code == MDB_NOTFOUND { return false }
        try check(code, "mdb_del")
        transaction.changes += 1
        return true
    }

    /// Lends the entries from a key on, in order, until the body says no.
    /// - Parameter backwards: from the last entry to the first instead; then `start` is not looked at.
    package func scan(
        from start: [UInt8] = [], backwards: Bool = false, in transaction: borrowing Transaction,
        _ body: (RawSpan, RawSpan) -> Bool
    ) throws(LMDBError) {
        var cursor: OpaquePointer?
        unsafe try check(mdb_cursor_open(transaction.handle, index, &cursor), "mdb_cursor_open")
        defer { unsafe mdb_cursor_close(cursor) }
        var key = unsafe MDB_val()
        var value = unsafe MDB_val()
        var code: CInt
        if backwards {
            code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_LAST)
        } else if start.isEmpty {
            code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
        } else {
            code = unsafe withValue(start) { wanted in
                unsafe key = wanted.pointee
                return unsafe mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)
            }
        }
        while code != MDB_NOTFOUND {
            try check(code, "mdb_cursor_get")
            guard unsafe body(key.bytes.bytes, value.bytes.bytes) else { return }
            code = unsafe mdb_cursor_get(cursor, &key, &value, backwards ? MDB_PREV : MDB_NEXT)
        }
    }
}

extension Table {
    /// Lends the entries before a key, last one first, until the body says no.
    package func scanBackwards(
        before end: [UInt8], in transaction: borrowing Transaction, _ body: (RawSpan, RawSpan) -> Bool
    ) throws(LMDBError) {
        var cursor: OpaquePointer?
        unsafe try check(mdb_cursor_open(transaction.handle, index, &cursor), "mdb_cursor_open")
        defer { unsafe mdb_cursor_close(cursor) }
        var key = unsafe MDB_val()
        var value = unsafe MDB_val()
        // The first entry that is not before it, and then back; where there is none, the last.
        var code = unsafe withValue(end) { wanted in
            unsafe key = wanted.pointee
            return unsafe mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)
        }
        code = unsafe mdb_cursor_get(cursor, &key, &value, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV)
        while code != MDB_NOTFOUND {
            try check(code, "mdb_cursor_get")
            guard unsafe body(key.bytes.bytes, value.bytes.bytes) else { return }
            code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_PREV)
        }
    }
}

/// Lends bytes to C as LMDB wants them.
@unsafe private func withValue(_ bytes: [UInt8], _ body: (UnsafeMutablePointer<MDB_val>) -> CInt) -> CInt {
    unsafe bytes.withUnsafeBytes { buffer in
        var value = unsafe MDB_val(
            mv_size: buffer.count, mv_data: UnsafeMutableRawPointer(mutating: buffer.baseAddress))
        return unsafe body(&value)
    }
}

extension MDB_val {
    /// Valid until the transaction writes or ends.
    fileprivate var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: mv_data, count: mv_size) }
}
