internal import CLMDB

/// A named database in an environment: keys in the order of their bytes, each with a value.
package struct Table: Sendable {
    package let index: UInt32

    init(index: UInt32) { self.index = index }

    /// The table that has no name, which also has the entries of all others (lmdb.h, mdb_dbi_open). Keys in it must not be
    /// names of tables.
    package static let unnamed = Table(index: 1)

    /// Opens a table; with `creating`, and in a write transaction, makes it if there is none. It stays open once the
    /// transaction is committed.
    package init(_ name: String, creating: Bool, in transaction: borrowing Transaction) throws(LMDBError) {
        if let remote = transaction.remote {
            index = try remote.index(of: name)
            return
        }
        var index: UInt32 = 0
        let flags = creating ? UInt32(MDB_CREATE) : 0
        unsafe try check(mdb_dbi_open(transaction.handle, name, flags, &index), "mdb_dbi_open")
        self.index = index
    }

    /// Opens a table; `nil` if there is none of this name.
    package init?(ifThere name: String, in transaction: borrowing Transaction) throws(LMDBError) {
        if let remote = transaction.remote {
            index = try remote.index(of: name)
            return
        }
        var index: UInt32 = 0
        let code = unsafe mdb_dbi_open(transaction.handle, name, 0, &index)
        if code == MDB_NOTFOUND { return nil }
        try check(code, "mdb_dbi_open")
        self.index = index
    }

    /// How many entries there are.
    package func count(in transaction: borrowing Transaction) throws(LMDBError) -> Int {
        if let remote = transaction.remote { return try remote.count(in: index) }
        var statistics = MDB_stat()
        unsafe try check(mdb_stat(transaction.handle, index, &statistics), "mdb_stat")
        return statistics.ms_entries
    }

    /// Calls `body` with the value of a key, in place in the map; `nil` if there is no such key.
    package func value<Result>(
        at key: [UInt8], in transaction: borrowing Transaction, _ body: (RawSpan) -> Result
    ) throws(LMDBError) -> Result? {
        if let remote = transaction.remote {
            return try remote.value(at: key, in: index).map { unsafe body($0.span.bytes) }
        }
        var found = unsafe MDB_val()
        let code = unsafe withValue(key) { unsafe mdb_get(transaction.handle, index, $0, &found) }
        if code == MDB_NOTFOUND { return nil }
        try check(code, "mdb_get")
        return unsafe body(found.bytes.bytes)
    }

    package func contains(_ key: [UInt8], in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        try value(at: key, in: transaction) { _ in true } ?? false
    }

    /// Stores a value under a key, replacing the old value if there is one.
    package func put(_ value: [UInt8], at key: [UInt8], in transaction: inout Transaction) throws(LMDBError) {
        if let remote = transaction.remote {
            try remote.put(value, at: key, in: index)
            transaction.changes += 1
            return
        }
        let code = unsafe withValue(key) { key in
            unsafe withValue(value) { value in unsafe mdb_put(transaction.handle, index, key, value, 0) }
        }
        try check(code, "mdb_put")
        transaction.changes += 1
        transaction.log?.put(value, at: key, in: index)
    }

    /// Removes a key and its value, and returns whether the key existed.
    @discardableResult
    package func remove(_ key: [UInt8], in transaction: inout Transaction) throws(LMDBError) -> Bool {
        if let remote = transaction.remote {
            guard try remote.remove(key, in: index) else { return false }
            transaction.changes += 1
            return true
        }
        let code = unsafe withValue(key) { unsafe mdb_del(transaction.handle, index, $0, nil) }
        if code == MDB_NOTFOUND { return false }
        try check(code, "mdb_del")
        transaction.changes += 1
        transaction.log?.remove(key, in: index)
        return true
    }

    /// Calls `body` with the entries from a key on, in order, until it returns false.
    /// - Parameters:
    ///   - end: the key at which the scan ends, whether or not it exists.
    ///   - backwards: from the last entry to the first instead; `start` and `end` are then ignored.
    package func scan(
        from start: [UInt8] = [], before end: [UInt8]? = nil, backwards: Bool = false,
        in transaction: borrowing Transaction, _ body: (RawSpan, RawSpan) -> Bool
    ) throws(LMDBError) {
        if let remote = transaction.remote {
            let range = backwards ? KeyRange(from: [], before: nil) : KeyRange(from: start, before: end)
            return try remote.scan(range, in: index, backwards: backwards) {
                unsafe body($0.span.bytes, $1.span.bytes)
            }
        }
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
            if !backwards, let end, unsafe !isBefore(end, &key, in: transaction) { return }
            guard unsafe body(key.bytes.bytes, value.bytes.bytes) else { return }
            code = unsafe mdb_cursor_get(cursor, &key, &value, backwards ? MDB_PREV : MDB_NEXT)
        }
    }
}

extension Table {
    /// Calls `body` with the entries before a key, last one first, until it returns false.
    /// - Parameter start: the key at which the scan ends; an entry with this key is the last one.
    package func scanBackwards(
        from start: [UInt8]? = nil, before end: [UInt8], in transaction: borrowing Transaction,
        _ body: (RawSpan, RawSpan) -> Bool
    ) throws(LMDBError) {
        if let remote = transaction.remote {
            let range = KeyRange(from: start ?? [], before: end)
            return try remote.scan(range, in: index, backwards: true) {
                unsafe body($0.span.bytes, $1.span.bytes)
            }
        }
        var cursor: OpaquePointer?
        unsafe try check(mdb_cursor_open(transaction.handle, index, &cursor), "mdb_cursor_open")
        defer { unsafe mdb_cursor_close(cursor) }
        var key = unsafe MDB_val()
        var value = unsafe MDB_val()
        // Find the first entry that is not before `end`, then go back by one; without such an entry, take the last.
        var code = unsafe withValue(end) { wanted in
            unsafe key = wanted.pointee
            return unsafe mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)
        }
        code = unsafe mdb_cursor_get(cursor, &key, &value, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV)
        while code != MDB_NOTFOUND {
            try check(code, "mdb_cursor_get")
            if let start, unsafe isBefore(start, &key, in: transaction) { return }
            guard unsafe body(key.bytes.bytes, value.bytes.bytes) else { return }
            code = unsafe mdb_cursor_get(cursor, &key, &value, MDB_PREV)
        }
    }
}

extension Table {
    /// Whether a key comes before another one.
    @unsafe private func isBefore(
        _ other: [UInt8], _ key: inout MDB_val, in transaction: borrowing Transaction
    ) -> Bool {
        unsafe withValue(other) { unsafe mdb_cmp(transaction.handle, index, &key, $0) } < 0
    }
}

/// Passes bytes to C as an MDB_val, which is valid during the call.
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
