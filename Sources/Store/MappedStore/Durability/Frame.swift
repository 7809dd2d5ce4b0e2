internal import Encodings
internal import LMDB

/// A frame of the journal: the changes of one transaction.
///
/// The format: a checksum of all that follows (CRC-32, 4 bytes), the length of the content (4), the transaction's id (8), the
/// record's salt (8) and the checksum of the frame before (4), all big-endian; then the content: the number of tables, for each
/// its number and its name, and the changes (`ChangeLog`). By the checksum of the frame before, a frame counts only after the
/// one that its transaction followed, and not after one of a transaction that was not committed.
enum Frame {
    static let headerBytes = 28

    /// - Parameters:
    ///   - names: the names of the tables, by their numbers.
    ///   - previous: the checksum of the frame before; 0 for none.
    static func encoded(
        _ log: ChangeLog, names: [UInt8: [UInt8]], id: UInt64, salt: UInt64, previous: UInt32
    ) -> (bytes: [UInt8], checksum: UInt32) {
        var content = ByteWriter(reserving: headerBytes + log.bytes.count + 16 * log.tables.count + 8)
        for _ in 0..<headerBytes { content.byte(0) }
        content.byte(UInt8(log.tables.count))
        for table in log.tables {
            content.byte(table)
            content.counted(names[table] ?? [])
        }
        content.rest(log.bytes)
        var bytes = content.bytes
        put(UInt64(bytes.count - headerBytes), bytes: 4, at: 4, in: &bytes)
        put(id, bytes: 8, at: 8, in: &bytes)
        put(salt, bytes: 8, at: 16, in: &bytes)
        put(UInt64(previous), bytes: 4, at: 24, in: &bytes)
        let sum = checksum(of: bytes[4...])
        put(UInt64(sum), bytes: 4, at: 0, in: &bytes)
        return (bytes, sum)
    }

    private static func put(_ value: UInt64, bytes count: Int, at offset: Int, in bytes: inout [UInt8]) {
        for index in 0..<count {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - index)))
        }
    }

    struct Header: Equatable {
        let checksum: UInt32
        let contentBytes: Int
        let id: UInt64
        let salt: UInt64
        let previous: UInt32

        init?(_ bytes: [UInt8]) {
            guard bytes.count >= headerBytes else { return nil }
            func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
            checksum = UInt32(number(0..<4))
            contentBytes = Int(number(4..<8))
            id = number(8..<16)
            salt = number(16..<24)
            previous = UInt32(number(24..<28))
        }
    }

    /// The content of a frame that was read as a whole; `nil` if its checksum does not match.
    static func content(_ frame: [UInt8], _ header: Header) -> ArraySlice<UInt8>? {
        guard frame.count == headerBytes + header.contentBytes, checksum(of: frame[4...]) == header.checksum else {
            return nil
        }
        return frame[headerBytes...]
    }

    /// Makes the changes of a frame again.
    static func apply(_ content: ArraySlice<UInt8>, in transaction: inout Transaction) throws(LMDBError) {
        var reader = ByteReader(Array(content))
        guard let count = reader.byte() else { throw .damaged("a frame of the journal") }
        var tables: [UInt8: Table] = [:]
        for _ in 0..<count {
            guard let number = reader.byte(), let name = reader.text(), !name.isEmpty else {
                throw .damaged("a frame of the journal")
            }
            tables[number] = try Table(name, creating: true, in: transaction)
        }
        try ChangeLog.apply(reader.rest()[...], tables: tables, in: &transaction)
    }
}
