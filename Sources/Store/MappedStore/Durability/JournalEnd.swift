internal import LMDB

/// Where the journal ends, as a transaction sees it: an entry beside the names of the tables. It is written in the same
/// transaction as what the frame contains, so that whatever ends a transaction without a commit also takes back its frame.
struct JournalEnd: Equatable {
    /// Bytes since the journal's first lap.
    var position: UInt64 = 0
    /// The checksum of the last frame; 0 for none.
    var checksum: UInt32 = 0

    private static let key = Array("\u{1}journal".utf8)

    /// The journal's start if no transaction has written a frame with this salt.
    static func value(salt: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> JournalEnd {
        let stored = try Table.unnamed.value(at: key, in: transaction) { span -> JournalEnd? in
            var reader = ByteReader(span)
            guard reader.fixed() == salt, let position = reader.fixed(), let checksum = reader.fixed() else {
                return nil
            }
            return JournalEnd(position: position, checksum: UInt32(truncatingIfNeeded: checksum))
        }
        return (stored ?? nil) ?? JournalEnd()
    }

    func put(salt: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        var writer = ByteWriter(reserving: 24)
        writer.fixed(salt)
        writer.fixed(position)
        writer.fixed(UInt64(checksum))
        try Table.unnamed.put(writer.bytes, at: Self.key, in: &transaction)
    }
}
