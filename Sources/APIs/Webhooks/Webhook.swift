package import Delivery
internal import HTTP
package import Values

/// A target URL and the events of one environment that are sent to it.
package struct Webhook: Equatable, Sendable {
    package let id: UUID
    package let environment: UUID
    package var name: String
    package var description: String?
    /// By name, as in `EventType.all`; each once, at least one.
    package var events: [String]
    /// The names of the custom headers, in order; their values are sealed in the destination.
    package var headerNames: [String]
    /// What the webhook's number counts, and how its deliveries are made.
    package var destination: Destination
    package let created: Timestamp
    package var updated: Timestamp
    /// Set by the deliveries; never by the API.
    package var lastTriggered: AttemptSummary?
    package var lastErrored: AttemptSummary?

    package init(
        id: UUID, environment: UUID, name: String, description: String? = nil, events: [String],
        headerNames: [String] = [], destination: Destination, created: Timestamp, updated: Timestamp,
        lastTriggered: AttemptSummary? = nil, lastErrored: AttemptSummary? = nil
    ) {
        self.id = id
        self.environment = environment
        self.name = name
        self.description = description
        self.events = events
        self.headerNames = headerNames
        self.destination = destination
        self.created = created
        self.updated = updated
        self.lastTriggered = lastTriggered
        self.lastErrored = lastErrored
    }
}

/// What a webhook tells of an attempt.
package struct AttemptSummary: Equatable, Sendable {
    package let logID: UInt64
    package let event: String
    package let eventID: String
    package let triggeredAt: Timestamp
    /// Counted from 1.
    package let attempt: UInt32
    package let status: Int?
    package let durationMilliseconds: UInt64
    /// `nil` where it succeeded.
    package let failure: Attempt.Failure?

    package init(
        logID: UInt64, event: String, eventID: String, triggeredAt: Timestamp, attempt: UInt32, status: Int?,
        durationMilliseconds: UInt64, failure: Attempt.Failure?
    ) {
        self.logID = logID
        self.event = event
        self.eventID = eventID
        self.triggeredAt = triggeredAt
        self.attempt = attempt
        self.status = status
        self.durationMilliseconds = durationMilliseconds
        self.failure = failure
    }
}

/// One line of a webhook's log: an attempt, or that none was made.
package struct LogEntry: Equatable, Sendable {
    /// Counts the lines of all logs in the order they were written; never used twice.
    package let id: UInt64
    package let webhook: UUID
    package let environment: UUID
    package let event: String
    package let eventID: String
    /// Counted from 1; 0 where none was made.
    package let attempt: UInt32
    package let trigger: Trigger
    package let method: String
    package let url: String
    package let outcome: Attempt
    /// What was sent; `nil` where it is no longer kept.
    package let requestBody: [UInt8]?
    /// When the next attempt is due; `nil` where there is none.
    package let nextRetryAt: Timestamp?
    /// Whether no attempt follows.
    package let isFinal: Bool

    package init(
        id: UInt64, webhook: UUID, environment: UUID, event: String, eventID: String, attempt: UInt32,
        trigger: Trigger, method: String, url: String, outcome: Attempt, requestBody: [UInt8]?,
        nextRetryAt: Timestamp?, isFinal: Bool
    ) {
        self.id = id
        self.webhook = webhook
        self.environment = environment
        self.event = event
        self.eventID = eventID
        self.attempt = attempt
        self.trigger = trigger
        self.method = method
        self.url = url
        self.outcome = outcome
        self.requestBody = requestBody
        self.nextRetryAt = nextRetryAt
        self.isFinal = isFinal
    }
}
