package import LMDB
package import Linux
internal import Queues
package import Storage
package import SystemPackage
package import Values

/// The store in one memory-mapped file (LMDB) that all processes of an installation share: the core that the domains have
/// in common, and the part of each domain. Used by one thread.
package final class MappedStore: MappedDomain, StorageEngine {
    package struct Options: Sendable {
        /// The most the file may grow to.
        package var maximumBytes: Int
        /// Whether an answer waits until a crash of the machine cannot undo what it tells. If not, such a crash undoes what
        /// was written since the last checkpoint. A store that exists keeps its own value, unless `setsDurability`.
        package var isDurable: Bool
        package var setsDurability = false
        /// The size of a new journal, without its two records.
        package var journalBytes: Int
        package var access: Access
        /// Identifies this start of the machine.
        package var bootID = Machine.bootID()
        /// Whether an empty store may replace one that existed and is missing.
        package var mayReplaceLost = false

        package enum Access: Sendable {
            case shared
            /// No other process may have the store open.
            case exclusive
            /// Nothing is written, and the store must exist.
            case readOnly
        }

        package init(
            maximumBytes: Int = 64 << 30, isDurable: Bool = true, journalBytes: Int = 16 << 20, access: Access = .shared
        ) {
            self.maximumBytes = maximumBytes
            self.isDurable = isDurable
            self.journalBytes = journalBytes
            self.access = access
        }
    }

    /// Raised whenever the layout changes. A store with a newer layout is refused, one with an older layout is migrated.
    ///
    /// Layout 1 has endpoints only. 2 adds queues; 3 webhooks and deliveries; 4 event routing; 5 the count of each user's
    /// subscriptions, and a separate index of deliveries that need approval; 6 the numbers that were given, the creators of
    /// endpoints, the time since which an environment has no webhooks, and indexes of deliveries by owner and by payload;
    /// 7 has the records of endpoints in the table of their notifications, and may need a journal; 8 has bodies as they
    /// were sent, and the settings of endpoints; 9 has forwards.
    package static let schemaVersion: UInt64 = 9

    let core: StoreCore
    package let capture: MappedCapture
    package let queues: MappedQueues
    package let deliveries: MappedDeliveries
    package let webhooks: MappedWebhooks
    package let events: MappedEvents
    package let matching: MappedMatching
    package let retention: MappedRetention

    /// Opens the store in a directory, and creates it unless the access is read-only. Clears the reader slots of processes
    /// that died.
    /// - Parameter directory: the directory of the store's file; it must exist.
    package init(directory: FilePath, _ options: Options) throws(StoreError) {
        core = try StoreCore(directory: directory, options)
        (capture, queues, deliveries, webhooks, events, matching, retention) = Self.domains(core)
    }

    /// The names of all tables.
    package static var tableNames: [String] { Tables.names }

    /// Writes the records that every store has, unless the tables of another engine have them already.
    package static func prepare(_ remote: any RemoteTables) throws(LMDBError) {
        var transaction = Transaction(on: remote)
        let tables = try Tables(creating: true, in: transaction)
        if let layout = try tables.schema.value(in: transaction) {
            guard layout == schemaVersion else {
                throw .unknownVersion("it has layout \(layout), and this program needs layout \(schemaVersion)")
            }
            // An import has left out the numbers: they continue above all that the exported store can have given.
            if try tables.numbers.readable(in: transaction) == nil { try tables.jump(in: &transaction) }
            return
        }
        try tables.schema.put(schemaVersion, in: &transaction)
        try tables.numbers.put(Numbers(), in: &transaction)
        try tables.queueState.put(QueueState(time: StoreMark.seconds()), in: &transaction)
    }

    /// Opens the store on another engine, whose tables have the current layout.
    package init(on remote: any RemoteEngine) throws(LMDBError) {
        core = try StoreCore(on: remote)
        (capture, queues, deliveries, webhooks, events, matching, retention) = Self.domains(core)
    }

    private static func domains(
        _ core: StoreCore
    ) -> (
        MappedCapture, MappedQueues, MappedDeliveries, MappedWebhooks, MappedEvents, MappedMatching, MappedRetention
    ) {
        let deliveries = MappedDeliveries(core)
        let events = MappedEvents(deliveries)
        return (
            MappedCapture(core), MappedQueues(core), deliveries, MappedWebhooks(deliveries), events,
            MappedMatching(events), MappedRetention(events)
        )
    }

    package var clock: SteadyClock { core.clock }

    package var layoutVersion: UInt64 { Self.schemaVersion }

    /// Set by processes that are watched, so that waiting for another process's write lock does not count as being stuck.
    package var heartbeat: Heartbeat? {
        get { core.heartbeat }
        set { core.heartbeat = newValue }
    }

    // MARK: The turn

    /// Whether a transaction is open that waits for `commit`. While it is, no other process can write.
    package var isWriting: Bool { core.isWriting }

    /// Whether a request has broken the open transaction. Nothing of it will be stored; after `rollBack` the other requests
    /// of the turn can be handled again.
    package var isTurnBroken: Bool { core.isTurnBroken }

    /// Commits what was written since the last commit, as one transaction.
    @discardableResult
    package func commit() throws(StoreFailure) -> Commit { try core.commit() }

    package var ticket: UInt64 { core.ticket }

    package func isDurable(_ ticket: UInt64) -> Bool { core.isDurable(ticket) }

    package func flush() throws(StoreFailure) { try core.flush() }

    package func beginFlush() throws(StoreFailure) { try core.beginFlush() }

    package var flushDescriptor: FileDescriptor? { core.durability?.descriptor }

    package func takeFlushNews() throws(StoreFailure) { try core.takeFlushNews() }

    /// Discards what was written since the last commit. The requests that wrote it will be handled again.
    package func forgetTurn() { core.forgetTurn() }

    /// Discards what was written since the last commit.
    package func rollBack() { core.rollBack() }

    /// A number that changes whenever any process has committed something new to read.
    package func version() throws(StoreFailure) -> UInt64 { try core.version() }

    /// Writes a dummy key, so that a following commit proves that commits work.
    package func touch() throws(StoreFailure) { try core.touch() }

    /// The damage found since the last call. Each damaged record is reported once.
    package func takeDamage() -> [String] { core.damage.takeNews() }

    package func takeCheckpointNews() -> CheckpointNews? { core.durability?.takeCheckpointNews() }

    package var durabilityMetrics: DurabilityMetrics? { core.durability?.shared.metrics }

    // MARK: Operations on another engine

    /// Reads what `commit` will read, so that it need not be fetched then.
    package func anticipateCommit() throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in _ = try core.captureState(in: transaction) }
    }

    /// Goes on with the open transaction, which an operation has broken, after its engine has undone what that one wrote.
    package func mendTurn(on tables: any RemoteTables) { core.mendTurn(on: tables) }

    /// Makes the open transaction fail: its engine has lost what was written.
    package func breakTurn(_ failure: StoreFailure) { core.breakTurn(failure) }

    // MARK: Upkeep

    /// Clears the reader slots of processes that died, so that the pages they held can be used again.
    package func sweepDeadReaders() throws(StoreFailure) { try core.sweepDeadReaders() }

    /// Has all that was committed written to the store's pages on the disk.
    package func checkpoint() throws(StoreFailure) { try core.checkpoint() }

    /// Writes a copy of the store as of one moment, without its free pages.
    package func compact(to path: FilePath) throws(StoreFailure) { try core.compact(to: path) }

    /// Forgets requests that can no longer be retried. Writes nothing if there is nothing to forget.
    /// - Returns: how many requests were forgotten; `limit` means that there may be more.
    package func forgetRequests(at moment: Moment, limit: Int) throws(StoreFailure) -> Int {
        try core.forgetRequests(at: moment, limit: limit)
    }

    /// Records that the store is closed and that no crash can undo any of it: the next start continues the numbers without
    /// a gap, and the file is complete without its journal. No other process may have the store open, and nothing may be
    /// written afterwards.
    package func noteClosed() throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            try tables.closed.put((), in: &transaction)
        }
        try commit()
        try detach()
    }

    /// Makes the store's file complete without its journal. No other process may have the store open, and nothing may be
    /// written afterwards.
    package func detach() throws(StoreFailure) {
        do throws(LMDBError) { try core.durability?.detach() } catch { throw StoreFailure(error) }
    }
}
