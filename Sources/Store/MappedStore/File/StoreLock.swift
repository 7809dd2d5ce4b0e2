internal import Linux
internal import SystemPackage

/// Shows which processes have the store open: each holds a shared lock on `store.lock` as long as it uses the store. A
/// process that must not be disturbed holds an exclusive lock.
///
/// While the store is in use, the file contains the number of its users' PID namespace. LMDB identifies processes by their
/// PIDs, and takes two processes with the same PID in different namespaces for one: then both may write at once.
package struct StoreLock {
    private let lock: FileLock
    /// Whether no other process has the store open, or can open it before `share`.
    private(set) var isAlone: Bool
    private let path: FilePath
    /// Held while the store is being opened, so that one process at a time does that: the change from the exclusive lock to
    /// a shared one is not atomic (flock(2)), and another process could take itself for the only one in between.
    private var opening: FileLock?
    /// Held by processes that may write; `nil` for those that only read.
    private var writers: FileLock?
    /// Whether no other process that may write has the store open. This process then has to recover it.
    let isFirstWriter: Bool

    /// How long to wait for the lock. A process that opens the store holds it exclusively for a moment.
    private static let waitMicroseconds: Int64 = 5_000_000
    private static let pauseMicroseconds: UInt32 = 20_000

    init(in directory: FilePath, _ access: MappedStore.Options.Access) throws(StoreError) {
        path = directory.appending("store.lock")
        do throws(Errno) {
            opening = try Self.takeOpening(directory.appending("store.opening.lock"))
            (lock, isAlone) = try Self.take(path, mustBeAlone: access == .exclusive)
            let writersPath = directory.appending("store.writers.lock")
            writers = access == .readOnly ? nil : try Self.attempt(writersPath, exclusive: true)
            isFirstWriter = writers != nil
            if access != .readOnly, writers == nil { writers = try Self.attempt(writersPath, exclusive: false) }
        } catch .wouldBlock {
            throw StoreError("the store in \(directory) is in use by another process\(Self.users(path))")
        } catch {
            throw StoreError("cannot lock the store in \(directory): \(error)")
        }
        try claimNamespace(directory)
    }

    private static func takeOpening(_ path: FilePath) throws(Errno) -> FileLock {
        let deadline = SystemClock.bootTimeMicroseconds() + waitMicroseconds
        while true {
            if let lock = try attempt(path, exclusive: true) { return lock }
            guard SystemClock.bootTimeMicroseconds() < deadline else { throw .wouldBlock }
            SystemClock.sleep(microseconds: pauseMicroseconds / 10)
        }
    }

    private static func take(_ path: FilePath, mustBeAlone: Bool) throws(Errno) -> (FileLock, isAlone: Bool) {
        let deadline = SystemClock.bootTimeMicroseconds() + (mustBeAlone ? 0 : waitMicroseconds)
        while true {
            if let alone = try attempt(path, exclusive: true) { return (alone, true) }
            if !mustBeAlone, let shared = try attempt(path, exclusive: false) { return (shared, false) }
            guard SystemClock.bootTimeMicroseconds() < deadline else { throw .wouldBlock }
            SystemClock.sleep(microseconds: pauseMicroseconds)
        }
    }

    /// Tries to take the lock; `nil` while another process holds it.
    private static func attempt(_ path: FilePath, exclusive: Bool) throws(Errno) -> FileLock? {
        do throws(Errno) {
            return try FileLock(path, exclusive: exclusive)
        } catch .wouldBlock {
            return nil
        }
    }

    /// Refuses a store that is in use by processes of another PID namespace.
    private func claimNamespace(_ directory: FilePath) throws(StoreError) {
        guard let own = Machine.processNamespace() else { return }
        let stored = (try? lock.text()).flatMap { UInt64($0.split(whereSeparator: \.isWhitespace).first ?? "") }
        if stored == own { return }
        // A number left by earlier users says nothing about the present ones.
        if isAlone || stored == nil || Self.areAllHere(path, own) {
            // Ignore a failure, as on a full disk: a number that was written before can still be overwritten in place.
            try? lock.setText("\(own)\n")
            return
        }
        throw StoreError(
            """
            the store in \(directory) is in use by processes of another container (another PID namespace). Run the \
            command in that container ("docker exec CONTAINER postroom ..."), or stop the service first
            """)
    }

    /// Whether all processes that have the store open are known to be in this namespace. For a process of another namespace
    /// the system reports no PID, or does not report the process at all.
    private static func areAllHere(_ path: FilePath, _ own: UInt64) -> Bool {
        let others = FileLock.holders(of: path).filter { $0 != Machine.processID }
        return !others.isEmpty && others.allSatisfy { $0 > 0 && Machine.processNamespace(of: $0) == own }
    }

    /// Allows other processes to open the store.
    mutating func share(in directory: FilePath) throws(StoreError) {
        do throws(Errno) {
            try writers?.share()
            if isAlone { try lock.share() }
        } catch {
            throw StoreError("cannot lock the store in \(directory): \(error)")
        }
        isAlone = false
    }

    /// Lets other processes begin to open the store.
    mutating func endOpening() { opening = nil }

    /// Names the processes that hold a lock, if the system reports them: " (process 17: postroom store export)".
    static func users(_ path: FilePath) -> String {
        let others = FileLock.holders(of: path).filter { $0 != Machine.processID }
        let names = others.prefix(4).map { holder -> String in
            guard holder > 0 else { return "a process of another container" }
            let words = Machine.commandLine(of: holder)
            let program = words.first.flatMap { FilePath($0).lastComponent?.string } ?? "?"
            return "process \(holder): \(([program] + words.dropFirst().prefix(2)).joined(separator: " "))"
        }
        return names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"
    }
}
