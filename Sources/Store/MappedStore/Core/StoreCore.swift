internal import HTTP
internal import LMDB
internal import Linux
internal import Storage
internal import SystemPackage
internal import Values

/// The state that all domains of the store share: the tables, the open write transaction, and the room left.
///
/// Writes collect in one transaction until `commit`. Readers, in any process, see them only after it. Used by one thread.
final class StoreCore {
    /// The store's file; `nil` if its tables are on another engine.
    let file: MappedFile?
    /// The engine that has the tables, if they are not in a file.
    let remote: (any RemoteEngine)?
    let tables: Tables
    let clock: SteadyClock
    /// The values when the store was opened. Another process may have raised the ceiling since.
    let numbers: Numbers

    private var turn: Transaction?
    private var turnFailure: StoreFailure?
    /// Bytes by which the open transaction may grow the file, as admitted so far.
    var turnGrowth = 0
    /// The part of these bytes that is for values larger than half a page, with one more page for each: such a value needs
    /// consecutive pages.
    var turnLargeBytes = 0
    /// Set by processes that are watched, so that waiting for another process's write lock does not count as being stuck.
    var heartbeat: Heartbeat? { didSet { remote?.heartbeat = heartbeat } }
    /// The last transaction that this process has committed, or that its write transactions have seen.
    private var lastTransaction: UInt64 = 0

    /// The objects of domains that are called when a turn is committed, fails or ends.
    private var participants: [any TurnParticipant] = []
    /// How many requests the open transaction remembers.
    var rememberedInTurn = 0
    var damage = DamageNotes()

    /// Opens the store in a directory, and creates it unless the access is read-only. Clears the reader slots of processes
    /// that died.
    /// - Parameter directory: the directory of the store's file; it must exist.
    init(directory: FilePath, _ options: MappedStore.Options) throws(StoreError) {
        let path = MappedStore.file(in: directory)
        let isReadOnly = options.access == .readOnly
        if isReadOnly, !Files.exists(path) { throw StoreError("there is no store at \(path)") }
        var lock = try StoreLock(in: directory, options.access)
        try StoreFiles.refuseLost(path, options, isAlone: lock.isAlone)
        let opened: OpenedStore
        if isReadOnly {
            if lock.isAlone { try Self.recover(directory, options) }
            opened = try OpenedStore(reading: directory, options, isAlone: lock.isAlone)
        } else if lock.isFirstWriter {
            opened = try OpenedStore(first: directory, options, isAlone: lock.isAlone)
        } else {
            opened = try OpenedStore(joining: directory, options)
        }
        (tables, clock, remote) = (opened.tables, opened.clock, nil)
        let reserve: DiskReserve
        do throws(LMDBError) {
            numbers = try opened.environment.read { [tables] (transaction) throws(LMDBError) in
                try tables.numbers.readable(in: transaction) ?? Numbers()
            }
            reserve = try Self.reserve(path, opened.environment)
        } catch {
            throw StoreError(error, path)
        }
        if options.access != .exclusive { try lock.share(in: directory) }
        lock.endOpening()
        file = MappedFile(
            opened.environment, opened.durability, opened.readDurability, path, lock, try StoreFiles(path), reserve)
    }

    /// Opens the tables of another engine, which have the current layout.
    init(on remote: any RemoteEngine) throws(LMDBError) {
        (file, self.remote) = (nil, remote)
        let transaction = Transaction(on: try remote.beginRead())
        defer { remote.endRead() }
        tables = try Tables(creating: false, in: transaction)
        numbers = try tables.numbers.readable(in: transaction) ?? Numbers()
        clock = remote.clock
    }

    deinit {
        // A transaction ends before the environment that it belongs to.
        turn = nil
        file?.close()
    }

    var durability: Durability? { file?.durability }

    /// Registers an object that is called when a turn is committed, fails or ends.
    func join(_ participant: any TurnParticipant) { participants.append(participant) }

    // MARK: Transactions

    /// Lends a read transaction on the last commit of any process. It does not see what the open transaction has written,
    /// which may still be rolled back.
    /// - Parameter subject: whose records these are; the log names it if one of them is damaged.
    func read<Result>(
        of subject: @autoclosure () -> String? = nil,
        _ body: (borrowing Transaction) throws(LMDBError) -> Result
    ) throws(StoreFailure) -> Result {
        do throws(LMDBError) {
            if let file { return try file.environment.read(body) }
            guard let remote else { preconditionFailure("a store has neither a file nor an engine") }
            let transaction = Transaction(on: try remote.beginRead())
            defer { remote.endRead() }
            return try body(transaction)
        } catch {
            throw failure(error, subject())
        }
    }

    /// Writes in the open transaction, or begins one.
    ///
    /// `body` must decide what to do before it writes. If it finds a damaged record before it has written anything, only
    /// its own request fails. Any other error breaks the whole transaction: `isTurnBroken` becomes true, and all further
    /// writes fail until `rollBack`.
    /// - Parameter subject: whose records these are; the log names it if one of them is damaged.
    func write<Result>(
        of subject: @autoclosure () -> String? = nil,
        _ body: (inout Transaction) throws(LMDBError) -> Result
    ) throws(StoreFailure) -> Result {
        if let turnFailure { throw turnFailure }
        var transaction = try takeTurn()
        let changes = transaction.changes
        do throws(LMDBError) {
            let result = try body(&transaction)
            turn = consume transaction
            return result
        } catch {
            let failure = failure(error, subject())
            // The transaction stays usable only after an error that is not LMDB's own.
            if error == .notFetched || error.isRecordDamage && transaction.changes == changes {
                turn = consume transaction
            } else {
                turnFailure = failure
            }
            throw failure
        }
    }

    /// Converts an error. Damage is noted for the log, with the subject.
    private func failure(_ error: LMDBError, _ subject: String?) -> StoreFailure {
        if let file, let durability, durability.shared.isBroken {
            return .lost(
                "writing to \(file.path) or its journal failed (\(error)); nothing is acknowledged until it is recovered"
            )
        }
        let failure = StoreFailure(error)
        guard case .damaged(let what) = failure else { return failure }
        let named = subject.map { "\(what): \($0)" } ?? what
        damage.note(named)
        return .damaged(named)
    }

    /// Whether a transaction is open that waits for `commit`. While it is, no other process can write.
    var isWriting: Bool { turn != nil }

    /// Whether a request has broken the open transaction. Nothing of it will be stored; after `rollBack` the other requests
    /// of the turn can be handled again.
    var isTurnBroken: Bool { turnFailure != nil }

    /// Goes on with a transaction that an operation has broken, after its engine has undone what the operation wrote.
    func mendTurn(on tables: any RemoteTables) {
        turnFailure = nil
        if turn == nil { turn = Transaction(on: tables, changes: 1) }
    }

    /// Makes the open transaction fail: its engine has lost what was written.
    func breakTurn(_ failure: StoreFailure) { turnFailure = failure }

    private func takeTurn() throws(StoreFailure) -> Transaction {
        if let transaction = turn.take() { return transaction }
        heartbeat?.setWaiting(true)
        defer { heartbeat?.setWaiting(false) }
        do throws(LMDBError) {
            if let remote { return Transaction(on: try remote.beginWrite()) }
            guard let file else { preconditionFailure("a store has neither a file nor an engine") }
            var transaction = try file.environment.beginWrite()
            if file.reserve.left(file.environment) < Self.ampleRoom,
                !file.reserve.admits(Self.ampleRoom, file.environment)
            {
                transaction = try beginInFullStore(transaction, file)
            }
            try durability?.begin(&transaction)
            lastTransaction = max(lastTransaction, transaction.id - 1)
            return transaction
        } catch {
            throw failure(error, nil)
        }
    }

    /// Commits what was written since the last commit, as one transaction.
    @discardableResult
    func commit() throws(StoreFailure) -> Commit {
        defer { rollBack() }
        if let turnFailure {
            for participant in participants { participant.turnFailed() }
            throw turnFailure
        }
        guard isWriting || isPending else { return .empty }
        try writePending()
        try write { (transaction) throws(LMDBError) in
            // Another engine's worker forgets them: it costs a scan.
            if rememberedInTurn > 0, remote == nil {
                try forgetRequests(
                    before: Self.forgetTime(SystemClock.realTimeMicroseconds()), limit: 2 * rememberedInTurn + 2,
                    in: &transaction)
            }
        }
        do throws(LMDBError) {
            guard let transaction = turn.take() else { preconditionFailure("a transaction vanished") }
            guard transaction.hasChanged else { return .empty }
            try finish(transaction)
            for participant in participants { participant.turnCommitted() }
        } catch {
            for participant in participants { participant.turnFailed() }
            throw failure(error, nil)
        }
        // A commit to a file that was removed or replaced is lost: report it as failed.
        let isJournaled = durability?.shared.isJournaled ?? false
        if let failure = file?.files.failureAfterCommit(isDurable: isJournaled) ?? durability?.fileFailure {
            throw failure
        }
        return .committed
    }

    /// Whether domains have something to write at the next commit.
    var isPending: Bool { participants.contains { $0.isPending } }

    /// Writes that, in the open transaction.
    private func writePending() throws(StoreFailure) {
        guard isPending else { return }
        try write { (transaction) throws(LMDBError) in
            for participant in participants where participant.isPending {
                try participant.writePending(self, in: &transaction)
            }
        }
    }

    func finish(_ transaction: consuming Transaction) throws(LMDBError) {
        if let remote { return try remote.commit() }
        var transaction = transaction
        let (id, changes) = (transaction.id, transaction.changes)
        do throws(LMDBError) {
            let frame = try durability?.writeFrame(of: &transaction)
            do throws(LMDBError) { try transaction.commit() } catch {
                if let frame { durability?.erase(frame) }
                throw error
            }
            durability?.noteCommitted(id, changes: changes, frameBytes: frame?.bytes ?? 0)
        } catch {
            if error.isDiskFailure, file.flatMap({ Files.freeBytes(of: $0.path) }) ?? 1 > 0 {
                durability?.shared.setBroken()
            }
            throw error
        }
        lastTransaction = id
    }

    // MARK: Tickets

    /// The id of the last transaction that this process has read, or committed. What was answered so far may depend on it.
    var ticket: UInt64 { max(lastTransaction, file?.environment.lastReadID ?? 0) }

    /// Whether no crash can undo a transaction, nor any before it.
    func isDurable(_ ticket: UInt64) -> Bool { durability?.isDurable(ticket) ?? true }

    /// Waits until the last transaction that this process has read or committed is durable.
    func flush() throws(StoreFailure) {
        try file?.readDurability?.flush(ticket)
        try waiting { () throws(LMDBError) in try durability?.flush(ticket) }
    }

    /// Begins to make that transaction durable.
    func beginFlush() throws(StoreFailure) {
        try waiting { () throws(LMDBError) in try durability?.beginFlush(ticket) }
    }

    /// Takes the news of what was made durable in the background, or has failed there.
    func takeFlushNews() throws(StoreFailure) {
        durability?.takeNews()
        // Another process may have enlarged the map: a read adopts that.
        _ = try version()
        do throws(LMDBError) { try durability?.checkDisk() } catch { throw failure(error, nil) }
    }

    /// Has all that was committed written to the store's pages on the disk.
    func checkpoint() throws(StoreFailure) {
        try waiting { () throws(LMDBError) in try durability?.checkpoint() }
    }

    /// Does what may wait for another process.
    private func waiting(_ body: () throws(LMDBError) -> Void) throws(StoreFailure) {
        heartbeat?.setWaiting(true)
        defer { heartbeat?.setWaiting(false) }
        do throws(LMDBError) { try body() } catch { throw failure(error, nil) }
    }

    /// Discards what was written since the last commit. The requests that wrote it will be handled again.
    func forgetTurn() {
        rollBack()
        for participant in participants { participant.turnForgotten() }
    }

    /// Discards what was written since the last commit.
    func rollBack() {
        turn = nil
        remote?.rollBack()
        turnFailure = nil
        turnGrowth = 0
        turnLargeBytes = 0
        rememberedInTurn = 0
        for participant in participants { participant.turnEnded() }
    }

    /// A number that changes whenever any process has committed something new to read.
    func version() throws(StoreFailure) -> UInt64 {
        do throws(LMDBError) {
            if let file { return try file.environment.lastVisibleTransactionID() }
            return try remote?.version() ?? 0
        } catch { throw failure(error, nil) }
    }

    /// Bytes of the file that are in use, or that the tables take on another engine.
    func usedBytes() throws(StoreFailure) -> Int {
        if let file { return file.environment.usedBytes }
        do throws(LMDBError) { return try remote?.usedBytes() ?? 0 } catch {
            throw failure(error, nil)
        }
    }

    /// Clears the reader slots of processes that died, so that the pages they held can be used again.
    func sweepDeadReaders() throws(StoreFailure) {
        do throws(LMDBError) { _ = try file?.environment.sweepDeadReaders() } catch { throw StoreFailure(error) }
    }

    /// Writes a copy of the store as of one moment, without its free pages.
    func compact(to path: FilePath) throws(StoreFailure) {
        do throws(LMDBError) { try file?.environment.copyCompacted(to: path.string) } catch {
            throw StoreFailure(error)
        }
    }

    /// Writes a dummy key, so that a following commit proves that commits work.
    func touch() throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            try tables.touched.put((), in: &transaction)
        }
    }
}
