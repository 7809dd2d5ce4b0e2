internal import LMDB
package import Linux
package import Storage
package import SystemPackage
package import Values

/// The store on one memory-mapped file (LMDB) that every process of an installation shares: what the domains share, and
/// each domain over it. One thread.
package final class MappedStore: MappedDomain, StorageEngine {
    package struct Options: Sendable {
        /// The most the file may grow to.
        package var maximumBytes: Int
        /// Whether a commit waits for the disk; if not, a crash of the machine can damage the file.
        package var isDurable: Bool
        package var access: Access
        /// Names this start of the machine.
        package var bootID = Machine.bootID()
        /// Whether an empty store may take the place of one that was here and is gone.
        package var mayReplaceLost = false

        package enum Access: Sendable {
            case shared
            /// With no other process having the store open.
            case exclusive
            /// Nothing is written, and the store must be there already.
            case readOnly
        }

        package init(maximumBytes: Int = 64 << 30, isDurable: Bool = true, access: Access = .shared) {
            self.maximumBytes = maximumBytes
            self.isDurable = isDurable
            self.access = access
        }
    }

    /// Raised whenever the layout changes; a store of a newer layout is refused, one of an older is migrated.
    ///
    /// 1 had endpoints alone; 2 has queues beside them; 3 has webhooks and deliveries too; 4 routes events;
    /// 5 counts users' subscriptions and finds apart what somebody must agree to; 6 knows which numbers were given, who
    /// created endpoints, and since when an environment has no webhooks, and finds deliveries by their owner and by what
    /// they deliver.
    package static let schemaVersion: UInt64 = 6

    let core: StoreCore
    package let capture: MappedCapture
    package let queues: MappedQueues
    package let deliveries: MappedDeliveries
    package let webhooks: MappedWebhooks
    package let events: MappedEvents
    package let matching: MappedMatching
    package let retention: MappedRetention

    /// Opens the store of an installation, or makes it, and sweeps up after processes that died.
    /// - Parameter directory: where it lies; it is there already.
    package init(directory: FilePath, _ options: Options) throws(StoreError) {
        core = try StoreCore(directory: directory, options)
        capture = MappedCapture(core)
        queues = MappedQueues(core)
        deliveries = MappedDeliveries(core)
        webhooks = MappedWebhooks(deliveries)
        events = MappedEvents(deliveries)
        matching = MappedMatching(events)
        retention = MappedRetention(events)
    }

    package var clock: SteadyClock { core.clock }

    package var layoutVersion: UInt64 { Self.schemaVersion }

    /// Set by processes that are watched: waiting for the lock that another process holds is not being stuck.
    package var heartbeat: Heartbeat? {
        get { core.heartbeat }
        set { core.heartbeat = newValue }
    }

    // MARK: The turn

    /// Whether a transaction is open that waits for `commit`; while there is one, no other process writes.
    package var isWriting: Bool { core.isWriting }

    /// Whether a request has broken the open transaction. Nothing of it is kept: after `rollBack` the other requests of
    /// the turn can be made again.
    package var isTurnBroken: Bool { core.isTurnBroken }

    /// A turn that waits for the disk is long: requests that arrive while another process has its own shall be part of this
    /// one.
    package var gathers: Bool { core.settlesLater && core.isWriting }

    /// Makes what was written since the last commit take effect, as one.
    @discardableResult
    package func commit() throws(StoreFailure) -> Commit { try core.commit() }

    /// Waits until the last commit of this process is kept for good.
    package func settle() throws(StoreFailure) { try core.settle() }

    /// Throws away what was written since the last commit, so that the requests that wrote it can be made again.
    package func forgetTurn() { core.forgetTurn() }

    /// Throws away what was written since the last commit.
    package func rollBack() { core.rollBack() }

    /// Differs whenever there is something new to read, from whichever process.
    package func version() throws(StoreFailure) -> UInt64 { try core.version() }

    /// Writes something, so that a commit after it proves that commits work.
    package func touch() throws(StoreFailure) { try core.touch() }

    /// What was found damaged since this was asked last; what is damaged is told of once.
    package func takeDamage() -> [String] { core.damage.takeNews() }

    // MARK: Upkeep

    /// Frees what dead processes hold.
    package func sweepDeadReaders() throws(StoreFailure) { try core.sweepDeadReaders() }

    /// Waits until all that was committed is on the disk.
    package func sync() throws(StoreFailure) { try core.sync() }

    /// Writes a copy of the store without the pages that hold nothing, as of one moment.
    package func compact(to path: FilePath) throws(StoreFailure) { try core.compact(to: path) }

    /// Forgets requests that can no longer be tried again; does nothing, and writes nothing, where there are none.
    /// - Returns: how many it forgot; as many as `limit` means that there may be more.
    package func forgetRequests(at moment: Moment, limit: Int) throws(StoreFailure) -> Int {
        try core.forgetRequests(at: moment, limit: limit)
    }

    /// Notes that the store is closed and that nothing of it can be undone: numbers go on without a gap at the next start.
    /// Nobody else has the store open.
    package func noteClosed() throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            try tables.closed.put((), in: &transaction)
        }
        try commit()
        try sync()
    }
}
