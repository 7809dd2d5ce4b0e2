internal import Linux
internal import MappedStore
internal import Storage
internal import SystemPackage
internal import Values

/// The choice of the storage engine. Besides this file, only `ServiceStore`, `Preflight` and the commands for the store's
/// file name the engine.
extension Settings {
    var storeOptions: MappedStore.Options {
        MappedStore.Options(
            maximumBytes: maximumStoreBytes, isDurable: durability == .disk, journalBytes: journalBytes)
    }

    /// Opens the store for this process. While it is open, `compact` and `import` are refused: they need it exclusively.
    func openStore() throws(Refusal) -> any StorageEngine {
        try makeDataDirectory()
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
        var options = storeOptions
        options.access = .readOnly
        return try MappedStore(directory: dataDirectory, options)
    }

    /// Writes everything to the store's file, and notes in it that it was closed.
    func closeStore() async throws {
        if StoreOnDisk.fault(in: dataDirectory) != nil { try StoreReading.probe(self) }
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

/// What a process can find out about the store in a directory without opening it.
enum StoreOnDisk {
    /// The version of the layout that this program writes.
    static var layoutVersion: UInt64 { MappedStore.schemaVersion }

    static func path(in directory: FilePath) -> FilePath { MappedStore.file(in: directory) }

    /// A sentence that says what is wrong with the file; `nil` if no fault is found, or there is no file.
    static func fault(in directory: FilePath) -> String? { StoreFile.fault(in: directory) }

    /// A process that holds a lock of the store.
    struct LockHolder {
        let processID: Int32
        /// The lock in words.
        let lock: String
        /// Whether all requests that write wait for it.
        let keepsFromWriting: Bool
    }

    static func lockHolders(in directory: FilePath) -> [LockHolder] {
        MappedStore.lockHolders(in: directory).map {
            LockHolder(processID: $0.processID, lock: $0.lock.rawValue, keepsFromWriting: $0.lock == .write)
        }
    }

    /// The process whose reading keeps the most pages of the store from being used again, and their bytes; `nil` if none
    /// keeps many.
    static func oldReader(in directory: FilePath) -> (processID: Int32, bytes: Int)? {
        MappedStore.oldReader(in: directory).map { ($0.processID, $0.bytes) }
    }
}
