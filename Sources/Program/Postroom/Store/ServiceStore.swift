internal import HTTP
internal import Linux
internal import Logging
internal import MappedStore
internal import PostroomService
internal import Storage
internal import SystemPackage

/// Opens the store for a responder or the worker.
///
/// If the store has an older layout, a supervisor of this version migrates it before it starts these processes. A supervisor
/// of an older version starts them beside processes of its own version, which have the store open. Then the first new
/// process asks the old ones to stop, the worker before the responders, and migrates the store once they have ended. The
/// supervisor starts those again, with the new program. Callers wait at the sockets meanwhile.
struct ServiceStore {
    let settings: Settings
    /// The supervisor's process id; `nil` where "postroom serve" did not start this process.
    let parent: Int32?
    /// Whether a supervisor of an older version has started this process in a reload, to replace one that runs.
    let isSuccessor: Bool
    let logger: Logger

    /// Less than the ten seconds that a supervisor gives a successor.
    private static let waitMicroseconds: Int64 = 9_000_000
    private static let pauseMicroseconds: UInt32 = 50_000

    /// - Parameter gathers: whether requests of a loop use the store, whose operations are gathered until its commit.
    func open(gathers: Bool = false) throws(Refusal) -> any StorageEngine {
        try settings.makeDataDirectory()
        if gathers, let store = try settings.openGatheringDatabase() { return store }
        if let store = try settings.openDatabase() { return store }
        let deadline = SystemClock.bootTimeMicroseconds() + (parent == nil ? 0 : Self.waitMicroseconds)
        var others = Others()
        while true {
            do throws(StoreError) {
                return try MappedStore(directory: settings.dataDirectory, options)
            } catch {
                guard error.awaitsMigration || error.awaitsRecovery, SystemClock.bootTimeMicroseconds() < deadline
                else {
                    throw Refusal("cannot open the store: \(error)")
                }
                if error.awaitsMigration, isSuccessor, !ask(&others) {
                    throw Refusal("cannot open the store: \(error)")
                }
            }
            SystemClock.sleep(microseconds: Self.pauseMicroseconds)
        }
    }

    private var options: MappedStore.Options {
        var options = settings.storeOptions
        options.setsDurability = true
        return options
    }

    /// The processes that have the store open: how often in a row each was seen, and which were asked to stop.
    ///
    /// A new process holds the lock only for a moment, until it finds the older layout too. So only those that were seen
    /// `steadyLooks` times in a row are asked.
    private struct Others {
        var seen: [Int32: Int] = [:]
        var asked: Set<Int32> = []

        static let steadyLooks = 4
    }

    /// Asks the processes of the same supervisor that have the store open to stop.
    /// - Returns: false where a process that this supervisor did not start has the store open. Then no process is asked.
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
                    "the store has an older layout: all processes of the older program are replaced at once, and requests wait until the store is migrated"
                )
            }
            Signal.send(Signal.terminate, to: user)
        }
        return true
    }
}
