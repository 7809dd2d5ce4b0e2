internal import HTTP
internal import LMDB
internal import Linux
internal import Storage
internal import SystemPackage
internal import Values

/// The state that all domains of the store share: the file with its tables, the open write transaction, and the room left.
///
/// Writes collect in one transaction until `commit`. Readers, in any process, see them only after it. Used by one thread.
final class StoreCore {
    let environment: Environment
    let tables: Tables
    let mark: StoreMark
    let clock: SteadyClock
    /// The values when the store was opened. Another process may have raised the ceiling since.
    let numbers: Numbers

    private var turn: Transaction?
    private var turnFailure: StoreFailure?
    /// Bytes by which the open transaction may grow the file, as admitted so far.
    private var turnGrowth = 0
    /// The part of these bytes that is for values larger than half a page, with one more page for each: such a value needs
    /// consecutive pages.
    private var turnLargeBytes = 0
    private var reserve: DiskReserve
    private let lock: StoreLock
    private let isDurable: Bool
    let path: FilePath
    /// Set by processes that are watched, so that waiting for another process's write lock does not count as being stuck.
    var heartbeat: Heartbeat?
    private(set) var files: StoreFiles
    /// The last transaction that this process committed and that is not known to be durable.
    private var unsettled: UInt64?
    /// The error of the commit that should have made it durable.
    private var settleFailure: StoreFailure?

    /// The objects of domains that are called when a turn is committed, fails or ends.
    private var participants: [any TurnParticipant] = []
    /// How many requests the open transaction remembers.
    var rememberedInTurn = 0
    var damage = DamageNotes()

    /// Opens the store in a directory, and creates it unless the access is read-only. Clears the reader slots of processes
    /// that died.
    /// - Parameter directory: the directory of the store's file; it must exist.
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
        do throws(LMDBError) { return try environment.read(body) } catch { throw failure(error, subject()) }
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
            if error.isRecordDamage, transaction.changes == changes {
                turn = consume transaction
            } else {
                turnFailure = failure
            }
            throw failure
        }
    }

    /// Converts an error. Damage is noted for the log, with the subject.
    private func failure(_ error: LMDBError, _ subject: String?) -> StoreFailure {
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

    private func takeTurn() throws(StoreFailure) -> Transaction {
        if let transaction = turn.take() { return transaction }
        heartbeat?.setWaiting(true)
        defer { heartbeat?.setWaiting(false) }
        do throws(LMDBError) {
            let transaction = try environment.beginWrite()
            // Even a full store must keep the pages that its next change needs.
            if reserve.left(environment) < Self.smallestRoom, !reserve.admits(0, environment), try !hasSmallestRoom() {
                throw .full
            }
            return transaction
        } catch {
            throw failure(error, nil)
        }
    }

    /// Bytes that a transaction that frees room may need, for copies of the pages that it changes.
    private static let smallestRoom = 256 << 10
    /// Pages needed by a transaction that changes one record.
    private static let fewPages = 16

    private func hasSmallestRoom() throws(LMDBError) -> Bool {
        let wanted = (Self.smallestRoom - max(0, reserve.left(environment))) / environment.pageBytes
        let free = try environment.freePages(enough: wanted)
        // Pages that the last transaction freed become usable after this one, which needs a few itself.
        return free.usable >= wanted || (free.usable >= Self.fewPages && free.usable + free.pending >= wanted)
    }

    /// Whether a commit is durable only once the next commit, or `settle`, has returned.
    ///
    /// A durable commit waits for the disk twice in a row: for the pages that were written, then for the meta page that
    /// makes the commit count (lmdb.h, MDB_NOMETASYNC). Under load the first wait of the next commit also serves as the
    /// second wait of this one, and no other process has to wait for it.
    var settlesLater: Bool { isDurable }

    /// Waits until the last commit of this process is durable. If another process has committed since, it already is.
    /// - Throws: also the error of a later commit that should have made it durable.
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

    /// Commits what was written since the last commit, as one transaction. `settlesLater` says when it is durable.
    @discardableResult
    func commit() throws(StoreFailure) -> Commit {
        defer { rollBack() }
        if let turnFailure {
            for participant in participants { participant.turnFailed() }
            throw turnFailure
        }
        guard isWriting || participants.contains(where: { $0.isPending }) else { return .empty }
        try write { (transaction) throws(LMDBError) in
            for participant in participants where participant.isPending {
                try participant.writePending(self, in: &transaction)
            }
            if rememberedInTurn > 0 {
                try forgetRequests(
                    before: Self.forgetTime(SystemClock.realTimeMicroseconds()), limit: 2 * rememberedInTurn + 2,
                    in: &transaction)
            }
            // A retry writes nothing, and an empty commit does not sync: write a dummy key so that its answer waits.
            if !transaction.hasChanged { try tables.touched.put((), in: &transaction) }
        }
        do throws(LMDBError) {
            guard let transaction = turn.take() else { preconditionFailure("a transaction vanished") }
            let id = transaction.id
            try transaction.commit()
            for participant in participants { participant.turnCommitted() }
            if isDurable { unsettled = id }
        } catch {
            // The sync that failed may have been the one for the previous commit. The system reports such an error only
            // once (fsync(2)), so that another sync would prove nothing.
            if error.isSystemFailure, unsettled != nil { settleFailure = StoreFailure(error) }
            for participant in participants { participant.turnFailed() }
            throw StoreFailure(error)
        }
        // A commit to a file that was removed or replaced is lost: report it as failed.
        if let failure = files.failureAfterCommit(isDurable: isDurable) { throw failure }
        return settlesLater ? .durableWithNext : .durable
    }

    /// Discards what was written since the last commit. The requests that wrote it will be handled again.
    func forgetTurn() {
        rollBack()
        for participant in participants { participant.turnForgotten() }
    }

    /// Discards what was written since the last commit.
    func rollBack() {
        turn = nil
        turnFailure = nil
        turnGrowth = 0
        turnLargeBytes = 0
        rememberedInTurn = 0
        for participant in participants { participant.turnEnded() }
    }

    /// A number that changes whenever any process has committed something new to read.
    func version() throws(StoreFailure) -> UInt64 {
        do throws(LMDBError) { return try environment.lastVisibleTransactionID() } catch { throw StoreFailure(error) }
    }

    /// Clears the reader slots of processes that died, so that the pages they held can be used again.
    func sweepDeadReaders() throws(StoreFailure) {
        do throws(LMDBError) { try environment.sweepDeadReaders() } catch { throw StoreFailure(error) }
    }

    /// Waits until all that was committed is on the disk.
    func sync() throws(StoreFailure) {
        do throws(LMDBError) { try environment.sync() } catch { throw StoreFailure(error) }
    }

    /// Writes a copy of the store as of one moment, without its free pages.
    func compact(to path: FilePath) throws(StoreFailure) {
        do throws(LMDBError) { try environment.copyCompacted(to: path.string) } catch { throw StoreFailure(error) }
    }

    /// Writes a dummy key, so that a following commit proves that commits work.
    func touch() throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            try tables.touched.put((), in: &transaction)
        }
    }

    // MARK: Room

    /// Admits so many more bytes to the open transaction. Returns false if there is no room: the caller must not write
    /// them.
    ///
    /// Room is what the file may still grow by, plus the free pages inside it that no reader sees.
    /// - Parameters:
    ///   - largest: size of the largest single value among them; `nil`: they are one value.
    ///   - leaving: bytes that must stay free, for operations that may use the last of the room.
    func admit(
        bytes: Int, largest: Int? = nil, leaving: Int = DiskReserve.deliveryBytes,
        in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        // A record needs its own pages, those of the trees above it, and copies of these. The first record of a turn adds
        // 32 pages that the turn's other records share.
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
        // The file cannot grow by that much, but there may be room inside it.
        let left = max(0, reserve.left(environment))
        let wanted = max(0, needed + DiskReserve.bytes - left) / pageBytes + 1
        // A value larger than a page needs consecutive pages, at the end of the file or inside it.
        let length = largest / pageBytes + 1
        let fitsAtEnd = length == 1 || left >= turnGrowth + growth + DiskReserve.bytes / 2
        let runs = fitsAtEnd ? 0 : 1 + turnLargeBytes / (length * pageBytes)
        let free = try environment.freePages(enough: wanted, runs: runs, of: length)
        if free.usable >= wanted, free.runs >= runs { return admit() }
        // There is no room now. Forget requests that can no longer be retried, with what was kept for their retries. The
        // pages that the last transaction freed become usable after this one: if those would suffice, write something so
        // that this one is committed. Otherwise write nothing more, as each transaction needs pages itself.
        try forgetRequests(
            before: Self.forgetTime(SystemClock.realTimeMicroseconds()), limit: 64, in: &transaction)
        if free.usable + free.pending >= wanted, !transaction.hasChanged {
            try tables.touched.put((), in: &transaction)
        }
        return false
    }
}
