internal import Delivery
internal import LMDB
package import Linux
package import MappedStore
package import Storage
package import SystemPackage
package import Values

/// A store in a database for a responder: the operations of all requests of a turn are made together.
///
/// What no request does (exports, matching, deliveries) is done at once, and waits for each answer of the server.
package final class PostgreSQLStore: StorageEngine {
    private let engine: PostgreSQLEngine
    private let store: MappedStore
    private let batches: Batches
    package let capture: BatchedCapture
    package let queues: BatchedQueues
    package let webhooks: BatchedWebhooks
    package let events: BatchedEvents
    package var deliveries: MappedDeliveries { store.deliveries }
    package var matching: MappedMatching { store.matching }
    package var retention: MappedRetention { store.retention }
    private var mustProve = false

    package init(_ settings: PostgreSQLSettings) throws(PostgreSQLStoreError) {
        (engine, store) = try PostgreSQLEngine.open(settings)
        batches = Batches(engine, store)
        capture = BatchedCapture(batches, store.capture)
        queues = BatchedQueues(batches, store.queues)
        webhooks = BatchedWebhooks(batches, store.webhooks)
        events = BatchedEvents(batches, store.events)
    }

    package var clock: SteadyClock { store.clock }

    package var heartbeat: Heartbeat? {
        get { store.heartbeat }
        set { store.heartbeat = newValue }
    }

    package var layoutVersion: UInt64 { store.layoutVersion }
}

extension PostgreSQLStore: TransactionControl {
    package func makeGathered() -> Bool {
        guard !batches.isEmpty else { return false }
        batches.make()
        return true
    }

    package var isWriting: Bool { store.isWriting }

    package var isTurnBroken: Bool { store.isTurnBroken }

    package func commit() throws(StoreFailure) -> Commit {
        defer { mustProve = false }
        if mustProve, !store.isWriting {
            do throws(LMDBError) { try engine.prove() } catch { throw StoreFailure(error) }
        }
        return try store.commit()
    }

    /// What is committed is as durable as DURABILITY asks for.
    package var ticket: UInt64 { 0 }
    package func isDurable(_ ticket: UInt64) -> Bool { true }
    package func flush() {}
    package func beginFlush() {}
    package var flushDescriptor: FileDescriptor? { nil }
    package func takeFlushNews() {}

    package func rollBack() { store.rollBack() }

    package func forgetTurn() { store.forgetTurn() }

    package func version() throws(StoreFailure) -> UInt64 { try store.version() }

    package func touch() { mustProve = true }
}

extension PostgreSQLStore: StorageMonitoring {
    package func metrics(at moment: Moment) async throws(StoreFailure) -> StoreMetrics {
        try await batches.run { [store] () throws(StoreFailure) in try store.metrics(at: moment) }
    }

    package func space() throws(StoreFailure) -> StoreSpace { try store.space() }

    package func isFull() -> Bool { false }

    package var fullExplanation: String { store.fullExplanation }

    package var durabilityMetrics: DurabilityMetrics? { nil }

    package func checkHealth() throws(StoreFailure) { try store.checkHealth() }

    package func takeDamage() -> [String] { store.takeDamage() }

    package func takeCheckpointNews() -> CheckpointNews? { nil }
}

extension PostgreSQLStore: StorageMaintenance {
    package func forgetRequests(at moment: Moment, limit: Int) throws(StoreFailure) -> Int {
        try store.forgetRequests(at: moment, limit: limit)
    }

    package func removeGarbage(limit: Int) throws(StoreFailure) -> Int { try store.removeGarbage(limit: limit) }

    package func sweepDeadReaders() {}

    package func renewMark() {}

    /// Writes the counts that no commit has written yet.
    package func checkpoint() throws(StoreFailure) { try store.commit() }
}

extension PostgreSQLStore: SecretSeal {
    package func seal() throws(StoreFailure) -> [UInt8]? { try store.seal() }

    package func seal(ifNone fresh: [UInt8]) throws(StoreFailure) -> [UInt8] { try store.seal(ifNone: fresh) }
}

extension PostgreSQLStore: StorageTransfer {
    package func export(
        at moment: Moment, leavingOut leaveOut: ((String) -> Void)?, _ write: ([UInt8]) -> Void
    ) throws(StoreFailure) { try store.export(at: moment, leavingOut: leaveOut, write) }

    package func `import`(
        at moment: Moment, isIncompleteAllowed: Bool, leavingOut leaveOut: ((String) -> Void)?,
        _ nextLine: () throws(ImportError) -> [UInt8]?
    ) throws(ImportError) -> ImportCounts {
        try store.import(at: moment, isIncompleteAllowed: isIncompleteAllowed, leavingOut: leaveOut, nextLine)
    }
}
