internal import HTTP
internal import LMDB
internal import Linux
package import Storage
internal import SystemPackage
package import Values

/// The identities of the files that a process has opened as the store, to notice if they are removed or replaced.
struct StoreFiles {
    private let path: FilePath
    private let store: FileIdentity
    private let lock: FileIdentity

    /// LMDB's own lock file, beside the store's.
    static func lockFile(_ path: FilePath) -> FilePath { FilePath("\(path)-lock") }

    init(_ path: FilePath) throws(StoreError) {
        self.path = path
        guard let store = FileIdentity(of: path), let lock = FileIdentity(of: Self.lockFile(path)) else {
            throw StoreError("\(path) was removed while it was being opened")
        }
        (self.store, self.lock) = (store, lock)
    }

    /// The time of the last check after a commit, by `SystemClock.bootTimeMicroseconds`.
    private var checkedAt: Int64 = 0
    /// The interval of these checks with `DURABILITY=process`. With `disk`, every commit is checked.
    private static let checkMicroseconds: Int64 = 50_000

    /// Like `storeFailure`, for the end of a commit.
    mutating func failureAfterCommit(isDurable: Bool) -> StoreFailure? {
        let now = SystemClock.bootTimeMicroseconds()
        guard isDurable || now - checkedAt >= Self.checkMicroseconds else { return nil }
        let failure = storeFailure
        if failure == nil { checkedAt = now }
        return failure
    }

    /// The failure to report if the store's file was removed or replaced; `nil` if it was not. Needs one system call.
    var storeFailure: StoreFailure? {
        guard let found = FileIdentity(of: path) else {
            return .unavailable(
                """
                \(path) was removed while it was in use. No writes are acknowledged. Put the file back, or stop the \
                service and restore a backup
                """)
        }
        guard found == store else { return .lost("\(path) was replaced by another file while it was in use") }
        return nil
    }

    /// Like `storeFailure`, but for LMDB's lock file too.
    var failure: StoreFailure? {
        if let storeFailure { return storeFailure }
        guard FileIdentity(of: Self.lockFile(path)) == lock else {
            return .lost("\(Self.lockFile(path)) was removed or replaced while it was in use")
        }
        return nil
    }

    /// Refuses to create an empty store where there was one before, and to open a store whose lock file was removed while
    /// other processes use it.
    static func refuseLost(
        _ path: FilePath, _ options: MappedStore.Options, isAlone: Bool
    ) throws(StoreError) {
        guard let found = FileIdentity(of: path), found.bytes > 0 else {
            guard isAlone else {
                throw StoreError("\(path) was removed while other processes use it: stop them, and restore a backup")
            }
            guard !options.mayReplaceLost else { return }
            let directory = path.removingLastComponent()
            for name in ["store.mark", "secret.key"] where Files.exists(directory.appending(name)) {
                throw StoreError(
                    """
                    \(path) is missing or empty, but \(directory)/\(name) shows that there was a store. Is the right volume \
                    mounted? Restore the store from a backup; to begin with an empty one, remove store.mark and \
                    secret.key
                    """)
            }
            return
        }
        guard isAlone || FileIdentity(of: lockFile(path)) != nil else {
            throw StoreError("\(lockFile(path)) was removed while other processes use the store: stop them first")
        }
    }
}

extension MappedStore {
    /// Checks that the file is still the one that this process opened, and not shorter than it must be. The text of a
    /// failure is for operators.
    package func checkHealth() throws(StoreFailure) {
        guard let file = core.file else {
            _ = try core.version()
            return
        }
        if let failure = file.files.failure ?? core.durability?.failure { throw failure }
        let (needed, found) = (file.environment.usedBytes, Files.size(of: file.path))
        // The last pages may have been freed before they were ever written (mdb.c, loose pages).
        guard found >= needed - (256 << 10) else {
            throw .unavailable(
                """
                \(file.path) is damaged: it has \(found) bytes, but its last page ends at byte \(needed). Stop the service and \
                restore a backup
                """)
        }
    }

    /// The size of an ordinary request, in bytes. A store that is not full has room for it.
    private static let ordinaryBytes = 64 << 10

    /// Whether an ordinary request that needs room is refused. A commit must follow.
    package func isFull() throws(StoreFailure) -> Bool {
        // Another engine says at a commit whether it has room.
        guard core.file != nil else { return false }
        do throws(StoreFailure) {
            return try write { (transaction) throws(LMDBError) in
                try !admit(bytes: Self.ordinaryBytes, in: &transaction)
            }
        } catch .full {
            return true
        }
    }

    /// Measures the room of the store. A commit must follow.
    package func space() throws(StoreFailure) -> StoreSpace {
        let isFull = try isFull()
        do throws(LMDBError) {
            guard let file = core.file else {
                let bytes = try core.remote?.usedBytes() ?? 0
                return StoreSpace(bytes: bytes, limitBytes: 0, freeInsideBytes: 0, diskFreeBytes: 0, isFull: isFull)
            }
            let free = try file.environment.freePages(enough: .max).usable
            return StoreSpace(
                bytes: file.environment.usedBytes, limitBytes: file.environment.mapBytes,
                freeInsideBytes: free * file.environment.pageBytes, diskFreeBytes: Files.freeBytes(of: file.path) ?? 0,
                isFull: isFull)
        } catch {
            throw StoreFailure(error)
        }
    }

    /// Why a full store is full, and what to do about it.
    package var fullExplanation: String {
        guard let file = core.file else { return "PostgreSQL has no room on its disk. Free some there" }
        let (bytes, limitBytes) = (file.environment.usedBytes, file.environment.mapBytes)
        let freeBytes = Files.freeBytes(of: file.path) ?? 0
        // The file can grow up to the nearer of the two.
        return limitBytes - bytes <= freeBytes
            ? "\(file.path) is full: it has \(bytes) of the \(limitBytes) bytes that MAX_STORE_BYTES allows. "
                + "Raise MAX_STORE_BYTES, or collect or delete data."
            : "\(file.path) is full: its disk has \(freeBytes) bytes left. "
                + "Free space on the disk, or collect or delete data."
    }
}
