internal import LMDB
internal import Linux
package import SystemPackage
internal import Values

/// The steps of opening a store.
extension MappedStore {
    /// Prevents other processes from opening the store for as long as the returned lock lives.
    package static func lock(_ directory: FilePath) throws(StoreError) -> StoreLock {
        try StoreLock(in: directory, .exclusive)
    }

    /// Reads the same records as a start. Recovers the store first if it needs its journal and nobody has it open. A damaged
    /// page may end the process.
    package static func probe(_ directory: FilePath) throws(StoreError) {
        let path = file(in: directory)
        let lock = try StoreLock(in: directory, .readOnly)
        defer { withExtendedLifetime(lock) {} }
        if lock.isAlone { try StoreCore.recover(directory, Options()) }
        do throws(LMDBError) {
            let environment = try Environment(
                path: path.string, tables: Tables.limit, readers: 1024,
                Environment.Options(mapBytes: 1 << 20, isReadOnly: true))
            _ = try environment.freePages(enough: .max)
            let transaction = try environment.beginRead()
            for name in Tables.names {
                guard let table = try? Table(name, creating: false, in: transaction) else { continue }
                try table.scan(in: transaction) { _, _ in Tables.readAtStart.contains(name) }
                try table.scan(backwards: true, in: transaction) { _, _ in false }
            }
        } catch {
            throw StoreError(error, path)
        }
    }

    /// Throws if the store in a directory needs a journal that is not there. Reads no page of the store but the first two.
    package static func checkJournal(_ directory: FilePath) throws(StoreError) {
        _ = try Recovery(file(in: directory), bootID: "")
    }

    /// Whether the journal has changes that are not in the store's file.
    package static func hasUnappliedChanges(_ directory: FilePath) -> Bool {
        (try? Recovery(file(in: directory), bootID: ""))?.hasFrames(directory) ?? false
    }

    package static func file(in directory: FilePath) -> FilePath { directory.appending("store.mdb") }

    /// The layout of the store in a directory; `nil` if there is no store, or an empty one. Recovers the store first if it
    /// needs its journal and nobody has it open; changes nothing else.
    package static func layout(in directory: FilePath) throws(StoreError) -> UInt64? {
        let path = file(in: directory)
        guard Files.exists(path) else { return nil }
        let lock = try StoreLock(in: directory, .readOnly)
        defer { withExtendedLifetime(lock) {} }
        if lock.isAlone { try StoreCore.recover(directory, Options()) }
        do throws(LMDBError) {
            return try StoreCore.layout(
                Environment(
                    path: path.string, tables: Tables.limit, readers: 1024,
                    Environment.Options(mapBytes: 64 << 30, isReadOnly: true)))
        } catch {
            throw StoreError(error, path)
        }
    }
}

extension StoreCore {
    static func reserve(_ path: FilePath, _ environment: Environment) throws(LMDBError) -> DiskReserve {
        do throws(Errno) {
            return try DiskReserve(path, environment: environment)
        } catch {
            throw LMDBError(code: error.rawValue, function: "open")
        }
    }

    /// The store's layout; `nil` if the store is new. Throws if this program does not know the layout.
    static func layout(_ environment: Environment) throws(LMDBError) -> UInt64? {
        let transaction = try environment.beginRead()
        guard let meta = try Table(ifThere: "meta", in: transaction) else { return nil }
        return try Tables.schema(of: meta, in: transaction)
    }

    /// Opens the tables and sets the clock. Creates what is missing, and migrates a store with an older layout. No other
    /// process may have it open.
    /// - Parameters:
    ///   - mayHaveLost: whether the store may lack what was acknowledged.
    ///   - isRecovered: whether the store was recovered with all that was acknowledged.
    static func prepare(
        _ environment: Environment, _ path: FilePath, bootID: String, mayHaveLost: Bool, isRecovered: Bool
    ) throws(LMDBError) -> (Tables, SteadyClock) {
        var transaction = try environment.beginWrite()
        let meta = try Table("meta", creating: true, in: transaction)
        let schema = try Tables.schema(of: meta, in: transaction)
        let tables = try Tables(creating: true, in: transaction)
        if let schema { try tables.migrate(from: schema, in: &transaction) }
        if schema != MappedStore.schemaVersion { try tables.schema.put(MappedStore.schemaVersion, in: &transaction) }
        let isKnown = try StoreMark(path).recognise(tables, in: &transaction)
        let stored = try tables.clock.readable(in: transaction)
        var clock = SteadyClock.starting(bootID: bootID, after: try lastShown(tables, in: transaction))
        if let stored, stored.bootID == clock.bootID { clock = stored }
        let wasClosed = try tables.closed.remove(in: &transaction)
        if schema == nil {
            try tables.numbers.put(Numbers(), in: &transaction)
        } else {
            // The store may lack the numbers that clients were shown last.
            let hasNumbers = try tables.numbers.readable(in: transaction) != nil
            let isComplete = wasClosed || isRecovered || clock == stored
            if !isKnown || !hasNumbers || !isComplete { try tables.jump(in: &transaction) }
            if mayHaveLost { try tables.tellLoss(in: &transaction) }
        }
        if clock != stored { try tables.clock.put(clock, in: &transaction) }
        try transaction.commit()
        return (tables, clock)
    }

    /// The latest time of the steady clock that the store knows of: an attempt that ended, or a use of an endpoint.
    static func lastShown(_ tables: Tables, in transaction: borrowing Transaction) throws(LMDBError)
        -> Timestamp?
    {
        var last = try tables.deliveryMetrics.readable(in: transaction)?.progressed
        try tables.endpointUses.scanKeys(backwards: true, in: transaction) { use in
            last = max(last ?? use.time, use.time)
            return false
        }
        return last
    }

    /// Opens the tables of a store that must not be changed.
    static func look(_ environment: Environment) throws(LMDBError) -> (Tables, SteadyClock) {
        let transaction = try environment.beginRead()
        let meta = try Table("meta", creating: false, in: transaction)
        guard let schema = try Tables.schema(of: meta, in: transaction) else { throw .damaged("the schema's version") }
        guard schema == MappedStore.schemaVersion else {
            throw .unknownVersion(
                "schema version \(schema); run \"postroom store migrate\" to migrate it to version \(MappedStore.schemaVersion)"
            )
        }
        let tables = try Tables(creating: false, in: transaction)
        let clock = try tables.clock.readable(in: transaction)
        try transaction.commit()
        guard let clock else { throw .damaged("the clock") }
        return (tables, clock)
    }
}

extension Tables {
    /// Restarts the store's time, so that clients of queues learn that messages may have been lost.
    func tellLoss(in transaction: inout Transaction) throws(LMDBError) {
        guard let state = try queueState.readable(in: transaction) else { return }
        try queueState.put(state.begunAnew(at: StoreMark.seconds()), in: &transaction)
    }
}
