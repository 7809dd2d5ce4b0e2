package import Delivery
internal import HTTP
package import Values

/// An event that another service routed, with its outcomes.
package struct FormerEvent: Equatable, Sendable {
    package struct Match: Equatable, Sendable {
        package let subscription: UUID
        package let attempt: Attempt

        package init(subscription: UUID, attempt: Attempt) {
            self.subscription = subscription
            self.attempt = attempt
        }
    }

    package let event: ReceivedEvent
    package let receivedAt: Timestamp
    package var matches: [Match]

    package init(event: ReceivedEvent, receivedAt: Timestamp, matches: [Match] = []) {
        self.event = event
        self.receivedAt = receivedAt
        self.matches = matches
    }
}
