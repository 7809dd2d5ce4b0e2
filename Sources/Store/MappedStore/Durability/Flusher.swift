internal import LMDB
internal import Linux
internal import Synchronization
internal import SystemPackage

/// Makes committed transactions durable by syncing the journal: in the calling thread if the disk is fast, otherwise in
/// two threads, so that the process can go on meanwhile. One sync serves all that was committed before it, by any process.
final class Flusher: Sendable {
    private let shared: SharedState
    private let journal: JournalFile
    private let upkeep: Upkeep
    /// Wakes the threads.
    private let wakes: SharedNumbers
    private let state = Mutex(State())
    /// Readable when the threads have made something durable, or have failed.
    let descriptor: FileDescriptor
    private let writing: FileDescriptor

    private struct State {
        /// The transaction that is to be durable.
        var wanted: UInt64 = 0
        /// The transactions that the syncs in progress make durable.
        var syncing: UInt64 = 0
        var lastSyncMicroseconds: Int64 = 0
        /// Whether a thread has failed to make a transaction durable.
        var hasFailed = false
        var isEnding = false
    }

    /// Up to this time for a sync, waiting for it is cheaper than handing it to another thread.
    private static let quickMicroseconds: Int64 = 500
    static let threadCount = 2

    init(_ shared: SharedState, _ journal: JournalFile, _ upkeep: Upkeep) throws(Errno) {
        self.shared = shared
        self.journal = journal
        self.upkeep = upkeep
        wakes = try SharedNumbers(count: 1)
        (descriptor, writing) = try openPipe()
    }

    deinit { for end in [descriptor, writing] { try? end.close() } }

    /// Makes a transaction durable, and waits for it. The calling thread must not have a transaction open.
    func flush(_ ticket: UInt64) throws(LMDBError) {
        while shared.durable < ticket { try sync(atLeast: ticket) }
    }

    /// Makes a transaction durable, at once or in another thread; then `descriptor` becomes readable.
    func begin(_ ticket: UInt64) throws(LMDBError) {
        guard shared.durable < ticket else { return }
        let isQuick = state.withLock { state in
            defer { state.hasFailed = false }
            return state.lastSyncMicroseconds < Self.quickMicroseconds || state.hasFailed
        }
        if isQuick { return try flush(ticket) }
        state.withLock { $0.wanted = max($0.wanted, ticket) }
        wakes.wake(at: 0)
    }

    private func sync(atLeast ticket: UInt64) throws(LMDBError) {
        guard !shared.isBroken else { throw Self.failure }
        // Read before the sync: what is committed later may not be in it. A transaction that was seen is committed even if
        // the process that did it was killed before it could say so.
        let committed = max(shared.committed, ticket)
        let start = SystemClock.bootTimeMicroseconds()
        do throws(Errno) { try journal.sync() } catch {
            shared.setBroken()
            throw Self.failure
        }
        let microseconds = SystemClock.bootTimeMicroseconds() - start
        state.withLock { $0.lastSyncMicroseconds = microseconds }
        shared.countSync(microseconds: microseconds)
        if shared.unjournaled > shared.checkpoint {
            // A transaction without a frame may come before these.
            try upkeep.reach(committed)
        } else {
            shared.raiseDurable(to: committed)
        }
    }

    private static let failure = LMDBError.diskFailure("fdatasync")

    // MARK: Threads

    /// The loop of a thread. Works until `end`.
    func run() {
        while true {
            let seen = wakes[0]
            let (ticket, isEnding) = state.withLock { state -> (UInt64?, Bool) in
                if state.wanted > 0, state.wanted <= shared.durable {
                    // Another process has made it durable.
                    state.wanted = 0
                    tellNews()
                }
                let isWanted = state.wanted > max(shared.durable, state.syncing)
                if isWanted { state.syncing = max(shared.committed, state.wanted) }
                return (isWanted ? state.wanted : nil, state.isEnding)
            }
            if isEnding { return }
            guard let ticket else {
                wakes.wait(at: 0, while: seen, milliseconds: 1000)
                continue
            }
            do throws(LMDBError) { try sync(atLeast: ticket) } catch {
                // The loop asks again, and meets the failure itself.
                state.withLock { ($0.wanted, $0.syncing, $0.hasFailed) = (0, 0, true) }
            }
            state.withLock { if $0.syncing <= shared.durable { $0.syncing = 0 } }
            tellNews()
        }
    }

    /// Makes `descriptor` readable.
    func tellNews() { _ = try? writing.writeAll([0]) }

    func end() {
        state.withLock { $0.isEnding = true }
        wakes.wake(at: 0)
    }

    /// Takes the bytes that made `descriptor` readable.
    func takeNews() {
        var buffer = [UInt8](repeating: 0, count: 64)
        while let count = try? unsafe buffer.withUnsafeMutableBytes({ unsafe try descriptor.read(into: $0) }),
            count == buffer.count
        {}
    }
}
