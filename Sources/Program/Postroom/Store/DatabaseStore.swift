internal import MappedStore
internal import PostroomService
internal import SystemPackage

/// A store in a database: nothing of it is in the directory.
struct DatabaseStore: StoreOnDisk {
    let directory: FilePath

    var layoutVersion: UInt64 { MappedStore.schemaVersion }

    var path: FilePath { MappedStore.file(in: directory) }

    var fault: String? { nil }

    var lockHolders: [StoreLockHolder] { [] }

    var oldReader: (processID: Int32, bytes: Int)? { nil }
}
