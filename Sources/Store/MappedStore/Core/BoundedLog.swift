internal import LMDB

/// Records in the order of their numbers, for any number of owners: what endpoints and queues keep.
///
/// An owner's record says which of its numbers count; what lies outside of them is on its way out.
struct BoundedLog<Record: TableRecord<OwnedNumber>>: Sendable {
    let table: RecordTable<Record>

    func put(
        _ record: Encoded<Record>, of owner: UInt64, at number: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        try table.put(record, at: OwnedNumber(owner, number), in: &transaction)
    }

    /// Lends an owner's records from `first` up to, without, `end`, oldest first, until the body says no.
    func scan(
        of owner: UInt64, from first: UInt64, to end: UInt64, in transaction: borrowing Transaction,
        _ body: (OwnedNumber, RawSpan) -> Bool
    ) throws(LMDBError) {
        guard first < end else { return }
        try table.scanBytes(from: OwnedNumber(owner, first), in: transaction) { key, record in
            guard key.owner == owner, key.number < end else { return false }
            return body(key, record)
        }
    }

    /// Removes an owner's records from `first` up to, without, `end`: the oldest `limit` of them.
    /// - Returns: how many those were, and how many bytes they had in all.
    @discardableResult
    func remove(
        of owner: UInt64, from first: UInt64, to end: UInt64, limit: Int = .max, in transaction: inout Transaction
    ) throws(LMDBError) -> (count: Int, bytes: Int) {
        var keys: [OwnedNumber] = []
        var bytes = 0
        try scan(of: owner, from: first, to: end, in: transaction) { key, record in
            guard keys.count < limit else { return false }
            keys.append(key)
            bytes += record.byteCount
            return true
        }
        for key in keys { try table.remove(key, in: &transaction) }
        return (keys.count, bytes)
    }
}
