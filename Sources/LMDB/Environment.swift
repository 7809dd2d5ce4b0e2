internal import CLMDB

/// An LMDB environment: one memory-mapped file that any number of processes share.
///
/// Not sendable: a process opens it once (lmdb.h, mdb_env_open), and here one thread uses it.
@safe package final class Environment {
    package struct Options: Sendable {
        /// The size of the map in bytes, which is also the most the file can grow to.
        package var mapBytes: Int
        /// Whether a commit waits until what it wrote is on the disk, all but the page that makes it count. That page is
        /// there once the next commit, or `sync`, has returned; until then a crash of the machine may undo the last
        /// commit, and no more (lmdb.h, MDB_NOMETASYNC). Without it, such a crash can damage the file (MDB_NOSYNC).
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

    /// Opens the file, or makes it; beside it lies its lock file, `-lock` appended to the name.
    /// - Parameters:
    ///   - path: the file, in a directory that is there.
    ///   - tables: how many named databases may be opened.
    ///   - readers: how many processes may read at once, over all.
    package init(path: String, tables: Int, readers: Int, _ options: Options) throws(LMDBError) {
        var created: OpaquePointer?
        unsafe try check(mdb_env_create(&created), "mdb_env_create")
        guard let created = unsafe created else { preconditionFailure("mdb_env_create made nothing") }
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

    /// The id of the last transaction whose writes a reader sees, by whichever process. No system call is made.
    ///
    /// Not what mdb_env_info tells: that one is in the file while its commit still waits for the disk, and readers do not
    /// see it before the wait is over (mdb.c, mdb_env_write_meta).
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

    /// Lends a view of everything committed so far.
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

    /// Begins the one write transaction there can be; waits while another process has it.
    package func beginWrite() throws(LMDBError) -> Transaction {
        unsafe Transaction(own: try begin(flags: 0))
    }

    /// Begins a view of everything committed so far. Tables opened in it stay open once it is committed.
    package func beginRead() throws(LMDBError) -> Transaction {
        unsafe Transaction(own: try begin(flags: UInt32(MDB_RDONLY)))
    }

    private func begin(flags: UInt32) throws(LMDBError) -> OpaquePointer {
        var transaction: OpaquePointer?
        var code = unsafe mdb_txn_begin(handle, nil, flags, &transaction)
        if code == MDB_MAP_RESIZED {
            try adoptMapSize()
            code = unsafe mdb_txn_begin(handle, nil, flags, &transaction)
        }
        try check(code, "mdb_txn_begin")
        guard let transaction = unsafe transaction else { preconditionFailure("mdb_txn_begin made nothing") }
        return unsafe transaction
    }

    /// Takes over the size that another process has given the map (lmdb.h, MDB_MAP_RESIZED). No transaction is open then.
    private func adoptMapSize() throws(LMDBError) {
        unsafe try check(mdb_env_set_mapsize(handle, 0), "mdb_env_set_mapsize")
    }

    /// Frees what processes that died while reading still hold, and says how many those were.
    @discardableResult
    package func sweepDeadReaders() throws(LMDBError) -> Int {
        var count: CInt = 0
        unsafe try check(mdb_reader_check(handle, &count), "mdb_reader_check")
        return Int(count)
    }

    /// Waits until all that was committed is on the disk.
    package func sync() throws(LMDBError) { unsafe try check(mdb_env_sync(handle, 1), "mdb_env_sync") }

    /// Pages in the file that hold nothing and that a transaction begun after the last commit can write to.
    ///
    /// The list of free pages is a table like the others, number 0: under the id of the transaction that freed them, the
    /// pages' count and numbers (as mdb_stat -f reads it). What the last transaction freed may still be read. Only a
    /// transaction that reads may look into it (mdb.c, mdb_cursor_open); it may be open beside one that writes.
    /// - Parameter enough: the counting stops there.
    package func freePages(upTo enough: Int) throws(LMDBError) -> Int {
        try read { (transaction) throws(LMDBError) in
            var count = 0
            let last = transaction.id
            try Table(index: 0).scan(in: transaction) { key, value in
                guard key.byteCount == MemoryLayout<UInt>.size, value.byteCount >= MemoryLayout<UInt>.size,
                    unsafe key.unsafeLoadUnaligned(as: UInt.self) < last
                else { return false }
                count += unsafe Int(clamping: value.unsafeLoadUnaligned(as: UInt.self))
                return count < enough
            }
            return count
        }
    }

    /// Writes a copy without unused pages, as of one moment.
    package func copyCompacted(to path: String) throws(LMDBError) {
        unsafe try check(mdb_env_copy2(handle, path, UInt32(MDB_CP_COMPACT)), "mdb_env_copy2")
    }
}
