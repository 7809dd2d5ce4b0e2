internal import CLMDB
internal import Glibc

/// A failure of an LMDB function, or a damaged record.
package struct LMDBError: Error, Equatable, Sendable, CustomStringConvertible {
    package let code: CInt
    package let function: String

    /// - Parameter code: LMDB's own, or one of errno.
    package init(code: CInt, function: String) {
        self.code = code
        self.function = function
    }

    /// The error for a record whose bytes are not what the program writes.
    package static func damaged(_ what: String) -> LMDBError { LMDBError(code: recordDamaged, function: what) }

    /// Not one of LMDB's codes, which are around -30,800.
    private static let recordDamaged: CInt = -30_000

    /// The error for a record of a version that this program does not know.
    package static func unknownVersion(_ what: String) -> LMDBError {
        LMDBError(code: MDB_VERSION_MISMATCH, function: what)
    }

    /// The error when there is no room for a transaction.
    package static var full: LMDBError { LMDBError(code: MDB_MAP_FULL, function: "mdb_txn_begin") }

    /// The error after a write or sync has failed.
    package static func diskFailure(_ function: String) -> LMDBError { LMDBError(code: EIO, function: function) }

    /// The error of `RemoteTables` that have to fetch something first. The operation is then made again.
    package static let notFetched = LMDBError(code: -30_001, function: "fetch")

    /// A failure of the engine that has remote tables.
    package static func remote(_ reason: String) -> LMDBError { LMDBError(code: remoteFailure, function: reason) }

    private static let remoteFailure: CInt = -30_002

    package var description: String {
        if code == Self.remoteFailure { return function }
        return isRecordDamage
            ? "\(function) is damaged" : unsafe "\(function): \(String(cString: mdb_strerror(code)))"
    }

    /// Whether there was no room for a write: in the map, in one transaction, or on the disk.
    package var isFull: Bool {
        [MDB_MAP_FULL, MDB_TXN_FULL, ENOSPC, EDQUOT, EFBIG].contains(code)
    }

    /// Whether another process has enlarged the map (lmdb.h, MDB_MAP_RESIZED).
    package var isMapResized: Bool { code == MDB_MAP_RESIZED }

    /// Whether there is no such table.
    package var isNotFound: Bool { code == MDB_NOTFOUND }

    /// Whether nothing works until the environment is opened again (lmdb.h, MDB_PANIC).
    package var isFatal: Bool { code == MDB_PANIC }

    /// Whether a read or write of the disk has failed.
    package var isDiskFailure: Bool { code == EIO }

    /// Whether a record or the file is damaged, or the file is not LMDB's.
    package var isDamage: Bool {
        isRecordDamage || [MDB_INVALID, MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_PANIC].contains(code)
    }

    /// Whether only a record is damaged. All others can still be read and written.
    package var isRecordDamage: Bool { code == Self.recordDamaged }
}

func check(_ code: CInt, _ function: String) throws(LMDBError) {
    guard code == MDB_SUCCESS else { throw LMDBError(code: code, function: function) }
}
