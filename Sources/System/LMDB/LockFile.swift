internal import CLMDB

/// LMDB's lock file as bytes, for a process that does not have the environment open: one that has must not open the file
/// again, as closing it would give its own locks up (fcntl(2)).
package enum LockFile {
    /// "lock file of LMDB" (mdb.c, MDB_MAGIC).
    private static let magic: UInt32 = 0xBEEF_C0DE
    /// Of mdb.c 0.9 on Linux: the header fills a cache line, the mutex of writers follows, and that begins with a word which
    /// has the number of the thread that holds it (mdb.c, MDB_txninfo; glibc's robust mutexes).
    private static let mutexOffset = 64
    private static let threadMask: UInt32 = 0x3FFF_FFFF

    /// The thread that has the write transaction; `nil` where there is none, or the file is not as it is known here. A
    /// process's main thread has the process's number.
    package static func writer(_ file: [UInt8]) -> Int32? {
        guard MDB_VERSION_MAJOR == 0, MDB_VERSION_MINOR == 9, word(file, at: 0) == magic else { return nil }
        let thread = word(file, at: mutexOffset).map { $0 & threadMask } ?? 0
        return thread == 0 ? nil : Int32(thread)
    }

    private static func word(_ file: [UInt8], at offset: Int) -> UInt32? {
        guard offset + 4 <= file.count else { return nil }
        return (0..<4).reduce(0) { $0 | UInt32(file[offset + $1]) << UInt32(8 * $1) }
    }
}
