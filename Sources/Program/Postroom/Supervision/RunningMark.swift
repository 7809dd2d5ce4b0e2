internal import HTTP
internal import Linux
internal import Logging
internal import SystemPackage
internal import Values

/// A file that exists while the service runs. If the file is from an earlier boot of the machine, the machine went down
/// without a clean stop of the service.
struct RunningMark {
    private let settings: Settings
    private let path: FilePath

    init(_ settings: Settings) {
        self.settings = settings
        path = settings.dataDirectory.appending("running")
    }

    func set(_ logger: Logger) throws(Refusal) {
        do throws(Errno) {
            try Files.replace(path, with: Array("\(Machine.bootID()) \(settings.durability.rawValue)\n".utf8))
        } catch .noSpace, .diskQuotaExceeded {
            // Start all the same: stored data can still be read, collected and deleted, and that makes room.
            logger.warning(
                "the disk is full, so that a file cannot be written: after a crash of the machine the store would not be checked",
                metadata: ["file": "\(path)"])
        } catch {
            throw Refusal("cannot write \(path): \(error)")
        }
    }

    func clear() { try? Files.remove(path) }

    /// Checks the store if the machine went down while the service ran with DURABILITY=process, and sets the store aside if
    /// it is damaged.
    ///
    /// The check runs in another process: LMDB trusts its file, and reading a damaged one may crash the process.
    /// - Returns: whether the store may lack data that was acknowledged.
    func checkAfterCrash(_ logger: Logger) throws(Refusal) -> Bool {
        guard let bytes = Files.contents(of: path) else { return false }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        let store = StoreOnDisk.path(in: settings.dataDirectory)
        guard words.count == 2, words[0] != Machine.bootID(), words[1] == Settings.Durability.process.rawValue,
            Files.exists(store)
        else { return false }
        logger.warning("the machine went down while the service was running; checking the store")
        if try isSound(logger) {
            logger.notice("the store is sound")
            return true
        }
        let time = Timestamp(microseconds: SystemClock.realTimeMicroseconds()).iso8601()
        let aside = FilePath("\(store).damaged-\(time.prefix(19).filter { $0 != ":" })")
        do throws(Errno) {
            try Files.move(store, to: aside)
            try? Files.remove(FilePath("\(store)-lock"))
        } catch {
            throw Refusal("the store is damaged and cannot be moved aside: \(error)")
        }
        logger.critical(
            "THE STORE WAS DAMAGED WHEN THE MACHINE WENT DOWN. It was moved aside, and the service starts with an empty store.",
            metadata: ["damaged": "\(aside)", "cause": "DURABILITY=process"])
        return true
    }

    /// Whether a check finds no damage. A store of an older layout is migrated first, because the check reads only this
    /// program's layout.
    private func isSound(_ logger: Logger) throws(Refusal) -> Bool {
        var command = "check"
        var ending = try run(["check", "--report-older-layout"])
        if ending == .exited(StoreCommand.Check.olderLayoutStatus) {
            logger.notice("the store has an older layout; migrating it before the check")
            command = "migration"
            ending = try run(["migrate"])
            if ending == .exited(0) {
                command = "check"
                ending = try run(["check"])
            }
        }
        switch ending {
        case .exited(0): return true
        case .exited(StoreCommand.Check.damageStatus): return false
        // The process crashed on the data that it read.
        case .killed(let signal) where StoreReading.isCrash(signal): return false
        default: throw Refusal("the store may be damaged, and its \(command) \(ending)")
        }
    }

    private func run(_ arguments: [String]) throws(Refusal) -> ChildProcess.Ending {
        do {
            return try StoreReading.run(arguments, settings)
        } catch {
            throw error as? Refusal ?? Refusal("cannot check the store: \(error)")
        }
    }
}
