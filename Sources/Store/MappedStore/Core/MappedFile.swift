internal import LMDB
internal import Linux
internal import SystemPackage

/// A store's file and what belongs to it, as a process has opened them.
final class MappedFile {
    let environment: Environment
    /// `nil` if the store was opened for reading only.
    let durability: Durability?
    let readDurability: ReadDurability?
    let mark: StoreMark
    let path: FilePath
    private let lock: StoreLock
    var files: StoreFiles
    var reserve: DiskReserve
    /// When pages may be released again after that was in vain, by `SystemClock.bootTimeMicroseconds`.
    var releasesAgainAt: Int64 = 0

    init(
        _ environment: Environment, _ durability: Durability?, _ readDurability: ReadDurability?, _ path: FilePath,
        _ lock: StoreLock, _ files: StoreFiles, _ reserve: DiskReserve
    ) {
        (self.environment, self.durability, self.readDurability) = (environment, durability, readDurability)
        (self.path, self.lock, self.files, self.reserve) = (path, lock, files, reserve)
        mark = StoreMark(path)
    }

    func close() {
        reserve.close()
        durability?.close()
    }
}
