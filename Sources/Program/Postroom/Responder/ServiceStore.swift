internal import HTTP
internal import Linux
internal import Logging
internal import MappedStore
internal import Storage
internal import SystemPackage

/// Opens the store for a responder or the worker.
///
/// A supervisor of this version has nobody use the store of an older layout when it starts these. One of an older version
/// starts them beside processes of its own version, which have the store open: then the first of them asks those to stop, the
/// worker before the responders, and migrates the store once they have. The supervisor starts them again, with the new
/// program. Callers wait at the sockets meanwhile.
struct ServiceStore {
    let settings: Settings
    /// The supervisor's number; `nil`: another one than "postroom serve" has started this process.
    let parent: Int32?
    /// Whether this process is to take the place of one that runs, as part of a reload.
    let isSuccessor: Bool
    let logger: Logger

    /// A supervisor gives a successor ten seconds.
    private static let waitMicroseconds: Int64 = 9_000_000
    private static let pauseMicroseconds: UInt32 = 50_000

    func open() throws(Refusal) -> any StorageEngine {
        try settings.makeDataDirectory()
        let deadline = SystemClock.bootTimeMicroseconds() + (parent == nil ? 0 : Self.waitMicroseconds)
        var others = Others()
        while true {
            do throws(StoreError) {
                return try MappedStore(directory: settings.dataDirectory, settings.storeOptions)
            } catch {
                guard error.awaitsMigration, SystemClock.bootTimeMicroseconds() < deadline else {
                    throw Refusal("cannot open the store: \(error)")
                }
                if isSuccessor, !ask(&others) { throw Refusal("cannot open the store: \(error)") }
            }
            SystemClock.sleep(microseconds: Self.pauseMicroseconds)
        }
    }

    /// The processes that have the store open: how often in a row each was seen, and which were asked to stop. A process
    /// that has just been started holds the lock for a moment, to see what we have seen.
    private struct Others {
        var seen: [Int32: Int] = [:]
        var asked: Set<Int32> = []

        static let steadyLooks = 4
    }

    /// Asks the processes of the same supervisor that have the store open to stop.
    /// - Returns: whether there are no others.
    private func ask(_ others: inout Others) -> Bool {
        let users = FileLock.holders(of: settings.dataDirectory.appending("store.lock")).filter {
            $0 != Machine.processID
        }
        others.seen = Dictionary(users.map { ($0, (others.seen[$0] ?? 0) + 1) }, uniquingKeysWith: max)
        let steady = users.filter { others.seen[$0, default: 0] >= Others.steadyLooks }
        guard steady.allSatisfy({ $0 > 0 && ProcessStatus(of: $0)?.parent ?? parent == parent }) else { return false }
        let workers = steady.filter { Machine.commandLine(of: $0).dropFirst().first == "work" }
        for user in workers.isEmpty ? steady : workers where others.asked.insert(user).inserted {
            if others.asked.count == 1 {
                logger.notice(
                    "the store has an older layout: all processes of the older program are replaced at once, and requests wait until it is migrated"
                )
            }
            Signal.send(Signal.terminate, to: user)
        }
        return true
    }
}
