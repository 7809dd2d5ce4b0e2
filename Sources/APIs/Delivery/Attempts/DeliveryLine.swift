package import Values

/// An entry of the delivery log: an attempt, or the reason why no attempt was made.
package struct DeliveryLine: Equatable, Sendable {
    /// Numbers the log entries in the order they were written; never used twice.
    package let id: UInt64
    /// The event's type.
    package let event: String
    package let eventID: String
    /// Counted from 1; 0 if no attempt was made.
    package let attempt: UInt32
    package let trigger: Trigger
    package let method: String
    package let url: String
    package let outcome: Attempt
    /// When the next attempt is due; `nil` if no attempt follows.
    package let nextRetryAt: Timestamp?
    /// Whether no attempt follows.
    package let isFinal: Bool

    package init(
        id: UInt64, event: String, eventID: String, attempt: UInt32, trigger: Trigger, method: String, url: String,
        outcome: Attempt, nextRetryAt: Timestamp?, isFinal: Bool
    ) {
        self.id = id
        self.event = event
        self.eventID = eventID
        self.attempt = attempt
        self.trigger = trigger
        self.method = method
        self.url = url
        self.outcome = outcome
        self.nextRetryAt = nextRetryAt
        self.isFinal = isFinal
    }
}
