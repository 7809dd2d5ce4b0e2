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
    /// `nil` if the store was opened for reading only.
    let durability: Durability?
    private let readDurability: ReadDurability?
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
    let path: FilePath
    /// Set by processes that are watched, so that waiting for another process's write lock does not count as being stuck.
    var heartbeat: Heartbeat?
    private(set) var files: StoreFiles
    /// The last transaction that this process has committed, or that its write transactions have seen.
    private var lastTransaction: UInt64 = 0
    /// When pages may be released again after that was in vain, by `SystemClock.bootTimeMicroseconds`.
    private var releasesAgainAt: Int64 = 0

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
        if isReadOnly, !Files.exists(path) { throw StoreError("there is no store at \(path)") }
        var lock = try StoreLock(in: directory, options.access)
        try StoreFiles.refuseLost(path, options, isAlone: lock.isAlone)
        mark = StoreMark(path)
        let opened: OpenedStore
        if isReadOnly {
            if lock.isAlone { try Self.recover(directory, options) }
            opened = try OpenedStore(reading: directory, options, isAlone: lock.isAlone)
        } else if lock.isFirstWriter {
            opened = try OpenedStore(first: directory, options, isAlone: lock.isAlone)
        } else {
            opened = try OpenedStore(joining: directory, options)
        }
        (environment, durability) = (opened.environment, opened.durability)
        readDurability = opened.readDurability
        (tables, clock) = (opened.tables, opened.clock)
        do throws(LMDBError) {
            numbers = try environment.read { [tables] (transaction) throws(LMDBError) in
                try tables.numbers.readable(in: transaction) ?? Numbers()
            }
            reserve = try Self.reserve(path, environment)
        } catch {
            throw StoreError(error, path)
        }
        if options.access != .exclusive { try lock.share(in: directory) }
        lock.endOpening()
        self.lock = lock
        files = try StoreFiles(path)
    }

    deinit {
        // A transaction ends before the environment that it belongs to.
        turn = nil
        reserve.close()
        durability?.close()
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
        if let durability, durability.shared.isBroken {
            return .lost(
                "writing to \(path) or its journal failed (\(error)); nothing is acknowledged until it is recovered")
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

    private func takeTurn() throws(StoreFailure) -> Transaction {
        if let transaction = turn.take() { return transaction }
        heartbeat?.setWaiting(true)
        defer { heartbeat?.setWaiting(false) }
        do throws(LMDBError) {
            var transaction = try environment.beginWrite()
            if reserve.left(environment) < Self.ampleRoom, !reserve.admits(Self.ampleRoom, environment) {
                transaction = try beginInFullStore(transaction)
            }
            try durability?.begin(&transaction)
            lastTransaction = max(lastTransaction, transaction.id - 1)
            return transaction
        } catch {
            throw failure(error, nil)
        }
    }

    /// Begins a transaction in a store whose file can hardly grow: the room is in the pages that it does not use. Those that
    /// the last checkpoint still needs are made usable first, if they are many.
    /// - Parameter transaction: a write transaction that has written nothing.
    private func beginInFullStore(_ transaction: consuming Transaction) throws(LMDBError) -> Transaction {
        var held: Transaction? = consume transaction
        var free = try environment.freePages(enough: Self.amplePages)
        if let durability, Self.isWorthReleasing(free), SystemClock.bootTimeMicroseconds() >= releasesAgainAt {
            held = nil
            try releasePages(durability)
            held = try environment.beginWrite()
            free = try environment.freePages(enough: Self.amplePages)
            // It was in vain if a reader still sees the pages.
            if Self.isWorthReleasing(free) {
                releasesAgainAt = SystemClock.bootTimeMicroseconds() + Self.releasePauseMicroseconds
            }
        }
        // Even a full store must keep the pages that its next change needs.
        let wanted = (Self.smallestRoom - max(0, reserve.left(environment))) / environment.pageBytes
        let suffices = free.usable >= wanted || (free.usable >= Self.fewPages && free.usable + free.pending >= wanted)
        guard suffices || reserve.admits(0, environment), let held = held.take() else { throw .full }
        return held
    }

    /// Room in which no transaction of ordinary size can get stuck.
    private static let ampleRoom = 4 << 20
    private static let amplePages = 4096
    /// Bytes that a transaction that frees room may need, for copies of the pages that it changes.
    private static let smallestRoom = 256 << 10
    /// Pages needed by a transaction that changes one record.
    private static let fewPages = 16
    private static let releasePauseMicroseconds: Int64 = 200_000

    private static func isWorthReleasing(_ free: FreePages) -> Bool { free.pending >= max(fewPages, free.usable / 4) }

    /// Makes pages usable that the last checkpoint still needs. No transaction may be open.
    private func releasePages(_ durability: Durability) throws(LMDBError) {
        // Pages that a transaction has freed are usable after a checkpoint of a later one.
        for _ in 0..<2 {
            var transaction = try environment.beginWrite()
            try durability.begin(&transaction)
            do throws(LMDBError) {
                try tables.touched.put((), in: &transaction)
                try finish(transaction)
            } catch {
                guard error.isFull else { throw error }
            }
            try durability.releasePages()
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
        if let failure = files.failureAfterCommit(isDurable: isJournaled) ?? durability?.fileFailure { throw failure }
        return .committed
    }

    private func finish(_ transaction: consuming Transaction) throws(LMDBError) {
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
            if error.isDiskFailure, Files.freeBytes(of: path) ?? 1 > 0 { durability?.shared.setBroken() }
            throw error
        }
        lastTransaction = id
    }

    // MARK: Tickets

    /// The id of the last transaction that this process has read, or committed. What was answered so far may depend on it.
    var ticket: UInt64 { max(lastTransaction, environment.lastReadID) }

    /// Whether no crash can undo a transaction, nor any before it.
    func isDurable(_ ticket: UInt64) -> Bool { durability?.isDurable(ticket) ?? true }

    /// Waits until the last transaction that this process has read or committed is durable.
    func flush() throws(StoreFailure) {
        try readDurability?.flush(ticket)
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
