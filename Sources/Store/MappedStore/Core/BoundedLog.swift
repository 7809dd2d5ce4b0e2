internal import LMDB

/// Records of any number of owners, numbered in order: the notifications of endpoints, the messages of queues.
///
/// The owner's record says which numbers count. Records with other numbers are waiting to be removed.
struct BoundedLog<Record: TableRecord<OwnedNumber>>: Sendable {
    let table: RecordTable<Record>

    func put(
        _ record: Encoded<Record>, of owner: UInt64, at number: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        try table.put(record, at: OwnedNumber(owner, number), in: &transaction)
    }

    /// Lends an owner's records from `first` up to `end` (exclusive), oldest first, until the body returns false.
    func scan(
        of owner: UInt64, from first: UInt64, to end: UInt64, in transaction: borrowing Transaction,
        _ body: (OwnedNumber, RawSpan) -> Bool
    ) throws(LMDBError) {
        guard first < end else { return }
        // Without an end, the scan would read the keys of all following owners that have no records.
        try table.scanBytes(from: OwnedNumber(owner, first), before: OwnedNumber(owner, end), in: transaction) {
            key, record in
            guard key.owner == owner, key.number < end else { return false }
            return body(key, record)
        }
    }

    /// Like `scan`, newest first.
    func scanBackwards(
        of owner: UInt64, from first: UInt64, to end: UInt64, in transaction: borrowing Transaction,
        _ body: (OwnedNumber, RawSpan) -> Bool
    ) throws(LMDBError) {
        guard first < end else { return }
        try table.scanBytesBackwards(
            from: OwnedNumber(owner, first), before: OwnedNumber(owner, end), in: transaction
        ) { key, record in
            guard key.owner == owner, key.number < end else { return false }
            return body(key, record)
        }
    }

    /// Removes an owner's records from `first` up to `end` (exclusive): the oldest `limit` of them.
    /// - Parameter willRemove: is lent each record before.
    /// - Returns: how many records were removed, and their weight in all.
    @discardableResult
    func remove(
        of owner: UInt64, from first: UInt64, to end: UInt64, limit: Int = .max, in transaction: inout Transaction,
        _ willRemove: (OwnedNumber, RawSpan) -> Void = { _, _ in }
    ) throws(LMDBError) -> (count: Int, bytes: Int) {
        var keys: [OwnedNumber] = []
        var bytes = 0
        try scan(of: owner, from: first, to: end, in: transaction) { key, record in
            guard keys.count < limit else { return false }
            keys.append(key)
            bytes += Record.weight(record)
            willRemove(key, record)
            return true
        }
        for key in keys { try table.remove(key, in: &transaction) }
        return (keys.count, bytes)
    }
}
