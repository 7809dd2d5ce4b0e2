package import Delivery
package import Values

/// What operators are told of a store.
package protocol StorageMonitoring: AnyObject {
    func metrics(at moment: Moment) async throws(StoreFailure) -> StoreMetrics

    /// Must be followed by a commit.
    func space() async throws(StoreFailure) -> StoreSpace

    /// Whether an ordinary request that needs room is refused. Must be followed by a commit.
    func isFull() async throws(StoreFailure) -> Bool

    /// Why a store that was found to be full is, and what to do about it.
    var fullExplanation: String { get }

    /// Whether the store that this process has opened is still in place. The sentence of a failure is for operators.
    func checkHealth() async throws(StoreFailure)

    /// What was found damaged since this was asked last; what is damaged is told of once.
    func takeDamage() -> [String]
}

/// How much room a store has.
package struct StoreSpace: Sendable {
    /// What it has grown to.
    package let bytes: Int
    /// What it may grow to (MAX_STORE_BYTES).
    package let limitBytes: Int
    /// Room inside it, left by what was removed.
    package let freeInsideBytes: Int
    /// What its disk has left.
    package let diskFreeBytes: Int
    /// Whether something that needs room, of a small size, would be refused.
    package let isFull: Bool

    package init(bytes: Int, limitBytes: Int, freeInsideBytes: Int, diskFreeBytes: Int, isFull: Bool) {
        self.bytes = bytes
        self.limitBytes = limitBytes
        self.freeInsideBytes = freeInsideBytes
        self.diskFreeBytes = diskFreeBytes
        self.isFull = isFull
    }
}

/// What an operator is shown of a store.
package struct StoreMetrics: Sendable {
    package var deliveries = DeliveryMetrics()
    package var intake = IntakeMetrics()
    /// Deliveries that are not over, and those of them that are being made.
    package var pending: UInt64 = 0
    package var inFlight: UInt64 = 0
    /// Destinations in all, and those that are disabled.
    package var destinations = 0
    package var disabledDestinations = 0
    /// Subscriptions to events, and events that wait to be matched.
    package var subscriptions = 0
    package var waitingEvents = 0
    package var endpoints = 0
    package var queues = 0
    package var queuedMessages: UInt64 = 0
    package var queuedBytes: UInt64 = 0
    /// Ids that the queues in force have given out.
    package var queuedEver: UInt64 = 0
    /// What the store has grown to.
    package var storeBytes = 0
    /// What is due has been so for a minute, and for a minute nothing has been delivered.
    package var areDeliveriesStalled = false

    package init() {}
}

/// How many events that were published elsewhere have been left out, since the store began.
package struct IntakeMetrics: Equatable, Sendable {
    /// Of messages that could not be understood.
    package var unreadable: UInt64 = 0
    package var ofUnknownEnvironments: UInt64 = 0

    package init() {}
}

/// How many calls to OPS_EVENTS_URL there were, since the store began. They are no deliveries of webhooks or events, and are
/// counted apart from these.
package struct OperationalCalls: Equatable, Sendable {
    package var successes: UInt64 = 0
    package var failures: UInt64 = 0

    package init() {}
}
