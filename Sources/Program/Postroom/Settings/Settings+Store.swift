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
    /// - Parameter setsDurability: whether DURABILITY applies to a store that exists. Otherwise the store keeps what the
    ///   service has set.
    func openStore(setsDurability: Bool = false) throws(Refusal) -> any StorageEngine {
        try makeDataDirectory()
        var options = storeOptions
        options.setsDurability = setsDurability
        do throws(StoreError) {
            return try MappedStore(directory: dataDirectory, options)
        } catch {
            throw Refusal("cannot open the store: \(error)")
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

    /// The id of the process that holds the store's write lock; `nil` if no process holds it, or it is not known.
    static func writer(in directory: FilePath) -> Int32? { MappedStore.writer(in: directory) }
}
