package import Delivery
package import Values

/// What a store reports to operators.
package protocol StorageMonitoring: AnyObject {
    func metrics(at moment: Moment) async throws(StoreFailure) -> StoreMetrics

    /// Measures the store's space. Must be followed by a commit.
    func space() async throws(StoreFailure) -> StoreSpace

    /// Whether an ordinary request that needs room is refused. Must be followed by a commit.
    func isFull() async throws(StoreFailure) -> Bool

    /// Why a store that was found full is full, and what to do about it.
    var fullExplanation: String { get }

    /// How commits become durable; `nil` if the engine does not know.
    var durabilityMetrics: DurabilityMetrics? { get }

    /// Throws if the store's file is no longer the one that this process has opened. The failure's text is for operators.
    func checkHealth() async throws(StoreFailure)

    /// The damage found since the last call; each damaged record is reported once.
    func takeDamage() -> [String]

    /// Whether checkpoints of this process have begun to fail, or succeed again, since the last call; `nil` if neither. The
    /// news make `flushDescriptor` readable. A failure of the disk is not among them: `takeFlushNews` throws it.
    func takeCheckpointNews() -> CheckpointNews?
}

package enum CheckpointNews: Equatable, Sendable {
    /// The text is for operators.
    case failing(String)
    case succeeding
}

/// The space that a store has and uses.
package struct StoreSpace: Sendable {
    /// The current size.
    package let bytes: Int
    /// The maximum size (MAX_STORE_BYTES).
    package let limitBytes: Int
    /// Free space inside the store, left by removed records.
    package let freeInsideBytes: Int
    /// Free space on its disk.
    package let diskFreeBytes: Int
    /// Whether a small request that needs room would be refused.
    package let isFull: Bool

    package init(bytes: Int, limitBytes: Int, freeInsideBytes: Int, diskFreeBytes: Int, isFull: Bool) {
        self.bytes = bytes
        self.limitBytes = limitBytes
        self.freeInsideBytes = freeInsideBytes
        self.diskFreeBytes = diskFreeBytes
        self.isFull = isFull
    }
}

/// How commits become durable: counts since the first of the processes that have the store open has opened it.
package struct DurabilityMetrics: Equatable, Sendable {
    /// Waits for the journal to be on the disk, and the time that they took.
    package var syncs: UInt64 = 0
    package var syncMicroseconds: UInt64 = 0
    /// Commits with a frame in the journal, and the bytes of the frames.
    package var frames: UInt64 = 0
    package var frameBytes: UInt64 = 0
    package var checkpoints: UInt64 = 0
    package var checkpointMicroseconds: UInt64 = 0
    /// The time since the last checkpoint.
    package var checkpointAgeMicroseconds: UInt64 = 0
    /// Commits since the last checkpoint, and those of them that are not durable yet.
    package var commitsSinceCheckpoint: UInt64 = 0
    package var commitsNotDurable: UInt64 = 0

    package init() {}
}

/// The metrics of a store.
package struct StoreMetrics: Sendable {
    package var deliveries = DeliveryMetrics()
    package var intake = IntakeMetrics()
    /// Deliveries that have not ended, and those of them that are in flight.
    package var pending: UInt64 = 0
    package var inFlight: UInt64 = 0
    /// All destinations, and those that are disabled.
    package var destinations = 0
    package var disabledDestinations = 0
    /// Event subscriptions, and events that wait to be matched.
    package var subscriptions = 0
    package var waitingEvents = 0
    package var endpoints = 0
    package var queues = 0
    package var queuedMessages: UInt64 = 0
    package var queuedBytes: UInt64 = 0
    /// Ids that the queues in force have assigned.
    package var queuedEver: UInt64 = 0
    /// The current size of the store.
    package var storeBytes = 0
    /// Deliveries have been due for a minute, and in that minute nothing was delivered.
    package var areDeliveriesStalled = false

    package init() {}
}

/// Events published elsewhere that were left out, since the store was created.
package struct IntakeMetrics: Equatable, Sendable {
    /// Events of messages that could not be parsed.
    package var unreadable: UInt64 = 0
    package var ofUnknownEnvironments: UInt64 = 0

    package init() {}
}

/// Calls to OPS_EVENTS_URL since the store was created. They are not deliveries of webhooks or events, and are counted
/// separately.
package struct OperationalCalls: Equatable, Sendable {
    package var successes: UInt64 = 0
    package var failures: UInt64 = 0

    package init() {}
}
