package import Delivery
package import Events
package import Queues
package import Values

/// What an operator does with queues beside the service.
package protocol QueueAdministration: AnyObject {
    /// Whether a configuration was ever put in force.
    func isConfigured() async throws(StoreFailure) -> Bool

    /// Every queue that is in force, by name, and how many clients follow each.
    func allQueues() async throws(StoreFailure) -> [(entry: QueueOverview.QueueEntry, clients: Int)]

    /// Tells clients that messages may have been lost.
    func beginAnew() async throws(StoreFailure)
}

/// What an operator does with deliveries beside the service.
package protocol DeliveryAdministration: AnyObject {
    func hasDestinations() async throws(StoreFailure) -> Bool

    /// Where operational events are delivered to; `nil`: nowhere.
    func operationalDestination() async throws(StoreFailure) -> Destination?

    /// Has operational events delivered to another destination, those that wait among them, or no longer.
    /// - Parameter wanted: its number does not matter; `nil`: nowhere.
    func sendOperationalEvents(to wanted: Destination?) async throws(StoreFailure)

    func operationalCalls() async throws(StoreFailure) -> OperationalCalls
}

/// What an operator does with events beside the service: in steps, so that the service can write between two of them.
package protocol EventAdministration: AnyObject {
    /// Events that came between two times, neither included, in the order they are kept.
    func events(
        from number: UInt64, after start: Timestamp, before end: Timestamp, limit: Int
    ) async throws(StoreFailure) -> EventPage

    /// Has an event matched anew, against the subscriptions that there are now. The lines about it stay in its history.
    func redispatch(_ id: UUID) async throws(StoreFailure) -> Redispatch

    /// Removes an event with its history, whatever becomes of it: a delivery that is still to be made finds nothing to send,
    /// and its subscription's log says so.
    /// - Parameter limit: how many lines of its history one step removes.
    func purge(_ id: UUID, limit: Int) async throws(StoreFailure) -> PurgeOutcome

    /// Removes events that came before a time, with their history; those that are still to be matched or delivered stay.
    /// - Parameter limit: how many events and lines one step removes.
    func purgeEvents(from number: UInt64, before end: Timestamp, limit: Int) async throws(StoreFailure) -> PurgeStep

    /// Keeps events that were routed elsewhere with what became of them; nothing of it is delivered. The subscriptions are
    /// there already.
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
    /// It is still to be matched, or to be dispatched to what it has matched.
    case waiting
    case unknown
}

package enum PurgeOutcome: Equatable, Sendable {
    case removed
    /// Its history is too long for one step.
    case begun
    case unknown
}

package struct PurgeStep: Equatable, Sendable {
    package var removed = 0
    /// Events that are old enough, but still to be matched or delivered.
    package var unfinished = 0
    /// Where the next step begins; `nil` at the end.
    package var next: UInt64?

    package init(next: UInt64?) { self.next = next }
}

package struct Takeover: Equatable, Sendable {
    package var events = 0
    /// Events that are there already, and stay as they are.
    package var known = 0
    package var attempts = 0
    /// Attempts for subscriptions that are not there.
    package var strayAttempts = 0

    package init() {}

    package static func += (left: inout Takeover, right: Takeover) {
        left.events += right.events
        left.known += right.known
        left.attempts += right.attempts
        left.strayAttempts += right.strayAttempts
    }
}
