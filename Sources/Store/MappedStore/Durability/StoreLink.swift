internal import Linux
internal import SystemPackage

/// The link from the store to its journal: a few bytes in the first page of the store's file, where LMDB has nothing.
///
/// While the store has a link, it needs that journal: only the two together are complete. A store that was closed in order,
/// a compacted copy and a store of an older version have none. They are complete, whatever journal is beside them.
enum StoreLink {
    /// LMDB writes the meta page's record alone, in the first 152 bytes of the page (mdb.c, mdb_env_write_meta).
    private static let offset = 2048
    private static let byteCount = 20
    private static let magic: UInt64 = 0x504f_5354_4c4e_4b32

    /// The salt of the journal that the store needs (`CheckpointRecord.salt`); `nil` if it needs none.
    static func salt(of store: FilePath) -> UInt64? {
        guard let bytes = Files.start(of: store, at: offset, limitBytes: byteCount), bytes.count >= byteCount else {
            return nil
        }
        let sealed = Array(bytes.prefix(byteCount))
        var reader = ByteReader(sealed)
        guard isIntact(sealed), reader.fixed() == magic else { return nil }
        return reader.fixed()
    }

    /// Sets the link, and waits until it is on the disk.
    static func set(_ salt: UInt64, in store: FileDescriptor) throws(Errno) {
        var writer = ByteWriter(reserving: byteCount)
        writer.fixed(magic)
        writer.fixed(salt)
        writer.seal()
        try Files.write(writer.bytes, to: store, at: offset)
        try Files.synchronizeData(store)
    }

    /// Removes the link, and waits until that is on the disk.
    static func remove(in store: FileDescriptor) throws(Errno) {
        try Files.write([UInt8](repeating: 0, count: byteCount), to: store, at: offset)
        try Files.synchronizeData(store)
    }
}
