package import Delivery
internal import HTTP
package import Values

/// A target URL and the events of one environment that are sent to it.
package struct Webhook: Equatable, Sendable {
    package let id: UUID
    package let environment: UUID
    package var name: String
    package var description: String?
    /// Names from `EventType.all`; each once, at least one.
    package var events: [String]
    /// The names of the custom headers, in order; their values are sealed in the destination.
    package var headerNames: [String]
    /// Holds the webhook's number, and how its deliveries are made.
    package var destination: Destination
    package let created: Timestamp
    package var updated: Timestamp
    /// Set by deliveries, never by the API.
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

/// The summary of an attempt that a webhook shows.
package struct AttemptSummary: Equatable, Sendable {
    package let logID: UInt64
    package let event: String
    package let eventID: String
    package let triggeredAt: Timestamp
    /// Counted from 1.
    package let attempt: UInt32
    package let status: Int?
    package let durationMilliseconds: UInt64
    /// `nil` if it succeeded.
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

/// An entry of a webhook's log, with the body that was sent. The members of `line` are also members of the entry.
@dynamicMemberLookup
package struct LogEntry: Equatable, Sendable {
    package let webhook: UUID
    package let environment: UUID
    package let line: DeliveryLine
    /// The body that was sent; `nil` if it is no longer stored.
    package let requestBody: [UInt8]?

    package init(webhook: UUID, environment: UUID, line: DeliveryLine, requestBody: [UInt8]?) {
        self.webhook = webhook
        self.environment = environment
        self.line = line
        self.requestBody = requestBody
    }

    package subscript<Value>(dynamicMember member: KeyPath<DeliveryLine, Value>) -> Value { line[keyPath: member] }
}
