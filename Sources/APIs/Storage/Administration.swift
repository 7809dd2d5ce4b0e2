package import Delivery
package import Events
package import Queues
package import Values

/// Operations on queues that an operator runs outside the service.
package protocol QueueAdministration: AnyObject {
    /// Whether a configuration has ever been applied.
    func isConfigured() async throws(StoreFailure) -> Bool

    /// All queues in force, by name, with the number of clients that follow each.
    func allQueues() async throws(StoreFailure) -> [(entry: QueueOverview.QueueEntry, clients: Int)]
}

/// Operations on deliveries that an operator runs outside the service.
package protocol DeliveryAdministration: AnyObject {
    func hasDestinations() async throws(StoreFailure) -> Bool

    /// The destination of operational events; `nil`: they are not delivered.
    func operationalDestination() async throws(StoreFailure) -> Destination?

    /// Changes the destination of operational events, for those that are pending too.
    /// - Parameter wanted: its number is ignored; `nil`: deliver them no longer.
    func sendOperationalEvents(to wanted: Destination?) async throws(StoreFailure)

    func operationalCalls() async throws(StoreFailure) -> OperationalCalls
}

/// Operations on events that an operator runs outside the service, in steps so that the service can write in between.
package protocol EventAdministration: AnyObject {
    /// Events that came between two times, both excluded, in the order they are stored.
    func events(
        from number: UInt64, after start: Timestamp, before end: Timestamp, limit: Int
    ) async throws(StoreFailure) -> EventPage

    /// Matches an event once more, against the current subscriptions. Its earlier log entries stay in its history.
    func redispatch(_ id: UUID) async throws(StoreFailure) -> Redispatch

    /// Removes an event with its history, even if it is not finished. A delivery that is still pending then has nothing to
    /// send, and its subscription's log says so.
    /// - Parameter limit: how many log entries one step removes.
    func purge(_ id: UUID, limit: Int) async throws(StoreFailure) -> PurgeOutcome

    /// Removes events that came before a time, with their history; events that are still to be matched or delivered stay.
    /// - Parameter limit: how many events and log entries one step removes.
    func purgeEvents(from number: UInt64, before end: Timestamp, limit: Int) async throws(StoreFailure) -> PurgeStep

    /// Stores events that another service routed, with their outcomes; nothing is delivered. The subscriptions must already
    /// exist.
    func takeOver(_ events: [FormerEvent]) async throws(StoreFailure) -> Takeover
}

package struct EventPage: Equatable, Sendable {
    package let events: [EventHistory]
    /// Where the next step begins; `nil` at the end.
    package let next: UInt64?

    package init(events: [EventHistory], next: UInt64?) {
        self.events = events
        self.next = next
    }
}

package enum Redispatch: Equatable, Sendable {
    case started
    /// The event is still to be matched, or deliveries are still to be created for its matches.
    case waiting
    case unknown
}

package enum PurgeOutcome: Equatable, Sendable {
    case removed
    /// Its history is too long for one step: call again.
    case begun
    case unknown
}

package struct PurgeStep: Equatable, Sendable {
    package var removed = 0
    /// Events that are old enough, but are still to be matched or delivered.
    package var unfinished = 0
    /// Where the next step begins; `nil` at the end.
    package var next: UInt64?

    package init(next: UInt64?) { self.next = next }
}

package struct Takeover: Equatable, Sendable {
    package var events = 0
    /// Events that already exist; they are not changed.
    package var known = 0
    package var attempts = 0
    /// Attempts for subscriptions that do not exist.
    package var strayAttempts = 0

    package init() {}

    package static func += (left: inout Takeover, right: Takeover) {
        left.events += right.events
        left.known += right.known
        left.attempts += right.attempts
        left.strayAttempts += right.strayAttempts
    }
}
