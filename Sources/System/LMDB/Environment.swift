internal import CLMDB

/// An LMDB environment: one memory-mapped file that any number of processes share.
///
/// Not sendable: a process opens it once (lmdb.h, mdb_env_open), and here one thread uses it.
@safe package final class Environment {
    package struct Options: Sendable {
        /// The size of the map in bytes, which is also the most the file can grow to.
        package var mapBytes: Int
        /// Whether a commit waits until its pages are on the disk, except for the meta page, which makes them take
        /// effect. The meta page is on the disk once the next commit, or `sync`, has returned; until then a crash of the
        /// machine may undo the last commit, and no more (lmdb.h, MDB_NOMETASYNC). If this is false, such a crash can
        /// damage the file (MDB_NOSYNC).
        package var isDurable: Bool
        package var isReadOnly: Bool

        package init(mapBytes: Int, isDurable: Bool, isReadOnly: Bool = false) {
            self.mapBytes = mapBytes
            self.isDurable = isDurable
            self.isReadOnly = isReadOnly
        }
    }

    private let handle: OpaquePointer
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
        var flags = UInt32(MDB_NOSUBDIR | MDB_NOTLS)
        flags |= UInt32(options.isDurable ? MDB_NOMETASYNC : MDB_NOSYNC)
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

    /// The id of the last transaction, of any process, whose writes a new reader sees. Makes no system call.
    ///
    /// This is not the id that mdb_env_info returns: that one is in the file while its commit still waits for the disk,
    /// and readers do not see it before the wait is over (mdb.c, mdb_env_write_meta).
    package func lastVisibleTransactionID() throws(LMDBError) -> UInt64 {
        try read { (transaction) throws(LMDBError) in transaction.id }
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
        return try body(unsafe Transaction(lent: reader))
    }

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

    /// Adopts the map size that another process has set (lmdb.h, MDB_MAP_RESIZED). No transaction of this process may be
    /// open.
    private func adoptMapSize() throws(LMDBError) {
        unsafe try check(mdb_env_set_mapsize(handle, 0), "mdb_env_set_mapsize")
    }

    /// Frees the reader slots of processes that died while reading, and returns how many there were.
    @discardableResult
    package func sweepDeadReaders() throws(LMDBError) -> Int {
        var count: CInt = 0
        unsafe try check(mdb_reader_check(handle, &count), "mdb_reader_check")
        return Int(count)
    }

    /// Waits until all that was committed is on the disk.
    package func sync() throws(LMDBError) { unsafe try check(mdb_env_sync(handle, 1), "mdb_env_sync") }

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
                    if oldest == last, id == last { found.pending += count }
                    return false
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
    private func oldestReader() -> UInt64? {
        var oldest = UInt64.max
        _ = unsafe withUnsafeMutablePointer(to: &oldest) { oldest in
            // A line for each reader: process, thread, transaction (mdb.c, mdb_reader_list).
            unsafe mdb_reader_list(
                handle,
                { line, context in
                    guard let line = unsafe line, let context = unsafe context,
                        let id = unsafe String(cString: line).split(whereSeparator: \.isWhitespace).last
                            .flatMap({ UInt64($0) })
                    else { return 0 }
                    let oldest = unsafe context.assumingMemoryBound(to: UInt64.self)
                    unsafe oldest.pointee = unsafe min(oldest.pointee, id)
                    return 0
                }, oldest)
        }
        return oldest == .max ? nil : oldest
    }

    /// Writes a copy without unused pages, as of one moment.
    package func copyCompacted(to path: String) throws(LMDBError) {
        unsafe try check(mdb_env_copy2(handle, path, UInt32(MDB_CP_COMPACT)), "mdb_env_copy2")
    }
}

/// What `Environment.freePages` finds.
package struct FreePages: Equatable, Sendable {
    /// Pages that a write transaction can use now.
    package internal(set) var usable = 0
    /// Pages that the last transaction has freed and no reader sees. They become usable after the next transaction.
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
