internal import LMDB

/// A table of the store: records of one type, each under its key.
struct RecordTable<Record: TableRecord>: Sendable {
    typealias Key = Record.Key
    typealias Value = Record.Value

    let name: String
    /// The same table, with keys and values as bytes.
    let bytes: Table

    init(_ name: String, creating: Bool, in transaction: borrowing Transaction) throws(LMDBError) {
        self.init(name, try Table(name, creating: creating, in: transaction))
    }

    /// - Parameter bytes: the table of that name, which is open.
    init(_ name: String, _ bytes: Table) {
        self.name = name
        self.bytes = bytes
    }

    /// The record under a key, or `nil` if there is no such key.
    /// - Throws: `damaged` if the record cannot be read.
    func value(at key: Key, in transaction: borrowing Transaction) throws(LMDBError) -> Value? {
        guard let found = try decoded(at: key, in: transaction) else { return nil }
        guard let value = found else { throw .damaged(Record.name) }
        return value
    }

    /// Like `value`, but also `nil` if the record cannot be read.
    func readable(at key: Key, in transaction: borrowing Transaction) throws(LMDBError) -> Value? {
        try decoded(at: key, in: transaction) ?? nil
    }

    /// Whether a record exists under a key but cannot be read.
    func isDamaged(at key: Key, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        if let found = try decoded(at: key, in: transaction) { found == nil } else { false }
    }

    private func decoded(at key: Key, in transaction: borrowing Transaction) throws(LMDBError) -> Value?? {
        try bytes.value(at: key.keyBytes, in: transaction) { Record.decode($0, at: key) }
    }

    /// Reads a part of the record under a key; `nil` if the record is missing or cannot be read.
    func part<Part>(
        at key: Key, in transaction: borrowing Transaction, _ read: (RawSpan) -> Part?
    ) throws(LMDBError) -> Part? {
        try bytes.value(at: key.keyBytes, in: transaction, read) ?? nil
    }

    func contains(_ key: Key, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        try bytes.contains(key.keyBytes, in: transaction)
    }

    func count(in transaction: borrowing Transaction) throws(LMDBError) -> Int { try bytes.count(in: transaction) }

    func put(_ value: Value, at key: Key, in transaction: inout Transaction) throws(LMDBError) {
        try bytes.put(Record.encode(value), at: key.keyBytes, in: &transaction)
    }

    /// Stores a record that is already encoded, so that its size is known.
    func put(_ record: Encoded<Record>, at key: Key, in transaction: inout Transaction) throws(LMDBError) {
        try bytes.put(record.bytes, at: key.keyBytes, in: &transaction)
    }

    /// Removes a record. Returns whether it existed.
    @discardableResult
    func remove(_ key: Key, in transaction: inout Transaction) throws(LMDBError) -> Bool {
        try bytes.remove(key.keyBytes, in: &transaction)
    }

    /// Lends the entries in the order of their keys until the body returns false. A record that cannot be read is `nil`; an
    /// entry whose key cannot be read is skipped.
    /// - Parameters:
    ///   - start: the key to begin at, whether or not it exists.
    ///   - last: instead of `start`: the key to begin after.
    ///   - backwards: from the last entry to the first; `start` and `last` are then ignored.
    ///   - unreadable: called for each entry whose key cannot be read.
    func scan(
        from start: Key? = nil, after last: Key? = nil, backwards: Bool = false,
        in transaction: borrowing Transaction, unreadable: () -> Void = {}, _ body: (Key, Value?) -> Bool
    ) throws(LMDBError) {
        try scanBytes(from: start, after: last, backwards: backwards, in: transaction, unreadable: unreadable) {
            key, bytes in
            body(key, Record.decode(bytes, at: key))
        }
    }

    /// Like `scan`, with the keys alone.
    func scanKeys(
        from start: Key? = nil, after last: Key? = nil, backwards: Bool = false,
        in transaction: borrowing Transaction, _ body: (Key) -> Bool
    ) throws(LMDBError) {
        try scanBytes(from: start, after: last, backwards: backwards, in: transaction) { key, _ in body(key) }
    }

    /// Lends the keys before `end`, highest first, until the body returns false.
    func scanKeysBackwards(
        before end: Key, in transaction: borrowing Transaction, _ body: (Key) -> Bool
    ) throws(LMDBError) {
        try scanBytesBackwards(before: end, in: transaction) { key, _ in body(key) }
    }

    /// Lends the entries from `start` up to `end` (exclusive), highest key first, with the records as bytes, until the body
    /// returns false. An entry whose key cannot be read is skipped.
    func scanBytesBackwards(
        from start: Key? = nil, before end: Key, in transaction: borrowing Transaction, _ body: (Key, RawSpan) -> Bool
    ) throws(LMDBError) {
        try bytes.scanBackwards(from: start?.keyBytes, before: end.keyBytes, in: transaction) { key, value in
            guard let key = Key(keyBytes: key) else { return true }
            return body(key, value)
        }
    }

    /// Like `scan`, with the records as bytes.
    /// - Parameter end: the key at which a scan that is not backwards ends, whether or not it exists.
    func scanBytes(
        from start: Key? = nil, after last: Key? = nil, before end: Key? = nil, backwards: Bool = false,
        in transaction: borrowing Transaction, unreadable: () -> Void = {}, _ body: (Key, RawSpan) -> Bool
    ) throws(LMDBError) {
        // The next possible key after another one is the same with a zero byte at its end.
        let start = last.map { $0.keyBytes + [0] } ?? start?.keyBytes ?? []
        try bytes.scan(from: start, before: end?.keyBytes, backwards: backwards, in: transaction) { key, value in
            guard let key = Key(keyBytes: key) else {
                unreadable()
                return true
            }
            return body(key, value)
        }
    }
}

/// A table whose entries are keys alone: an index, or a list.
typealias KeyTable<Key: TableKey> = RecordTable<EmptyRecord<Key>>

/// A table of numbers.
typealias NumberTable<Key: TableKey> = RecordTable<NumberRecord<Key>>

extension RecordTable where Value == Void {
    func put(_ key: Key, in transaction: inout Transaction) throws(LMDBError) {
        try put((), at: key, in: &transaction)
    }
}
