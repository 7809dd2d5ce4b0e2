internal import CLMDB

/// An LMDB environment: one memory-mapped file that any number of processes share.
///
/// Commits do not wait for the disk (lmdb.h, MDB_NOSYNC). A crash of the machine may leave any of the pages written since
/// the file was last synced on the disk, and others not: the file is then damaged, unless its user keeps what it needs
/// (`PinnedSnapshot`).
///
/// A process opens it once (lmdb.h, mdb_env_open). One thread uses it; other threads use `EnvironmentAccess`.
@safe package final class Environment {
    package struct Options: Sendable {
        /// The size of the map in bytes, which is also the most the file can grow to.
        package var mapBytes: Int
        package var isReadOnly: Bool

        package init(mapBytes: Int, isReadOnly: Bool = false) {
            self.mapBytes = mapBytes
            self.isReadOnly = isReadOnly
        }
    }

    let handle: OpaquePointer
    /// Held while another thread uses the map, and while it is resized.
    let mapLock = MapLock()
    /// The id of the last transaction that a reader of this process has seen.
    package private(set) var lastReadID: UInt64 = 0
    /// A read transaction between two uses: reset, and renewed for the next (lmdb.h, mdb_txn_renew).
    private var idleReader: OpaquePointer?

    /// The size of a page in bytes.
    package let pageBytes: Int

    /// Opens the file, or creates it. Its lock file is beside it, with `-lock` appended to the name.
    /// - Parameters:
    ///   - path: the file, in an existing directory.
    ///   - tables: how many named databases may be opened.
    ///   - readers: how many read transactions there may be at once, in all processes together.
    package init(path: String, tables: Int, readers: Int, _ options: Options) throws(LMDBError) {
        var created: OpaquePointer?
        unsafe try check(mdb_env_create(&created), "mdb_env_create")
        guard let created = unsafe created else { preconditionFailure("mdb_env_create returned no environment") }
        var flags = UInt32(MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC)
        if options.isReadOnly { flags |= UInt32(MDB_RDONLY) }
        do throws(LMDBError) {
            unsafe try check(mdb_env_set_mapsize(created, options.mapBytes), "mdb_env_set_mapsize")
            unsafe try check(mdb_env_set_maxdbs(created, UInt32(tables)), "mdb_env_set_maxdbs")
            unsafe try check(mdb_env_set_maxreaders(created, UInt32(readers)), "mdb_env_set_maxreaders")
            unsafe try check(mdb_env_open(created, path, flags, 0o660), "mdb_env_open")
        } catch {
            unsafe mdb_env_close(created)
            throw error
        }
        unsafe handle = created
        var statistics = MDB_stat()
        _ = unsafe mdb_env_stat(created, &statistics)
        pageBytes = Int(statistics.ms_psize)
    }

    deinit {
        if let reader = unsafe idleReader { unsafe mdb_txn_abort(reader) }
        unsafe mdb_env_close(handle)
    }

    /// The id of the last transaction, of any process, whose writes a new reader sees. Makes no system call, and does not
    /// count as reading (`lastReadID`).
    ///
    /// This is not the id that mdb_env_info returns: that one is in the file a moment before readers see the transaction
    /// (mdb.c, mdb_env_write_meta).
    package func lastVisibleTransactionID() throws(LMDBError) -> UInt64 {
        let seen = lastReadID
        defer { lastReadID = seen }
        return try read { (transaction) throws(LMDBError) in transaction.id }
    }

    /// The end of the last page in use, in bytes: what the file has grown to.
    package var usedBytes: Int { unsafe (Int(information.me_last_pgno) + 1) * pageBytes }

    package var mapBytes: Int { unsafe information.me_mapsize }

    private var information: MDB_envinfo {
        var information = unsafe MDB_envinfo()
        _ = unsafe mdb_env_info(handle, &information)
        return unsafe information
    }

    /// Calls `body` with a read transaction, which sees everything committed so far.
    package func read<Result>(
        _ body: (borrowing Transaction) throws(LMDBError) -> Result
    ) throws(LMDBError) -> Result {
        let reader = unsafe try takeReader()
        defer {
            if let other = unsafe idleReader { unsafe mdb_txn_abort(other) }
            unsafe mdb_txn_reset(reader)
            unsafe idleReader = reader
        }
        unsafe lastReadID = max(lastReadID, UInt64(mdb_txn_id(reader)))
        return try body(unsafe Transaction(lent: reader))
    }

    /// For the use of this environment by other threads.
    package var access: EnvironmentAccess { EnvironmentAccess(self) }

    private func takeReader() throws(LMDBError) -> OpaquePointer {
        if let reader = unsafe idleReader {
            unsafe idleReader = nil
            let code = unsafe mdb_txn_renew(reader)
            if code == MDB_SUCCESS { return unsafe reader }
            unsafe mdb_txn_abort(reader)
            guard code == MDB_MAP_RESIZED else { throw LMDBError(code: code, function: "mdb_txn_renew") }
            try adoptMapSize()
        }
        return unsafe try begin(flags: UInt32(MDB_RDONLY))
    }

    /// Begins a write transaction. There can be only one: waits while another process has it.
    package func beginWrite() throws(LMDBError) -> Transaction {
        unsafe Transaction(own: try begin(flags: 0), in: self)
    }

    /// Begins a read transaction, which sees everything committed so far. Tables opened in it stay open once it is
    /// committed.
    package func beginRead() throws(LMDBError) -> Transaction {
        unsafe Transaction(own: try begin(flags: UInt32(MDB_RDONLY)), in: self)
    }

    private func begin(flags: UInt32) throws(LMDBError) -> OpaquePointer {
        var transaction: OpaquePointer?
        var code = unsafe mdb_txn_begin(handle, nil, flags, &transaction)
        if code == MDB_MAP_RESIZED {
            try adoptMapSize()
            code = unsafe mdb_txn_begin(handle, nil, flags, &transaction)
        }
        try check(code, "mdb_txn_begin")
        guard let transaction = unsafe transaction else { preconditionFailure("mdb_txn_begin returned no transaction") }
        return unsafe transaction
    }

    /// Adopts the map size that another process has set (lmdb.h, MDB_MAP_RESIZED). No thread may use a transaction
    /// meanwhile. Those that are only open stay valid: they refer to the map by page numbers.
    private func adoptMapSize() throws(LMDBError) {
        let code = mapLock.withLock { unsafe mdb_env_set_mapsize(handle, 0) }
        try check(code, "mdb_env_set_mapsize")
    }

    /// Frees the reader slots of processes that died while reading, and returns how many there were.
    @discardableResult
    package func sweepDeadReaders() throws(LMDBError) -> Int { try access.sweepDeadReaders() }

    /// Counts the free pages inside the file, as a write transaction begun after the last commit finds them.
    ///
    /// The list of free pages is table 0. A key is the id of a transaction; its value is the count and the numbers of
    /// the pages that this transaction freed. A page can be used again once every reader began after the transaction
    /// that freed it (mdb.c, mdb_page_alloc). Only a read transaction can read the list (mdb.c, mdb_cursor_open); it may
    /// be open beside a write transaction.
    /// - Parameters:
    ///   - enough: the search stops at this many usable pages, once the runs are found too.
    ///   - runs: how many runs of consecutive pages to look for; values that are larger than a page need them.
    ///   - length: how many pages each of these runs has.
    package func freePages(enough: Int, runs: Int = 0, of length: Int = 1) throws(LMDBError) -> FreePages {
        let oldestReader = oldestReader()
        return try read { (transaction) throws(LMDBError) in
            let last = transaction.id
            let oldest = min(oldestReader ?? last, last)
            var found = FreePages()
            var numbers: [UInt] = []
            var nextCheck = enough
            try Table(index: 0).scan(in: transaction) { key, value in
                let word = MemoryLayout<UInt>.size
                guard key.byteCount == word, value.byteCount >= word else { return false }
                let id = unsafe UInt64(key.unsafeLoadUnaligned(as: UInt.self))
                let count = unsafe min(
                    Int(clamping: value.unsafeLoadUnaligned(as: UInt.self)), value.byteCount / word - 1)
                guard id < oldest else {
                    found.pending += count
                    return found.usable + found.pending < enough
                }
                found.usable += count
                if runs > 0 {
                    for index in 0..<count {
                        numbers.append(
                            unsafe value.unsafeLoadUnaligned(fromByteOffset: (index + 1) * word, as: UInt.self))
                    }
                }
                guard found.usable >= nextCheck else { return true }
                if runs == 0 { return false }
                found.runs = FreePages.runs(of: length, in: &numbers)
                // Look again at twice as many pages, as pages of later entries may complete runs.
                nextCheck = 2 * found.usable
                return found.runs < runs && found.usable < FreePages.limit
            }
            if runs > 0, found.runs < runs { found.runs = FreePages.runs(of: length, in: &numbers) }
            return found
        }
    }

    /// The lowest id among the read transactions of all processes; `nil` if there is no reader.
    package func oldestReader() -> UInt64? { access.oldestReader()?.transaction }

    /// Writes a copy without unused pages, as of one moment.
    package func copyCompacted(to path: String) throws(LMDBError) {
        unsafe try check(mdb_env_copy2(handle, path, UInt32(MDB_CP_COMPACT)), "mdb_env_copy2")
    }
}

/// What `Environment.freePages` finds.
package struct FreePages: Equatable, Sendable {
    /// Pages that a write transaction can use now.
    package internal(set) var usable = 0
    /// Pages that a reader still sees, or that the last transaction has freed. They become usable once all readers have gone
    /// on to a later transaction. The count ends once these and the usable ones are enough.
    package internal(set) var pending = 0
    /// How many runs of the wanted length there are among the usable pages, without overlaps.
    package internal(set) var runs = 0

    /// The search for runs ends at this many pages (4 GiB), so that its cost is bounded.
    static let limit = 1 << 20

    package init() {}

    /// Counts runs, and sorts the pages.
    static func runs(of length: Int, in pages: inout [UInt]) -> Int {
        pages.sort()
        var (count, inRow, last) = (0, 0, UInt.max)
        for page in pages {
            inRow = page == last &+ 1 ? inRow + 1 : 1
            last = page
            if inRow == length {
                count += 1
                inRow = 0
            }
        }
        return count
    }
}
