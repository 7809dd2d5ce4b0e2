package import HTTP
package import Linux
package import Queues
package import Storage
package import SystemPackage

/// The configuration file of queues, QUEUE_CONFIG.
package final class QueueFile: ConfigurationFile {
    let path: FilePath
    /// Enough for some 100,000 queues.
    static let limitBytes = 16 << 20

    /// A lock file in DATA_DIR, locked while the configuration file is changed.
    private let lockPath: FilePath

    package init(_ path: FilePath, _ settings: Settings) {
        self.path = path
        lockPath = settings.dataDirectory.appending("queues.lock")
    }

    package func read() throws(ConfigurationFailure) -> (bytes: [UInt8], state: FileState?) {
        do throws(SnapshotError) {
            let snapshot = try Files.snapshot(of: path, limitBytes: Self.limitBytes)
            return (snapshot.bytes, snapshot.state)
        } catch .missing {
            throw .missing
        } catch .changing {
            throw .changing
        } catch {
            throw .unreadable("\(error)")
        }
    }

    package func isStill(_ state: FileState) -> Bool { Files.state(of: path) == state }

    package func change(
        _ change: ([UInt8]) throws(ConfigurationFailure) -> [UInt8]
    ) throws(ConfigurationFailure) -> FileState? {
        let lock: FileLock
        do throws(Errno) {
            lock = try FileLock(lockPath, exclusive: true, waits: true)
        } catch {
            throw .unwritable("\(lockPath): \(error)")
        }
        defer { withExtendedLifetime(lock) {} }
        let (bytes, state) = try read()
        let text = try change(bytes)
        guard state.map(isStill) ?? true else { throw .changing }
        do throws(Errno) {
            try Files.replaceKeepingOwner(path, with: text)
        } catch {
            throw .unwritable("\(error)")
        }
        return Files.state(of: path)
    }
}

extension QueueHandlers {
    package convenience init(
        store: any StorageEngine, settings: Settings, loginKey: [UInt8]? = nil,
        background: any Background = NoBackground(),
        report: @escaping (ConfigurationFailure) -> Void = { _ in }
    ) {
        let clock = store.clock
        self.init(
            store: store.queues, file: QueueFile(settings.queueFile, settings), hashKind: settings.queuePasswordHash,
            maximumMessageBytes: settings.maximumMessageBytes, loginKey: loginKey, now: clock.now,
            random: SystemRandomNumberGenerator(), background: background, report: report)
    }
}

extension ConfigurationFailure {
    /// The failure in words for the operator, one line for each fault.
    package func lines(_ file: FilePath) -> [String] {
        switch self {
        case .missing: ["\(file) does not exist"]
        case .changing: ["\(file) is being changed by another process"]
        case .unreadable(let reason): ["\(file) cannot be read: \(reason)"]
        case .unwritable(let reason): ["\(file) cannot be written: \(reason)"]
        case .unknownUser(let name): ["\(file) has no user \"\(name)\""]
        case .loginChanged: ["another request has changed the password first"]
        case .faulty(let faults): faults.map { "\(file): \($0)" }
        }
    }
}
