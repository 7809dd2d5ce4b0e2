internal import CLMDB

/// A read transaction that stays open. While it is, no page that it can see is used again, by any process (mdb.c,
/// mdb_find_oldest). It may be closed in another thread than the one that opened it (lmdb.h, MDB_NOTLS).
// @unchecked: LMDB allows a read transaction in any thread, one at a time.
@safe package final class PinnedSnapshot: @unchecked Sendable {
    private let handle: OpaquePointer
    /// Closing the environment would free the transaction (mdb.c, mdb_env_close0).
    private let environment: Environment
    /// The id of the last write transaction that it sees.
    package let id: UInt64

    init(_ handle: OpaquePointer, in environment: Environment) {
        unsafe self.handle = handle
        self.environment = environment
        id = unsafe UInt64(mdb_txn_id(handle))
    }

    deinit { unsafe mdb_txn_abort(handle) }

    /// Reads what the snapshot sees. One thread at a time may do this.
    package func read<Result>(
        _ body: (borrowing Transaction) throws(LMDBError) -> Result
    ) throws(LMDBError) -> Result {
        try environment.mapLock.withLock { () throws(LMDBError) in try body(unsafe Transaction(lent: handle)) }
    }
}

/// What other threads than the environment's own may do with it.
// @unchecked: LMDB allows these calls in any thread (lmdb.h, mdb_txn_begin).
@safe package struct EnvironmentAccess: @unchecked Sendable {
    let environment: Environment

    init(_ environment: Environment) { self.environment = environment }

    /// Opens a snapshot of the last commit of any process.
    package func snapshot() throws(LMDBError) -> PinnedSnapshot {
        unsafe PinnedSnapshot(try begin(flags: UInt32(MDB_RDONLY)), in: environment)
    }

    /// Calls `body` while no process can write. `body` must not write.
    package func withoutWriters<Result>(_ body: () throws(LMDBError) -> Result) throws(LMDBError) -> Result {
        let transaction = unsafe try begin(flags: 0)
        defer { unsafe mdb_txn_abort(transaction) }
        return try body()
    }

    private func begin(flags: UInt32) throws(LMDBError) -> OpaquePointer {
        var transaction: OpaquePointer?
        let code = environment.mapLock.withLock {
            unsafe mdb_txn_begin(environment.handle, nil, flags, &transaction)
        }
        try check(code, "mdb_txn_begin")
        guard let transaction = unsafe transaction else { preconditionFailure("mdb_txn_begin returned no transaction") }
        return unsafe transaction
    }
}

/// The meta page of an LMDB file: the state of the file as of one transaction. There are two, at the start of the first two
/// pages; the newer one counts (mdb.c, MDB_meta).
package enum MetaPage {
    /// Where the record begins in its page, after the page's header (mdb.c, PAGEHDRSZ).
    package static let offset = 16
    /// The size of MDB_meta in LMDB 0.9 with 64 bits.
    package static let byteCount = 136

    /// The bytes of the meta page are those of LMDB 0.9's format.
    package static func isValid(_ bytes: [UInt8]) -> Bool {
        bytes.count == byteCount && number(in: bytes, at: 0, bytes: 4) == 0xBEEF_C0DE
            && number(in: bytes, at: 4, bytes: 4) == 1
    }

    /// The id of the transaction that wrote it.
    package static func transaction(_ bytes: [UInt8]) -> UInt64 { number(in: bytes, at: 128, bytes: 8) }

    /// The size of the file's pages, which the first of the two sets.
    package static func pageBytes(_ bytes: [UInt8]) -> Int { Int(number(in: bytes, at: 24, bytes: 4)) }

    private static func number(in bytes: [UInt8], at offset: Int, bytes count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }
}
