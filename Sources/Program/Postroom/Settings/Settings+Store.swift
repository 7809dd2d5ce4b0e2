internal import Linux
internal import MappedStore
internal import Storage
internal import SystemPackage
internal import Values

/// Which engine keeps what the program is given. Beside the commands about its file, nothing else names it.
extension Settings {
    var storeOptions: MappedStore.Options {
        MappedStore.Options(maximumBytes: maximumStoreBytes, isDurable: durability == .disk)
    }

    /// Opens the store for this process and holds it against `compact` and `import`, which want it alone.
    /// - Parameter mayReplaceLost: whether an empty store may take the place of one that is gone.
    func openStore(mayReplaceLost: Bool = false) throws(Refusal) -> any StorageEngine {
        try makeDataDirectory()
        var options = storeOptions
        options.mayReplaceLost = mayReplaceLost
        do throws(StoreError) {
            return try MappedStore(directory: dataDirectory, options)
        } catch {
            throw Refusal("cannot open the store: \(error)")
        }
    }

    /// Opens the store beside the service, for reading alone.
    func readStore() throws -> any StorageEngine {
        var options = storeOptions
        options.access = .readOnly
        return try MappedStore(directory: dataDirectory, options)
    }

    /// Has the disk hold everything, and the store know that.
    func closeStore() async throws {
        if StoreOnDisk.fault(in: dataDirectory) != nil { try StoreReading.probe(self) }
        var options = storeOptions
        options.access = .exclusive
        guard let store = try? MappedStore(directory: dataDirectory, options) else {
            // Another process goes on with it.
            return try await openStore().sync()
        }
        do throws(StoreFailure) { try store.noteClosed() } catch {
            store.rollBack()
            try store.sync()
        }
    }
}

/// The store in a directory, as processes see it that do not open it.
enum StoreOnDisk {
    /// The version of the layout that this program writes.
    static var layoutVersion: UInt64 { MappedStore.schemaVersion }

    static func path(in directory: FilePath) -> FilePath { MappedStore.file(in: directory) }

    /// A sentence on what is wrong with the file; `nil` where nothing is, or there is no file.
    static func fault(in directory: FilePath) -> String? { StoreFile.fault(in: directory) }

    /// The process that holds the store's write lock; `nil` where none does, or it cannot be told.
    static func writer(in directory: FilePath) -> Int32? { MappedStore.writer(in: directory) }
}
