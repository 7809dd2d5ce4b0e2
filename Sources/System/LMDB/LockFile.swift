internal import CLMDB

/// Reads the bytes of LMDB's lock file, in a process that does not have the environment open. A process that has must
/// not open the file again: closing it would release the process's locks (fcntl(2)).
package enum LockFile {
    /// The magic number of a lock file of LMDB (mdb.c, MDB_MAGIC).
    private static let magic: UInt32 = 0xBEEF_C0DE
    /// The offsets of two mutexes in mdb.c 0.9 on Linux: the readers' one, after the magic number and the format, which is
    /// held for a moment while a process enters its first reader; and the writers' one, after a header that fills a cache
    /// line. A mutex begins with a word that has the number of the thread that holds it (mdb.c, MDB_txninfo; glibc's robust
    /// mutexes).
    private static let (readerOffset, writerOffset) = (8, 64)
    private static let threadMask: UInt32 = 0x3FFF_FFFF

    /// The number of the thread that has the write transaction; `nil` if no thread has it, or if the file's layout is
    /// not known here. The number of a process's main thread is the process's number.
    package static func writer(_ file: [UInt8]) -> Int32? { holder(file, writerOffset) }

    /// The number of the thread that enters a reader; see `writer`.
    package static func enteringReader(_ file: [UInt8]) -> Int32? { holder(file, readerOffset) }

    private static func holder(_ file: [UInt8], _ offset: Int) -> Int32? {
        guard MDB_VERSION_MAJOR == 0, MDB_VERSION_MINOR == 9, word(file, at: 0) == magic else { return nil }
        let thread = word(file, at: offset).map { $0 & threadMask } ?? 0
        return thread == 0 ? nil : Int32(thread)
    }

    private static func word(_ file: [UInt8], at offset: Int) -> UInt32? {
        guard offset + 4 <= file.count else { return nil }
        return (0..<4).reduce(0) { $0 | UInt32(file[offset + $1]) << UInt32(8 * $1) }
    }
}
