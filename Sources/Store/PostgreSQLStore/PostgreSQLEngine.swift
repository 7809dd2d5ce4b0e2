package import LMDB
package import Linux
package import MappedStore
internal import PostgreSQL

/// The store's tables in a PostgreSQL database, for one thread, which waits for each answer.
package final class PostgreSQLEngine: RemoteEngine {
    package let clock: SteadyClock
    private let reader: Session
    private let writer: Session
    private var reads: CachedTables?
    private var readDepth = 0
    private var hasBegunReading = false
    private var writes: CachedTables?
    /// Whether a transaction was begun for `writes`.
    private var hasBegunWriting = false
    private var phase = BatchPhase.none
    /// Whether an operation of a batch that only reads has asked to write.
    private var wantsToWrite = false
    private var knownVersion: UInt64 = 0
    /// Identifies this process among those that write, and its last commit.
    private let name = (0..<16).map { _ in UInt8.random(in: 0...255) }
    private var sequence: Int64 = 0
    /// When the version is asked for again, by `SystemClock.bootTimeMicroseconds`.
    private var asksVersionAt: Int64 = 0

    private static let versionMicroseconds: Int64 = 50_000
    /// Bytes of changes that are held before they are written.
    private static let heldBytes = 8 << 20

    /// Connects, and makes the tables that are missing.
    package init(_ settings: PostgreSQLSettings) throws(PostgreSQLStoreError) {
        reader = Session(settings.parameters)
        writer = Session(settings.parameters)
        do throws(LMDBError) {
            if try !Schema.isThere(writer) { try Schema.create(writer) }
            let time = try writer.run(
                [Schema.forgetWriters, ("select (extract(epoch from clock_timestamp()) * 1000000)::bigint", [])],
                isRepeatable: true)
            clock = SteadyClock(
                bootID: "", offsetMicroseconds: (time.last?.first?.integer(0) ?? 0) - SystemClock.bootTimeMicroseconds()
            )
        } catch {
            throw PostgreSQLStoreError("\(error)")
        }
        do throws(LMDBError) {
            try MappedStore.prepare(try beginWrite())
            try commit()
        } catch {
            throw PostgreSQLStoreError("\(error)")
        }
    }

    package var heartbeat: Heartbeat? {
        didSet {
            reader.heartbeat = heartbeat
            writer.heartbeat = heartbeat
        }
    }

    /// Opens the store in a database.
    package static func open(
        _ settings: PostgreSQLSettings
    ) throws(PostgreSQLStoreError) -> (engine: PostgreSQLEngine, store: MappedStore) {
        let engine = try PostgreSQLEngine(settings)
        do throws(LMDBError) { return (engine, try MappedStore(on: engine)) } catch {
            throw PostgreSQLStoreError("\(error)")
        }
    }

    // MARK: Reading

    package func beginRead() throws(LMDBError) -> any RemoteTables {
        switch phase {
        case .reading: if let reads { return reads }
        case .writing: if let writes { return writes }
        case .none: break
        }
        readDepth += 1
        if let reads { return reads }
        let tables = CachedTables { [unowned self] need throws(LMDBError) in try fetchForRead(need) }
        reads = tables
        return tables
    }

    package func endRead() {
        guard phase == .none else { return }
        readDepth -= 1
        guard readDepth == 0 else { return }
        endReading()
    }

    private func endReading() {
        reads = nil
        guard hasBegunReading else { return }
        hasBegunReading = false
        reader.sendOnly([("commit", [])])
    }

    private func fetchForRead(_ need: CachedTables.Need) throws(LMDBError) {
        guard let reads else { return }
        if reads.learntBytes > Self.heldBytes { reads.forget() }
        try fetch([need], for: reads)
    }

    /// Fetches as of the moment at which the reading began.
    private func fetch(_ needs: [CachedTables.Need], for reads: CachedTables) throws(LMDBError) {
        let fetch = Fetch(needs)
        let beginning: [Session.Statement] = [("begin isolation level repeatable read read only", [])]
        let rows = try reader.run(
            (hasBegunReading ? [] : beginning) + fetch.statements, isRepeatable: !hasBegunReading)
        fetch.take(rows.suffix(fetch.statements.count), to: reads)
        hasBegunReading = true
    }

    // MARK: Writing

    package func beginWrite() throws(LMDBError) -> any RemoteTables {
        if phase == .reading {
            wantsToWrite = true
            throw .notFetched
        }
        if let writes { return writes }
        _ = try writer.run(Self.beginning, isRepeatable: true)
        hasBegunWriting = true
        let tables = writeTables()
        writes = tables
        return tables
    }

    private func writeTables() -> CachedTables {
        CachedTables { [unowned self] need throws(LMDBError) in try fetchForWrite(need) }
    }

    /// Waits until no other process writes.
    private static let beginning: [Session.Statement] = [
        ("begin", []), ("select version from postroom.store for update", []),
    ]

    private func fetchForWrite(_ need: CachedTables.Need) throws(LMDBError) {
        guard let writes else { return }
        if writes.changedBytes + writes.learntBytes > Self.heldBytes {
            _ = try writer.run(statements(of: writes))
            writes.forget()
        }
        let fetch = Fetch([need])
        fetch.take(try writer.run(fetch.statements)[...], to: writes)
    }

    private func statements(of writes: CachedTables) -> [Session.Statement] {
        var statements: [Session.Statement] = []
        for table in Schema.tables.indices {
            let (changes, count) = writes.takeChanges(of: table)
            let stored = changes.compactMap { change in change.value.map { (key: change.key, value: $0) } }
            let removed = changes.filter { $0.value == nil }.map(\.key)
            if !removed.isEmpty { statements.append(Schema.remove(removed, in: table)) }
            if !stored.isEmpty { statements.append(Schema.put(stored, in: table)) }
            if count != 0 { statements.append(Schema.count(count, in: table)) }
        }
        return statements
    }

    package func commit() throws(LMDBError) {
        guard let writes else { return }
        self.writes = nil
        hasBegunWriting = false
        sequence += 1
        let statements =
            statements(of: writes) + [
                Schema.note(sequence, of: name), ("update postroom.store set version = version + 1", []),
                ("commit", []),
            ]
        do throws(LMDBError) {
            _ = try writer.run(statements)
        } catch {
            guard writer.isLost, try hasCommitted(otherwise: error) else { throw error }
        }
        knownVersion += 1
    }

    /// Whether the last commit has taken effect, after its connection was lost before the server's answer. Waits until the
    /// server can be reached, and until it has ended the transaction.
    /// - Parameter failure: thrown if it cannot be reached.
    private func hasCommitted(otherwise failure: LMDBError) throws(LMDBError) -> Bool {
        let deadline = SystemClock.bootTimeMicroseconds() + Self.outcomeMicroseconds
        let question = Self.beginning + [Schema.lastCommit(of: name), ("commit", [])]
        defer { heartbeat?.setWaiting(false) }
        while SystemClock.bootTimeMicroseconds() < deadline {
            if let rows = try? writer.run(question, isRepeatable: true) {
                return rows[2].first?.integer(0) ?? 0 >= sequence
            }
            heartbeat?.setWaiting(true)
            SystemClock.sleep(microseconds: Self.outcomePauseMicroseconds)
        }
        throw failure
    }

    /// How long the outcome of a commit is asked for.
    private static let outcomeMicroseconds: Int64 = 30_000_000
    private static let outcomePauseMicroseconds: UInt32 = 100_000

    package func rollBack() {
        guard writes != nil else { return }
        writes = nil
        if hasBegunWriting { writer.sendOnly([("rollback", [])]) }
        hasBegunWriting = false
    }

    // MARK: Batches

    /// What the operations of a batch do.
    enum BatchPhase {
        case none
        /// They read, as of one moment, and what they lack is fetched for all of them.
        case reading
        /// They write in the open transaction, likewise.
        case writing
    }

    /// Lends tables to operations that read, until `endBatchRead`.
    func beginBatchRead() -> CachedTables {
        phase = .reading
        let tables = CachedTables()
        reads = tables
        return tables
    }

    func endBatchRead() {
        phase = .none
        endReading()
    }

    /// Whether an operation has asked to write since the last call.
    func takeWriteRequest() -> Bool {
        defer { wantsToWrite = false }
        return wantsToWrite
    }

    func fetchForBatchRead() throws(LMDBError) {
        guard let reads else { return }
        try fetch(reads.takeNeeds(), for: reads)
    }

    /// Lends the tables of the open transaction to operations that write, until `endBatchWrite`.
    func beginBatchWrite() -> CachedTables {
        phase = .writing
        let tables = writes ?? writeTables()
        tables.fetchesAtOnce = false
        writes = tables
        return tables
    }

    func endBatchWrite() {
        phase = .none
        writes?.fetchesAtOnce = true
    }

    /// Begins the transaction, if it has not begun, and fetches what the operations lack.
    func fetchForBatchWrite() throws(LMDBError) {
        guard let writes else { return }
        let fetch = Fetch(writes.takeNeeds())
        let statements = (hasBegunWriting ? [] : Self.beginning) + fetch.statements
        let rows = try writer.run(statements, isRepeatable: !hasBegunWriting)
        fetch.take(rows.suffix(fetch.statements.count), to: writes)
        hasBegunWriting = true
    }

    /// Throws unless a transaction can write now.
    func prove() throws(LMDBError) { _ = try writer.run(Self.beginning + [("commit", [])], isRepeatable: true) }

    // MARK: Looking

    package func version() throws(LMDBError) -> UInt64 {
        let now = SystemClock.bootTimeMicroseconds()
        guard now >= asksVersionAt, readDepth == 0 else { return knownVersion }
        let rows = try reader.run([("select version from postroom.store", [])], isRepeatable: true)
        knownVersion = UInt64(rows.last?.first?.integer(0) ?? 0)
        asksVersionAt = now + Self.versionMicroseconds
        return knownVersion
    }

    package func usedBytes() throws(LMDBError) -> Int {
        let rows = try reader.run(
            [
                (
                    """
                    select sum(pg_total_relation_size(c.oid))::bigint from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where n.nspname = 'postroom' and c.relkind = 'r'
                    """, []
                )
            ], isRepeatable: true)
        return Int(rows.last?.first?.integer(0) ?? 0)
    }
}
