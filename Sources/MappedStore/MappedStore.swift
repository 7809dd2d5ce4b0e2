package import Gateway
internal import LMDB
internal import Linux
package import SystemPackage

/// The store on one memory-mapped file (LMDB) that every process of an installation shares.
///
/// Writes gather in one transaction until `commit`, and are seen by readers, in whichever process, after it. One thread.
package final class MappedStore {
    package struct Options: Sendable {
        /// The most the file may grow to.
        package var maximumBytes: Int
        /// Whether a commit waits for the disk; if not, a crash of the machine can damage the file.
        package var isDurable: Bool
        package var access: Access

        package enum Access: Sendable {
            case shared
            /// With no other process having the store open.
            case exclusive
            /// Nothing is written, and the store must be there already.
            case readOnly
        }

        package init(maximumBytes: Int = 64 << 30, isDurable: Bool = true, access: Access = .shared) {
            self.maximumBytes = maximumBytes
            self.isDurable = isDurable
            self.access = access
        }
    }

    /// Raised whenever the layout changes; a store of a newer layout is refused, one of an older is migrated.
    ///
    /// 1 had endpoints alone; 2 has queues beside them; 3 has webhooks and deliveries too; 4 routes events;
    /// 5 counts users' subscriptions and finds apart what somebody must agree to; 6 knows who created endpoints, and since when
    /// an environment has no webhooks.
    package static let schemaVersion: UInt64 = 6

    let environment: Environment
    let tables: Tables
    let mark: StoreMark
    package let clock: SteadyClock

    private var turn: Transaction?
    private var turnFailure: StoreFailure?
    /// Bytes by which the open transaction may grow the file.
    private var turnGrowth = 0
    private var reserve: DiskReserve
    private let lock: FileLock
    private let isDurable: Bool
    /// The last transaction that this process committed and that nothing is known to have settled.
    private var unsettled: UInt64?
    /// What the commit that should have settled it met.
    private var settleFailure: StoreFailure?

    /// Added to the stored counters in the next commit.
    var pendingCounters: PendingCounters = PendingCounters()
    /// How many requests the open transaction remembers.
    var rememberedInTurn = 0
    /// Whether the open transaction has counted a failed login.
    var loginFailedInTurn = false
    var damage = DamageNotes()
    /// Events that cannot be read, and are not tried again by this process.
    var setAside: Set<UInt64> = []
    /// Failed logins that the store had no room for.
    var loginsWithoutRoom = LoginsWithoutRoom()

    /// Opens the store of an installation, or makes it, and sweeps up after processes that died.
    /// - Parameter directory: where it lies; it is there already.
    package init(directory: FilePath, _ options: Options) throws(StoreError) {
        let path = Self.file(in: directory)
        let isReadOnly = options.access == .readOnly
        isDurable = options.isDurable
        if isReadOnly, !Files.exists(path) { throw StoreError("there is no store at \(path)") }
        do throws(Errno) {
            lock = try FileLock(directory.appending("store.lock"), exclusive: options.access == .exclusive)
        } catch .wouldBlock {
            throw StoreError("the store in \(directory) is in use by another process")
        } catch {
            throw StoreError("cannot lock the store in \(directory): \(error)")
        }
        do throws(LMDBError) {
            environment = try Environment(
                path: path.string, tables: Tables.limit, readers: 1024,
                Environment.Options(
                    mapBytes: options.maximumBytes, isDurable: options.isDurable, isReadOnly: isReadOnly))
            try environment.sweepDeadReaders()
            mark = StoreMark(path)
            (tables, clock) = try isReadOnly ? Self.look(environment) : Self.prepare(environment, path)
            reserve = try Self.reserve(path, environment)
        } catch {
            throw StoreError(error, path)
        }
    }

    deinit {
        // A transaction ends before the environment that it belongs to.
        turn = nil
        reserve.close()
    }

    package static func file(in directory: FilePath) -> FilePath { directory.appending("store.mdb") }

    private static func reserve(_ path: FilePath, _ environment: Environment) throws(LMDBError) -> DiskReserve {
        do throws(Errno) {
            return try DiskReserve(path, environment: environment)
        } catch {
            throw LMDBError(code: error.rawValue, function: "open")
        }
    }

    /// Opens the tables and sets the clock; makes what is not there yet.
    private static func prepare(
        _ environment: Environment, _ path: FilePath
    ) throws(LMDBError) -> (Tables, SteadyClock) {
        var transaction = try environment.beginWrite()
        let meta = try Table("meta", creating: true, in: transaction)
        let schema = try Tables.schema(of: meta, in: transaction)
        let tables = try Tables(creating: true, in: transaction)
        if let schema { try tables.migrate(from: schema, in: &transaction) }
        if schema != schemaVersion { try meta.put(key(schemaVersion), at: Tables.schemaKey, in: &transaction) }
        try StoreMark(path).recognise(tables, in: &transaction)
        let stored = try tables.meta.value(at: Tables.clockKey, in: transaction) { SteadyClock($0) }
        var clock = SteadyClock.starting(after: try lastShown(tables, in: transaction))
        if let stored = stored ?? nil, stored.bootID == clock.bootID { clock = stored }
        if clock != stored { try tables.meta.put(clock.encoded, at: Tables.clockKey, in: &transaction) }
        try transaction.commit()
        return (tables, clock)
    }

    /// The latest time of the steady clock that the store knows of: an attempt that ended, or a use of an endpoint.
    private static func lastShown(_ tables: Tables, in transaction: borrowing Transaction) throws(LMDBError)
        -> Timestamp?
    {
        let metrics = try tables.meta.value(at: Tables.metricsKey, in: transaction) { DeliveryMetricsRecord($0) } ?? nil
        var last = metrics?.progressed
        try tables.endpointUses.scan(backwards: true, in: transaction) { key, _ in
            if let (time, _) = EndpointRecord.use(fromKey: key) { last = max(last ?? time, time) }
            return false
        }
        return last
    }

    /// Opens the tables of a store that is not to be changed.
    private static func look(_ environment: Environment) throws(LMDBError) -> (Tables, SteadyClock) {
        let transaction = try environment.beginRead()
        let meta = try Table("meta", creating: false, in: transaction)
        guard let schema = try Tables.schema(of: meta, in: transaction) else { throw .damaged("the schema's version") }
        guard schema == schemaVersion else {
            throw .unknownVersion("schema version \(schema); \"postroom store migrate\" brings it to \(schemaVersion)")
        }
        let tables = try Tables(creating: false, in: transaction)
        let clock = try tables.meta.value(at: Tables.clockKey, in: transaction) { SteadyClock($0) }
        try transaction.commit()
        guard let clock = clock ?? nil else { throw .damaged("the clock") }
        return (tables, clock)
    }

    // MARK: Transactions

    /// Lends what was committed last, by any process; not what the open transaction has written, which may yet come to
    /// nothing.
    func read<Result>(
        _ body: (borrowing Transaction) throws(LMDBError) -> Result
    ) throws(StoreFailure) -> Result {
        do throws(LMDBError) { return try environment.read(body) } catch { throw StoreFailure(error) }
    }

    /// Writes in the open transaction, or opens one. A body that throws undoes the whole transaction, so it decides what
    /// to do before it writes; all of the transaction's requests are then told that nothing was kept.
    func write<Result>(
        _ body: (inout Transaction) throws(LMDBError) -> Result
    ) throws(StoreFailure) -> Result {
        if let turnFailure { throw turnFailure }
        do throws(LMDBError) {
            var transaction = try takeTurn()
            let result = try body(&transaction)
            turn = consume transaction
            return result
        } catch {
            let failure = StoreFailure(error)
            turnFailure = failure
            throw failure
        }
    }

    /// Whether a transaction is open that waits for `commit`; while there is one, no other process writes.
    package var isWriting: Bool { turn != nil }

    private func takeTurn() throws(LMDBError) -> Transaction {
        if let transaction = turn.take() { return transaction }
        return try environment.beginWrite()
    }

    /// Whether the writes of a commit are kept for good only once the next commit, or `settle`, has returned.
    ///
    /// A commit that waits for the disk does so twice, one wait after the other: for what was written, then for the page
    /// that makes it count (lmdb.h, MDB_NOMETASYNC). Under load the second wait is the first one of the next commit, and
    /// no other process waits for it.
    package var settlesLater: Bool { isDurable }

    /// Waits until the last commit of this process is kept for good; the commit of another process since then has seen to
    /// that already.
    package func settle() throws(StoreFailure) {
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
    /// - Returns: whether there was anything.
    @discardableResult
    package func commit() throws(StoreFailure) -> Bool {
        defer { rollBack() }
        if let turnFailure {
            pendingCounters.refuse()
            throw turnFailure
        }
        guard turn != nil || !pendingCounters.isEmpty else { return false }
        try write { (transaction) throws(LMDBError) in
            try addPendingCounters(in: &transaction)
            if rememberedInTurn > 0 {
                try forgetRequests(
                    before: Self.forgetTime(SystemClock.realTimeMicroseconds()), limit: 2 * rememberedInTurn + 2,
                    in: &transaction)
            }
            // Whoever did what had been done before waits for that to be kept: LMDB waits for the disk only where something
            // is written.
            if !transaction.hasChanged { try tables.meta.put([], at: Tables.touchKey, in: &transaction) }
        }
        do throws(LMDBError) {
            guard let transaction = turn.take() else { preconditionFailure("a transaction vanished") }
            let id = transaction.id
            try transaction.commit()
            pendingCounters = PendingCounters()
            if isDurable { unsettled = id }
            return true
        } catch {
            // The wait that failed may have been the one for the commit before. It is reported once only (fsync(2)), so
            // that waiting again would prove nothing.
            if error.isSystemFailure, unsettled != nil { settleFailure = StoreFailure(error) }
            pendingCounters.refuse()
            throw StoreFailure(error)
        }
    }

    /// Throws away what was written since the last commit.
    package func rollBack() {
        turn = nil
        turnFailure = nil
        turnGrowth = 0
        rememberedInTurn = 0
        loginFailedInTurn = false
    }

    /// Differs whenever there is something new to read, from whichever process.
    package func version() throws(StoreFailure) -> UInt64 {
        do throws(LMDBError) { return try environment.lastVisibleTransactionID() } catch { throw StoreFailure(error) }
    }

    /// Frees what dead processes hold.
    package func sweepDeadReaders() throws(StoreFailure) {
        do throws(LMDBError) { try environment.sweepDeadReaders() } catch { throw StoreFailure(error) }
    }

    /// Waits until all that was committed is on the disk.
    package func sync() throws(StoreFailure) {
        do throws(LMDBError) { try environment.sync() } catch { throw StoreFailure(error) }
    }

    /// Writes a copy of the store without the pages that hold nothing, as of one moment.
    package func compact(to path: FilePath) throws(StoreFailure) {
        do throws(LMDBError) { try environment.copyCompacted(to: path.string) } catch { throw StoreFailure(error) }
    }

    /// Writes something, so that a commit after it proves that commits work.
    package func touch() throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            try tables.meta.put([], at: Tables.touchKey, in: &transaction)
        }
    }

    /// Notes under which secret this store's secrets are sealed, by something sealed under it.
    /// - Parameters:
    ///   - isOurs: whether what is there was sealed under the secret in force.
    ///   - make: seals something under it, for a store that has none yet.
    /// - Returns: false where it was another secret; then nothing is written.
    package func claimSeal(isOurs: ([UInt8]) -> Bool, make: () -> [UInt8]) throws(StoreFailure) -> Bool {
        let found = try read { (transaction) throws(LMDBError) in
            try tables.meta.value(at: Tables.sealKey, in: transaction) { copy($0) }
        }
        if let found { return isOurs(found) }
        // Two first starts may have found nothing: the second one compares with what the first one wrote meanwhile.
        let meanwhile = try write { (transaction) throws(LMDBError) -> [UInt8]? in
            let found = try tables.meta.value(at: Tables.sealKey, in: transaction) { copy($0) }
            if found == nil { try tables.meta.put(make(), at: Tables.sealKey, in: &transaction) }
            return found
        }
        if let meanwhile {
            rollBack()
            return isOurs(meanwhile)
        }
        try commit()
        try settle()
        return true
    }

    // MARK: Room

    /// Lets the open transaction put in so many bytes more; false where there is no room, and nothing of them is written.
    /// - Parameter leaving: bytes that stay free for those who may take the last of the room.
    func admit(
        bytes: Int, leaving: Int = DiskReserve.deliveryBytes, in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        // A record, the pages of the trees above it, and their copies; the rest of a turn shares them.
        let pageBytes = environment.pageBytes
        let growth = (bytes / pageBytes + 6) * pageBytes + (turnGrowth == 0 ? 32 * pageBytes : 0)
        guard !reserve.admits(turnGrowth + growth + leaving, environment) else {
            turnGrowth += growth
            return true
        }
        // The file cannot grow; there may be room inside it.
        let left = reserve.left(environment)
        let leavingInside = max(0, leaving - max(0, left - DiskReserve.bytes))
        let wanted = 2 * (turnGrowth + growth) / pageBytes + leavingInside / pageBytes + 64
        if left >= DiskReserve.bytes / 2 + bytes, try environment.freePages(upTo: wanted) >= wanted {
            turnGrowth += growth
            return true
        }
        // What was collected is given up sooner than else. What a transaction frees can be used after the next one: so
        // that there is a next one, this writes something in any case.
        try forgetRequests(
            before: UInt64(max(0, SystemClock.realTimeMicroseconds() / 1000 - 5000)), limit: 64, in: &transaction)
        try tables.meta.put([], at: Tables.touchKey, in: &transaction)
        return false
    }
}

/// Why a store cannot be opened, for its operator.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// Whether the file itself is at fault, not its surroundings.
    package let isDamage: Bool

    init(_ error: LMDBError, _ path: FilePath) {
        isDamage = error.isDamage
        description = "\(path): \(error)"
    }

    package init(_ description: String) {
        self.description = description
        isDamage = false
    }
}

extension StoreFailure {
    init(_ error: LMDBError) {
        self = error.isFull ? .full : error.isFatal ? .lost(error.description) : .unavailable(error.description)
    }
}
