internal import LMDB

/// The records of owners that are stored with what the owners have: an endpoint with its notifications.
///
/// The key of a record is its owner's number; the keys of a `BoundedLog` in the same table begin with it. So the records of
/// one owner are next to each other, and a change of both is usually a change of one page.
struct HeadTable<Record: TableRecord<UInt64>>: Sendable {
    private let records: RecordTable<Record>

    init(_ name: String, _ bytes: Table) { records = RecordTable(name, bytes) }

    var name: String { records.name }

    /// The whole table, with keys and values as bytes.
    var bytes: Table { records.bytes }

    /// All entries of the table, as bytes.
    var all: RecordTable<BytesRecord<HeadedKey>> { RecordTable(name, bytes) }

    /// The record of an owner, or `nil` if there is none.
    /// - Throws: `damaged` if the record cannot be read.
    func value(at owner: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Record.Value? {
        try records.value(at: owner, in: transaction)
    }

    /// Like `value`, but also `nil` if the record cannot be read.
    func readable(at owner: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Record.Value? {
        try records.readable(at: owner, in: transaction)
    }

    func contains(_ owner: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        try records.contains(owner, in: transaction)
    }

    func put(_ value: Record.Value, at owner: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try records.put(value, at: owner, in: &transaction)
    }

    func remove(_ owner: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try records.remove(owner, in: &transaction)
    }

    /// Lends the records in the order of their owners until the body returns false. A record that cannot be read is `nil`.
    func scan(
        in transaction: borrowing Transaction, _ body: (UInt64, Record.Value?) -> Bool
    ) throws(LMDBError) {
        var next: UInt64? = 0
        while let start = next {
            next = nil
            try bytes.scan(from: start.keyBytes, in: transaction) { key, value in
                switch HeadedKey(keyBytes: key) {
                case .head(let owner): return body(owner, Record.decode(value, at: owner))
                case .entry(let entry):
                    // Go on behind the last entry of this owner. In a damaged tree the keys may be out of order.
                    if entry.owner >= start, entry.owner < .max { next = entry.owner + 1 }
                    return false
                case nil: return true
                }
            }
        }
    }

    /// Like `scan`, from the last owner to the first.
    func scanBackwards(
        in transaction: borrowing Transaction, _ body: (UInt64, Record.Value?) -> Bool
    ) throws(LMDBError) {
        var end = UInt64.max
        var isOver = false
        while !isOver {
            isOver = true
            var headless: UInt64?
            try bytes.scanBackwards(before: end.keyBytes, in: transaction) { key, value in
                switch HeadedKey(keyBytes: key) {
                case .head(let owner): return body(owner, Record.decode(value, at: owner))
                case .entry(let entry):
                    if entry.owner < end { headless = entry.owner }
                    return false
                case nil: return true
                }
            }
            guard let owner = headless else { return }
            // The owner's record is before its first entry.
            end = owner
            isOver =
                try records.bytes.value(at: owner.keyBytes, in: transaction) { value in
                    !body(owner, Record.decode(value, at: owner))
                } ?? false
        }
    }
}

/// A key of a table with records of owners and of what they have.
enum HeadedKey: TableKey {
    /// The record of an owner.
    case head(UInt64)
    case entry(OwnedNumber)

    func write(to writer: inout ByteWriter) {
        switch self {
        case .head(let owner): owner.write(to: &writer)
        case .entry(let entry): entry.write(to: &writer)
        }
    }

    init?(from reader: inout ByteReader) {
        guard let owner = reader.fixed() else { return nil }
        if reader.isAtEnd {
            self = .head(owner)
        } else {
            guard let number = reader.fixed() else { return nil }
            self = .entry(OwnedNumber(owner, number))
        }
    }
}
