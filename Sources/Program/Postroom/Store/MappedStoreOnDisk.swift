internal import MappedStore
internal import PostroomService
internal import SystemPackage

/// A `MappedStore` in a directory, seen without opening it.
struct MappedStoreOnDisk: StoreOnDisk {
    let directory: FilePath

    var layoutVersion: UInt64 { MappedStore.schemaVersion }

    var path: FilePath { MappedStore.file(in: directory) }

    var fault: String? { StoreFile.fault(in: directory) }

    var lockHolders: [StoreLockHolder] {
        MappedStore.lockHolders(in: directory).map {
            StoreLockHolder(processID: $0.processID, lock: $0.lock.rawValue, keepsFromWriting: $0.lock == .write)
        }
    }

    var oldReader: (processID: Int32, bytes: Int)? {
        MappedStore.oldReader(in: directory).map { ($0.processID, $0.bytes) }
    }
}
