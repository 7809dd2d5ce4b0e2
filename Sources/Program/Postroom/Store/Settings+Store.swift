internal import Linux
internal import MappedStore
internal import PostgreSQLStore
internal import PostroomService
internal import Storage
internal import SystemPackage
internal import Values

/// The choice of the storage engine. Only the files in this folder name the engine; the module `PostroomService` does not depend on it.
extension Settings {
    var storeOptions: MappedStore.Options {
        MappedStore.Options(
            maximumBytes: maximumStoreBytes, isDurable: durability == .disk, journalBytes: journalBytes)
    }

    /// The store in DATA_DIR, for what can be found out without opening it.
    var storeOnDisk: any StoreOnDisk {
        database == nil ? MappedStoreOnDisk(directory: dataDirectory) : DatabaseStore(directory: dataDirectory)
    }

    /// Opens the store in the database; `nil` if the store is a file.
    /// - Parameter mayIdle: whether its transactions may be idle for any time.
    func openDatabase(mayIdle: Bool = false) throws(Refusal) -> MappedStore? {
        try openDatabase(mayIdle: mayIdle) { settings throws(PostgreSQLStoreError) in
            try PostgreSQLEngine.open(settings).store
        }
    }

    /// Opens the store in the database for a responder; `nil` if the store is a file.
    func openGatheringDatabase() throws(Refusal) -> PostgreSQLStore? {
        try openDatabase { settings throws(PostgreSQLStoreError) in try PostgreSQLStore(settings) }
    }

    private func openDatabase<Store>(
        mayIdle: Bool = false, _ open: (PostgreSQLSettings) throws(PostgreSQLStoreError) -> Store
    ) throws(Refusal) -> Store? {
        guard let databaseParameters else { return nil }
        var settings = PostgreSQLSettings(address: databaseParameters, isDurable: durability == .disk)
        settings.mayIdle = mayIdle
        do throws(PostgreSQLStoreError) { return try open(settings) } catch {
            throw Refusal("cannot open the store: \(error)")
        }
    }

    /// Refuses a command that works on the file of a store, if the store is in a database.
    func refuseDatabase(_ remedy: String) throws(Refusal) {
        guard database == nil else {
            throw Refusal("this command is for a store in a file, and DB_URI is set. \(remedy)")
        }
    }

    /// Opens the store for this process. While it is open, `compact` and `import` are refused: they need it exclusively.
    func openStore() throws(Refusal) -> any StorageEngine {
        try makeDataDirectory()
        if let store = try openDatabase() { return store }
        do throws(StoreError) {
            return try MappedStore(directory: dataDirectory, storeOptions)
        } catch {
            throw Refusal("cannot open the store: \(error)")
        }
    }

    /// Opens the store for the service, so that DURABILITY applies to it. If it can only be opened once other processes have
    /// ended, waits for them: those of a killed supervisor take some seconds to end.
    /// - Parameter waits: called with the reason before it waits.
    func openStoreOfService(waits: (String) -> Void) throws(Refusal) -> any StorageEngine {
        try makeDataDirectory()
        if let store = try openDatabase() { return store }
        var options = storeOptions
        options.setsDurability = true
        let deadline = SystemClock.bootTimeMicroseconds() + 10_000_000
        var isWaiting = false
        while true {
            do throws(StoreError) {
                return try MappedStore(directory: dataDirectory, options)
            } catch {
                guard error.awaitsMigration || error.awaitsRecovery, SystemClock.bootTimeMicroseconds() < deadline
                else { throw Refusal("cannot open the store: \(error)") }
                if !isWaiting { waits("\(error)") }
                isWaiting = true
            }
            SystemClock.sleep(microseconds: 50_000)
        }
    }

    /// Opens the store for reading only. The service may go on meanwhile.
    func readStore() throws -> any StorageEngine {
        if let store = try openDatabase() { return store }
        var options = storeOptions
        options.access = .readOnly
        return try MappedStore(directory: dataDirectory, options)
    }

    /// Writes everything to the store's file, and notes in it that it was closed.
    func closeStore() async throws {
        guard database == nil else { return }
        if storeOnDisk.fault != nil { try StoreReading.probe(self) }
        var options = storeOptions
        options.access = .exclusive
        // If another process has the store open, it stays linked to its journal.
        guard let store = try? MappedStore(directory: dataDirectory, options) else { return }
        do throws(StoreFailure) { try store.noteClosed() } catch {
            store.rollBack()
            try store.checkpoint()
        }
    }
}
