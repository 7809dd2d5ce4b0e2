internal import HTTP
internal import LMDB
internal import Linux
internal import Storage
internal import SystemPackage
internal import Values

/// What the domains of the store share: the file with its tables, the write turn, and the room in it.
///
/// Writes gather in one transaction until `commit`, and are seen by readers, in whichever process, after it. One thread.
final class StoreCore {
    let environment: Environment
    let tables: Tables
    let mark: StoreMark
    let clock: SteadyClock
    /// As it was when the store was opened; others may have raised the ceiling since.
    let numbers: Numbers

    private var turn: Transaction?
    private var turnFailure: StoreFailure?
    /// Bytes that the open transaction may write, as far as they were admitted.
    private var turnGrowth = 0
    /// Those of them in values that are larger than a page, each of which needs pages in a row.
    private var turnLargeBytes = 0
    private var reserve: DiskReserve
    private let lock: StoreLock
    private let isDurable: Bool
    let path: FilePath
    /// Set by processes that are watched: waiting for the lock that another process holds is not being stuck.
    var heartbeat: Heartbeat?
    private(set) var files: StoreFiles
    /// The last transaction that this process committed and that nothing is known to have settled.
    private var unsettled: UInt64?
    /// What the commit that should have settled it met.
    private var settleFailure: StoreFailure?

    /// What the domains know of the open turn.
    private var participants: [any TurnParticipant] = []
    /// How many requests the open transaction remembers.
    var rememberedInTurn = 0
    var damage = DamageNotes()

    /// Opens the store of an installation, or makes it, and sweeps up after processes that died.
    /// - Parameter directory: where it lies; it is there already.
    init(directory: FilePath, _ options: MappedStore.Options) throws(StoreError) {
        path = MappedStore.file(in: directory)
        let isReadOnly = options.access == .readOnly
        isDurable = options.isDurable
        if isReadOnly, !Files.exists(path) { throw StoreError("there is no store at \(path)") }
        var lock = try StoreLock(in: directory, options.access)
        try StoreFiles.refuseLost(path, options, isAlone: lock.isAlone)
        let layout: UInt64?
        do throws(LMDBError) {
            environment = try Environment(
                path: path.string, tables: Tables.limit, readers: 1024,
                Environment.Options(
                    mapBytes: options.maximumBytes, isDurable: options.isDurable, isReadOnly: isReadOnly))
            try environment.sweepDeadReaders()
            mark = StoreMark(path)
            layout = try Self.layout(environment)
        } catch {
            throw StoreError(error, path)
        }
        if !isReadOnly, !lock.isAlone, let layout, layout < MappedStore.schemaVersion {
            throw StoreError(olderLayout: layout, usedBy: StoreLock.users(directory.appending("store.lock")), path)
        }
        do throws(LMDBError) {
            (tables, clock) =
                try isReadOnly ? Self.look(environment) : Self.prepare(environment, path, bootID: options.bootID)
            numbers = try environment.read { [tables] (transaction) throws(LMDBError) in
                try tables.numbers.readable(in: transaction) ?? Numbers()
            }
            reserve = try Self.reserve(path, environment)
        } catch {
            throw StoreError(error, path)
        }
        if options.access != .exclusive { try lock.share(in: directory) }
        self.lock = lock
        files = try StoreFiles(path)
    }

    deinit {
        // A transaction ends before the environment that it belongs to.
        turn = nil
        reserve.close()
    }

    /// Has what a domain knows of the open turn follow the turn's end.
    func join(_ participant: any TurnParticipant) { participants.append(participant) }

    // MARK: Transactions

    /// Lends what was committed last, by any process; not what the open transaction has written, which may yet come to
    /// nothing.
    /// - Parameter subject: whose records these are, as the log names it where one of them is damaged.
    func read<Result>(
        of subject: @autoclosure () -> String? = nil,
        _ body: (borrowing Transaction) throws(LMDBError) -> Result
    ) throws(StoreFailure) -> Result {
        do throws(LMDBError) { return try environment.read(body) } catch { throw failure(error, subject()) }
    }

    /// Writes in the open transaction, or opens one.
    ///
    /// A body decides what to do before it writes: where it fails before that, its own request fails and nothing else.
    /// One that fails later breaks the whole transaction; then `isTurnBroken` is true and all further writes fail until
    /// `rollBack`.
    /// - Parameter subject: whose records these are, as the log names it where one of them is damaged.
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
            // LMDB goes on only after errors that are not its own.
            if error.isRecordDamage, transaction.changes == changes {
                turn = consume transaction
            } else {
                turnFailure = failure
            }
            throw failure
        }
    }

    /// Notes what is damaged, for the log.
    private func failure(_ error: LMDBError, _ subject: String?) -> StoreFailure {
        let failure = StoreFailure(error)
        guard case .damaged(let what) = failure else { return failure }
        let named = subject.map { "\(what): \($0)" } ?? what
        damage.note(named)
        return .damaged(named)
    }

    /// Whether a transaction is open that waits for `commit`; while there is one, no other process writes.
    var isWriting: Bool { turn != nil }

    /// Whether a request has broken the open transaction. Nothing of it is kept: after `rollBack` the other requests of
    /// the turn can be made again.
    var isTurnBroken: Bool { turnFailure != nil }

    private func takeTurn() throws(StoreFailure) -> Transaction {
        if let transaction = turn.take() { return transaction }
        heartbeat?.setWaiting(true)
        defer { heartbeat?.setWaiting(false) }
        do throws(LMDBError) {
            let transaction = try environment.beginWrite()
            // The tightest of stores keeps the pages that its next change needs.
            if reserve.left(environment) < Self.smallestRoom, !reserve.admits(0, environment), try !hasSmallestRoom() {
                throw .full
            }
            return transaction
        } catch {
            throw failure(error, nil)
        }
    }

    /// What a transaction that frees room may need: copies of the pages that it changes.
    private static let smallestRoom = 256 << 10
    /// Pages that a transaction needs which changes one record.
    private static let fewPages = 16

    private func hasSmallestRoom() throws(LMDBError) -> Bool {
        let wanted = (Self.smallestRoom - max(0, reserve.left(environment))) / environment.pageBytes
        let free = try environment.freePages(enough: wanted)
        // Pages that the last transaction has freed can be used after this one, which needs a few.
        return free.usable >= wanted || (free.usable >= Self.fewPages && free.usable + free.pending >= wanted)
    }

    /// Whether the writes of a commit are kept for good only once the next commit, or `settle`, has returned.
    ///
    /// A commit that waits for the disk does so twice, one wait after the other: for what was written, then for the page
    /// that makes it count (lmdb.h, MDB_NOMETASYNC). Under load the second wait is the first one of the next commit, and
    /// no other process waits for it.
    var settlesLater: Bool { isDurable }

    /// Waits until the last commit of this process is kept for good; the commit of another process since then has seen to
    /// that already.
    func settle() throws(StoreFailure) {
        if let failure = settleFailure {
            settleFailure = nil
            unsettled = nil
            throw failure
        }
        guard let committed = unsettled else { return }
        do throws(LMDBError) {
            if try environment.lastVisibleTransactionID() == committed { try environment.sync() }
            unsettled = nil
        } catch {
            throw StoreFailure(error)
        }
    }

    /// Makes what was written since the last commit take effect, as one; see `settlesLater` for when it is kept for good.
    @discardableResult
    func commit() throws(StoreFailure) -> Commit {
        defer { rollBack() }
        if let turnFailure {
            for participant in participants { participant.turnFailed() }
            throw turnFailure
        }
        guard turn != nil || participants.contains(where: { $0.isPending }) else { return .empty }
        try write { (transaction) throws(LMDBError) in
            for participant in participants where participant.isPending {
                try participant.writePending(self, in: &transaction)
            }
            if rememberedInTurn > 0 {
                try forgetRequests(
                    before: Self.forgetTime(SystemClock.realTimeMicroseconds()), limit: 2 * rememberedInTurn + 2,
                    in: &transaction)
            }
            // Whoever did what had been done before waits for that to be kept: LMDB waits for the disk only where something
            // is written.
            if !transaction.hasChanged { try tables.touched.put((), in: &transaction) }
        }
        do throws(LMDBError) {
            guard let transaction = turn.take() else { preconditionFailure("a transaction vanished") }
            let id = transaction.id
            try transaction.commit()
            for participant in participants { participant.turnCommitted() }
            if isDurable { unsettled = id }
        } catch {
            // The wait that failed may have been the one for the commit before. It is reported once only (fsync(2)), so
            // that waiting again would prove nothing.
            if error.isSystemFailure, unsettled != nil { settleFailure = StoreFailure(error) }
            for participant in participants { participant.turnFailed() }
            throw StoreFailure(error)
        }
        // What was written to a file that nobody finds again is not kept.
        if let failure = files.failureAfterCommit(isDurable: isDurable) { throw failure }
        return settlesLater ? .durableWithNext : .durable
    }

    /// Throws away what was written since the last commit, so that the requests that wrote it can be made again.
    func forgetTurn() {
        rollBack()
        for participant in participants { participant.turnForgotten() }
    }

    /// Throws away what was written since the last commit.
    func rollBack() {
        turn = nil
        turnFailure = nil
        turnGrowth = 0
        turnLargeBytes = 0
        rememberedInTurn = 0
        for participant in participants { participant.turnEnded() }
    }

    /// Differs whenever there is something new to read, from whichever process.
    func version() throws(StoreFailure) -> UInt64 {
        do throws(LMDBError) { return try environment.lastVisibleTransactionID() } catch { throw StoreFailure(error) }
    }

    /// Frees what dead processes hold.
    func sweepDeadReaders() throws(StoreFailure) {
        do throws(LMDBError) { try environment.sweepDeadReaders() } catch { throw StoreFailure(error) }
    }

    /// Waits until all that was committed is on the disk.
    func sync() throws(StoreFailure) {
        do throws(LMDBError) { try environment.sync() } catch { throw StoreFailure(error) }
    }

    /// Writes a copy of the store without the pages that hold nothing, as of one moment.
    func compact(to path: FilePath) throws(StoreFailure) {
        do throws(LMDBError) { try environment.copyCompacted(to: path.string) } catch { throw StoreFailure(error) }
    }

    /// Writes something, so that a commit after it proves that commits work.
    func touch() throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            try tables.touched.put((), in: &transaction)
        }
    }

    // MARK: Room

    /// Lets the open transaction put in so many bytes more; false where there is no room, and nothing of them is written.
    ///
    /// Room is what the file may still grow by and the free pages inside it that no reader sees.
    /// - Parameters:
    ///   - largest: bytes of the largest single value among them; `nil`: all are one value.
    ///   - leaving: bytes that stay free for those who may take the last of the room.
    func admit(
        bytes: Int, largest: Int? = nil, leaving: Int = DiskReserve.deliveryBytes,
        in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        // A record, the pages of the trees above it, and their copies; the rest of a turn shares them.
        let pageBytes = environment.pageBytes
        let growth = (bytes / pageBytes + 6) * pageBytes + (turnGrowth == 0 ? 32 * pageBytes : 0)
        let largest = min(largest ?? bytes, bytes)
        let needed = turnGrowth + growth + leaving
        func admit() -> Bool {
            turnGrowth += growth
            if largest > pageBytes / 2 { turnLargeBytes += largest + pageBytes }
            return true
        }
        if reserve.admits(needed, environment) { return admit() }
        // The file cannot grow by all of that; there may be room inside it.
        let left = max(0, reserve.left(environment))
        let wanted = max(0, needed + DiskReserve.bytes - left) / pageBytes + 1
        // A value that is larger than a page needs pages in a row: at the end of the file, or inside.
        let length = largest / pageBytes + 1
        let fitsAtEnd = length == 1 || left >= turnGrowth + growth + DiskReserve.bytes / 2
        let runs = fitsAtEnd ? 0 : 1 + turnLargeBytes / (length * pageBytes)
        let free = try environment.freePages(enough: wanted, runs: runs, of: length)
        if free.usable >= wanted, free.runs >= runs { return admit() }
        // Requests that nobody can try again are forgotten, with what was kept for that. What the last transaction freed
        // can be used after the next one: where that is enough, there shall be a next one. Otherwise nothing is written,
        // as each transaction needs pages itself.
        try forgetRequests(
            before: Self.forgetTime(SystemClock.realTimeMicroseconds()), limit: 64, in: &transaction)
        if free.usable + free.pending >= wanted, !transaction.hasChanged {
            try tables.touched.put((), in: &transaction)
        }
        return false
    }
}
