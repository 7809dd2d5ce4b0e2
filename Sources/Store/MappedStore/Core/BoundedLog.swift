internal import LMDB

/// Records in the order of their numbers, for any number of owners: what endpoints and queues keep.
///
/// An owner's record says which of its numbers count; what lies outside of them is on its way out.
struct BoundedLog {
    /// Owner, number: a record.
    let table: Table

    func put(
        _ record: [UInt8], of owner: UInt64, at number: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        try table.put(record, at: key(owner, number), in: &transaction)
    }

    /// Lends one record; `nil` where it is not there.
    func value<Result>(
        of owner: UInt64, at number: UInt64, in transaction: borrowing Transaction, _ body: (RawSpan) -> Result
    ) throws(LMDBError) -> Result? {
        try table.value(at: key(owner, number), in: transaction, body)
    }

    /// The same; `nil` also where the record cannot be read.
    func readable<Result>(
        of owner: UInt64, at number: UInt64, in transaction: borrowing Transaction, _ decode: (RawSpan) -> Result?
    ) throws(LMDBError) -> Result? {
        try table.readable(at: key(owner, number), in: transaction, decode)
    }

    /// Lends an owner's records from `first` up to, without, `end`, oldest first, until the body says no.
    func scan(
        of owner: UInt64, from first: UInt64, to end: UInt64, in transaction: borrowing Transaction,
        _ body: (UInt64, RawSpan) -> Bool
    ) throws(LMDBError) {
        guard first < end else { return }
        try table.scan(from: key(owner, first), in: transaction) { key, record in
            guard let entry = Self.entry(key), entry.owner == owner, entry.number < end else { return false }
            return body(entry.number, record)
        }
    }

    /// Removes an owner's records from `first` up to, without, `end`: the oldest `limit` of them.
    /// - Returns: how many those were, and how many bytes they had in all.
    @discardableResult
    func remove(
        of owner: UInt64, from first: UInt64, to end: UInt64, limit: Int = .max, in transaction: inout Transaction
    ) throws(LMDBError) -> (count: Int, bytes: Int) {
        var numbers: [UInt64] = []
        var bytes = 0
        try scan(of: owner, from: first, to: end, in: transaction) { number, record in
            guard numbers.count < limit else { return false }
            numbers.append(number)
            bytes += record.byteCount
            return true
        }
        for number in numbers { try table.remove(key(owner, number), in: &transaction) }
        return (numbers.count, bytes)
    }

    static func entry(_ key: RawSpan) -> (owner: UInt64, number: UInt64)? {
        var reader = ByteReader(key)
        guard let owner = reader.fixed(), let number = reader.fixed(), reader.isAtEnd else { return nil }
        return (owner, number)
    }
}
