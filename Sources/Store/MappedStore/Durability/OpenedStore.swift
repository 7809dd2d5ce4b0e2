internal import LMDB
internal import Linux
internal import SystemPackage

/// The parts of a store that opening it makes.
struct OpenedStore {
    let environment: Environment
    let tables: Tables
    let clock: SteadyClock
    /// `nil` if the store was opened for reading only.
    let durability: Durability?
    /// `nil` if this process may write, or no other process has the store open: all that it has is durable then.
    let readDurability: ReadDurability?

    private static let readers = 1024

    fileprivate static func open(_ path: FilePath, _ options: MappedStore.Options) throws(LMDBError) -> Environment {
        let environment = try Environment(
            path: path.string, tables: Tables.limit, readers: readers,
            Environment.Options(mapBytes: options.maximumBytes, isReadOnly: options.access == .readOnly))
        try environment.sweepDeadReaders()
        return environment
    }

    // MARK: For reading only

    /// - Parameter isAlone: whether no other process has it open.
    init(reading directory: FilePath, _ options: MappedStore.Options, isAlone: Bool) throws(StoreError) {
        let path = MappedStore.file(in: directory)
        do throws(LMDBError) {
            environment = try Self.open(path, options)
            (tables, clock) = try StoreCore.look(environment)
            durability = nil
        } catch { throw StoreError(error, path) }
        let shared = isAlone ? nil : try? SharedState(in: directory)
        let isInUse = shared.map { $0.isKnown && $0.salt == StoreLink.salt(of: path) } ?? false
        readDurability = isInUse ? shared.map { ReadDurability(shared: $0) } : nil
    }

    // MARK: First

    /// Opens the store, or creates it, while no other process that may write has it open: recovers it, migrates it, and
    /// makes the checkpoint that the processes which join continue from.
    /// - Parameter isAlone: whether no process has it open for reading either.
    init(first directory: FilePath, _ options: MappedStore.Options, isAlone: Bool) throws(StoreError) {
        let path = MappedStore.file(in: directory)
        readDurability = nil
        let recovered = try RecoveredStore(directory, options, isAlone: isAlone)
        environment = recovered.environment
        let recovery = recovered.recovery
        do {
            // Until the first checkpoint, nothing would protect the pages of a store that was found complete.
            if !recovery.restores { try recovered.begin(directory, options).close() }
            (tables, clock) = try StoreCore.prepare(
                environment, path, bootID: options.bootID, mayHaveLost: recovery.mayHaveLost,
                isRecovered: recovery.record?.isJournaled ?? false)
            let begun = try recovered.begin(directory, options)
            durability = try Durability(
                begun.shared, environment, begun.journal, store: begun.store, anchor: recovered.anchor,
                names: try Self.names(environment), interval: Self.interval(options))
            try durability?.start()
        } catch let error as LMDBError {
            throw StoreError(error, path)
        } catch {
            throw StoreError("\(path): \(error)")
        }
    }

    /// Bytes of pages between two checkpoints. As many again may wait in the file until they can be used again.
    private static func interval(_ options: MappedStore.Options) -> Int {
        min(max(options.maximumBytes / 16, 1 << 20), 128 << 20)
    }

    private static func names(_ environment: Environment) throws(LMDBError) -> [UInt8: [UInt8]] {
        try environment.read { (transaction) throws(LMDBError) in
            var names: [UInt8: [UInt8]] = [:]
            for name in Tables.names {
                if let table = try Table(ifThere: name, in: transaction) {
                    names[UInt8(table.index)] = Array(name.utf8)
                }
            }
            return names
        }
    }

    // MARK: Beside others

    /// Opens the store while other processes have it open.
    init(joining directory: FilePath, _ options: MappedStore.Options) throws(StoreError) {
        let path = MappedStore.file(in: directory)
        readDurability = nil
        let layout: UInt64?
        do throws(LMDBError) {
            environment = try Self.open(path, options)
            layout = try StoreCore.layout(environment)
        } catch { throw StoreError(error, path) }
        let users = StoreLock.users(directory.appending("store.lock"))
        if let layout, layout < MappedStore.schemaVersion { throw StoreError(olderLayout: layout, usedBy: users, path) }
        do {
            let shared = try SharedState(in: directory)
            guard shared.isKnown, !shared.isBroken, StoreLink.salt(of: path) == shared.salt else {
                throw StoreError(unusableUntilRecovered: path, usedBy: users)
            }
            guard let journal = try JournalFile(in: directory), try journal.record()?.salt == shared.salt else {
                throw StoreError(
                    "\(JournalFile.path(in: directory)) was removed or replaced while other processes use it: stop them first"
                )
            }
            (tables, clock) = try StoreCore.look(environment)
            durability = try Durability(
                shared, environment, journal, store: try Files.open(path, .readWrite),
                anchor: try environment.access.snapshot(), names: try Self.names(environment),
                interval: Self.interval(options))
            try durability?.reachAnchor()
            try durability?.start()
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError("\(path): \(error)")
        }
    }
}

/// A store that no other process writes to, with all that its journal had.
private struct RecoveredStore {
    let environment: Environment
    let recovery: Recovery
    /// A snapshot at the record of the last checkpoint, or of the store as it was found.
    let anchor: PinnedSnapshot

    init(_ directory: FilePath, _ options: MappedStore.Options, isAlone: Bool) throws(StoreError) {
        let path = MappedStore.file(in: directory)
        recovery = try Recovery(path, bootID: options.bootID, isAlone: isAlone)
        let users = StoreLock.users(directory.appending("store.lock"))
        if recovery.restores, !isAlone { throw StoreError(unusableUntilRecovered: path, usedBy: users) }
        try recovery.restore(path)
        let layout: UInt64?
        do throws(LMDBError) {
            if Files.size(of: path) == 0 { try Self.create(path, options) }
            environment = try OpenedStore.open(path, options)
            anchor = try environment.access.snapshot()
            if recovery.restores, let record = recovery.record, anchor.id != record.transaction {
                throw .damaged("the meta page of transaction \(record.transaction)")
            }
            // Throws if this program does not know it. Nothing was changed then.
            layout = try StoreCore.layout(environment)
            _ = try recovery.replay(directory, environment)
            try keepRequests(directory, options)
        } catch { throw StoreError(error, path) }
        if !isAlone, let layout, layout < MappedStore.schemaVersion {
            throw StoreError(olderLayout: layout, usedBy: users, path)
        }
    }

    /// Keeps the requests that the processes before have remembered, if it is certain that they are of this store and that
    /// the machine has not gone down since.
    private func keepRequests(_ directory: FilePath, _ options: MappedStore.Options) throws(LMDBError) {
        let last = try environment.lastVisibleTransactionID()
        do throws(Errno) {
            let shared = try SharedState(in: directory)
            if let record = recovery.record, record.bootID == options.bootID,
                shared.keepRequests(of: record, last: last)
            {
                return
            }
            try shared.requests.clear()
        } catch {
            throw LMDBError(code: error.rawValue, function: "store.shared")
        }
    }

    /// Creates an empty store under another name, so that a crash of the machine cannot leave a part of it.
    private static func create(_ path: FilePath, _ options: MappedStore.Options) throws(LMDBError) {
        let fresh = FilePath("\(path).new")
        do throws(Errno) {
            for name in ["\(fresh)", "\(fresh)-lock"] { try? Files.remove(FilePath(name)) }
            do throws(LMDBError) { _ = try OpenedStore.open(fresh, options) } catch {
                throw Errno(rawValue: error.code)
            }
            try Files.synchronize(fresh)
            try Files.move(fresh, to: path)
            try? Files.remove(FilePath("\(fresh)-lock"))
            try Files.synchronizeNames(in: path.removingLastComponent())
        } catch {
            throw LMDBError(code: error.rawValue, function: "mdb_env_open")
        }
    }

    /// Makes a checkpoint of the store as it is now, in a journal without frames, and links the two.
    func begin(_ directory: FilePath, _ options: MappedStore.Options) throws -> Begun {
        let path = MappedStore.file(in: directory)
        let existing = try JournalFile(in: directory)
        let before = try existing?.record()
        existing?.close()
        // A store that was closed in order has no record of its own, but the journal still has one.
        let former = recovery.record ?? before
        let isJournaled = options.setsDurability ? options.isDurable : former?.isJournaled ?? options.isDurable
        let wanted = options.setsDurability ? options.journalBytes : former?.journalBytes ?? options.journalBytes
        let (journal, ring) = try Self.journal(in: directory, bytes: isJournaled ? wanted : 0)
        let store = try Files.open(path, .readWrite)
        let transaction = try environment.lastVisibleTransactionID()
        let meta = try Files.read(
            MetaPage.byteCount, of: store, at: Int(transaction & 1) * environment.pageBytes + MetaPage.offset)
        guard MetaPage.isValid(meta), MetaPage.transaction(meta) == transaction else {
            throw LMDBError.damaged("the store's meta page")
        }
        let record = CheckpointRecord(
            sequence: (before?.sequence ?? 0) + 1, transaction: transaction, end: JournalEnd(),
            salt: .random(in: 1 ... .max),
            formerSalt: StoreLink.salt(of: path) ?? 0, journalBytes: ring, isJournaled: isJournaled,
            bootID: options.bootID,
            meta: meta)
        let shared = try SharedState(in: directory)
        shared.prepare(record)
        try Files.synchronizeData(store)
        try journal.write(record)
        try Files.synchronizeNames(in: directory)
        try StoreLink.set(record.salt, in: store)
        shared.reset(record)
        return Begun(journal: journal, store: store, shared: shared)
    }

    struct Begun {
        let journal: JournalFile
        let store: FileDescriptor
        let shared: SharedState

        func close() {
            journal.close()
            try? store.close()
        }
    }

    /// On a full disk the journal is smaller than wanted. Without room for any frames, each answer waits for a checkpoint.
    private static func journal(in directory: FilePath, bytes: Int) throws(Errno) -> (JournalFile, ring: Int) {
        for size in [bytes, bytes / 8, bytes / 64] where size > 0 {
            do throws(Errno) { return (try JournalFile(in: directory, bytes: size), size) } catch {
                guard error == .noSpace || error == .diskQuotaExceeded else { throw error }
            }
        }
        return (try JournalFile(in: directory, bytes: 0), 0)
    }
}

extension StoreCore {
    /// Recovers a store that a process is about to read, and that nobody else has open. A crash of the machine may have left
    /// the file in a state that cannot be read. Nothing else is changed.
    static func recover(_ directory: FilePath, _ options: MappedStore.Options) throws(StoreError) {
        let path = MappedStore.file(in: directory)
        guard Recovery.isNeeded(path) else { return }
        var options = options
        options.access = .exclusive
        options.setsDurability = false
        let recovered = try RecoveredStore(directory, options, isAlone: true)
        guard recovered.recovery.restores else { return }
        // The next process that writes still has to tell clients of a loss.
        if let former = recovered.recovery.record { options.bootID = former.bootID }
        do { try recovered.begin(directory, options).close() } catch {
            throw StoreError("\(path): \(error)")
        }
    }
}
