internal import LMDB
internal import Linux
package import SystemPackage

/// A process that holds a lock of a store which all others wait for.
package struct LockHolder: Equatable, Sendable {
    package let processID: Int32
    package let lock: Lock

    package enum Lock: String, Sendable {
        case write = "write lock"
        case readers = "lock of its readers"
        case checkpoint = "lock of its checkpoints"
        case opening = "lock of its opening"
        case mark = "lock of its mark"
    }
}

extension MappedStore {
    /// The holders of the locks of the store in a directory, as far as they can be determined. A process that has the store
    /// open must not call this.
    package static func lockHolders(in directory: FilePath) -> [LockHolder] {
        let bytes = Files.contents(of: StoreFiles.lockFile(file(in: directory))) ?? []
        let threads: [(Int32?, LockHolder.Lock)] = [
            (LockFile.writer(bytes), .write), (LockFile.enteringReader(bytes), .readers),
        ]
        var holders = threads.compactMap { thread, lock in
            thread.flatMap { Machine.process(ofThread: $0) }.map { LockHolder(processID: $0, lock: lock) }
        }
        let files: [(String, LockHolder.Lock)] = [
            ("store.checkpoint.lock", .checkpoint), ("store.opening.lock", .opening), ("store.mark.lock", .mark),
        ]
        for (name, lock) in files {
            let found = FileLock.holders(of: directory.appending(name)).filter { $0 > 0 }
            holders += found.map { LockHolder(processID: $0, lock: lock) }
        }
        return holders
    }
}
