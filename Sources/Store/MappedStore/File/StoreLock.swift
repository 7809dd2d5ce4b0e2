internal import Linux
internal import SystemPackage

/// Says who has the store open: everybody who uses it holds `store.lock` with the others, for as long as that lasts, and
/// who must not be disturbed holds it alone.
///
/// While the store is in use the file has the number of its users' PID namespace. LMDB knows processes by their numbers, and
/// takes two of different namespaces that have the same one for each other: then two may write at once.
package struct StoreLock {
    private let lock: FileLock
    /// Whether no other process has the store open, or can open it before `share`.
    private(set) var isAlone: Bool
    private let path: FilePath

    /// Others have the store alone for a moment when they open it.
    private static let waitMicroseconds: Int64 = 5_000_000
    private static let pauseMicroseconds: UInt32 = 20_000

    init(in directory: FilePath, _ access: MappedStore.Options.Access) throws(StoreError) {
        path = directory.appending("store.lock")
        do throws(Errno) {
            (lock, isAlone) = try Self.take(path, mustBeAlone: access == .exclusive)
        } catch .wouldBlock {
            throw StoreError("the store in \(directory) is in use by another process\(Self.users(path))")
        } catch {
            throw StoreError("cannot lock the store in \(directory): \(error)")
        }
        try claimNamespace(directory)
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

    /// `nil` while another process holds it.
    private static func attempt(_ path: FilePath, exclusive: Bool) throws(Errno) -> FileLock? {
        do throws(Errno) {
            return try FileLock(path, exclusive: exclusive)
        } catch .wouldBlock {
            return nil
        }
    }

    /// Refuses a store that processes of another PID namespace use.
    private func claimNamespace(_ directory: FilePath) throws(StoreError) {
        guard let own = Machine.processNamespace() else { return }
        let stored = (try? lock.text()).flatMap { UInt64($0.split(whereSeparator: \.isWhitespace).first ?? "") }
        if stored == own { return }
        // A number that is left from earlier users says nothing of the present ones.
        if isAlone || stored == nil || Self.areAllHere(path, own) {
            // On a full disk nothing is said: the file keeps what room it has.
            try? lock.setText("\(own)\n")
            return
        }
        throw StoreError(
            """
            the store in \(directory) is in use by processes of another container (another PID namespace). Run the \
            command in that container ("docker exec CONTAINER postroom ..."), or stop the service first
            """)
    }

    /// Whether each process that has the store open is known to be of this namespace; of others the system tells no number,
    /// or nothing at all.
    private static func areAllHere(_ path: FilePath, _ own: UInt64) -> Bool {
        let others = FileLock.holders(of: path).filter { $0 != Machine.processID }
        return !others.isEmpty && others.allSatisfy { $0 > 0 && Machine.processNamespace(of: $0) == own }
    }

    /// Lets others open the store too.
    mutating func share(in directory: FilePath) throws(StoreError) {
        guard isAlone else { return }
        do throws(Errno) { try lock.share() } catch {
            throw StoreError("cannot lock the store in \(directory): \(error)")
        }
        isAlone = false
    }

    /// Names those who hold a lock, where the system tells: " (process 17: postroom store export)".
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
