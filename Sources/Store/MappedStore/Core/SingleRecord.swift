internal import LMDB

/// A record that exists once, in the table `meta`.
struct SingleRecord<Record: TableRecord>: Sendable where Record.Key == RecordName {
    private let name: RecordName
    private let table: RecordTable<Record>

    init(_ name: String, in meta: Table) {
        self.name = RecordName(text: name)
        table = RecordTable("meta", meta)
    }

    /// The record, or `nil` if it was never written.
    /// - Throws: `damaged` if the record cannot be read.
    func value(in transaction: borrowing Transaction) throws(LMDBError) -> Record.Value? {
        try table.value(at: name, in: transaction)
    }

    /// Like `value`, but also `nil` if the record cannot be read.
    func readable(in transaction: borrowing Transaction) throws(LMDBError) -> Record.Value? {
        try table.readable(at: name, in: transaction)
    }

    /// Whether the record exists but cannot be read.
    func isDamaged(in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        try table.isDamaged(at: name, in: transaction)
    }

    func put(_ value: Record.Value, in transaction: inout Transaction) throws(LMDBError) {
        try table.put(value, at: name, in: &transaction)
    }

    /// Removes the record. Returns whether it existed.
    @discardableResult
    func remove(in transaction: inout Transaction) throws(LMDBError) -> Bool {
        try table.remove(name, in: &transaction)
    }
}

/// The name of a record in `meta`.
struct RecordName: TableKey, Hashable {
    let text: String

    init(text: String) { self.text = text }

    func write(to writer: inout ByteWriter) { writer.rest(text.utf8) }

    init?(from reader: inout ByteReader) {
        guard let text = String(validating: reader.rest(), as: UTF8.self) else { return nil }
        self.text = text
    }
}
