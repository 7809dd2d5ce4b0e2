internal import HTTP
package import Values

/// A payload to deliver: one body, stored once however many destinations it goes to.
package struct Payload: Equatable, Sendable {
    /// Numbers payloads in the order they came; never used twice.
    package let number: UInt64
    /// The event's own id, the same for every destination and attempt.
    package let eventID: String
    /// The key that identifies a repeated event, if that is not its id.
    package let idempotencyKey: String?
    /// The event's type.
    package let event: String
    /// The environment of the event; one fixed value for all events of event routing.
    package let source: UUID
    package let body: [UInt8]
    package let receivedAt: Timestamp

    /// A payload that is not stored yet.
    package struct Content: Equatable, Sendable {
        package let eventID: String
        package let idempotencyKey: String?
        package let event: String
        package let source: UUID
        package let body: [UInt8]

        package init(
            eventID: String, idempotencyKey: String? = nil, event: String, source: UUID, body: [UInt8]
        ) {
            self.eventID = eventID
            self.idempotencyKey = idempotencyKey
            self.event = event
            self.source = source
            self.body = body
        }
    }

    package init(number: UInt64, _ content: Content, receivedAt: Timestamp) {
        self.init(
            number: number, eventID: content.eventID, idempotencyKey: content.idempotencyKey, event: content.event,
            source: content.source, body: content.body, receivedAt: receivedAt)
    }

    package init(
        number: UInt64, eventID: String, idempotencyKey: String? = nil, event: String, source: UUID, body: [UInt8],
        receivedAt: Timestamp
    ) {
        self.number = number
        self.eventID = eventID
        self.idempotencyKey = idempotencyKey
        self.event = event
        self.source = source
        self.body = body
        self.receivedAt = receivedAt
    }
}

extension Payload {
    /// How many slots an attempt takes whose body has this many bytes: each attempt holds its body in memory.
    package static func slots(bytes: Int) -> Int { 1 + bytes >> 20 }
}

/// Why a delivery is made.
package enum Trigger: UInt8, Equatable, Sendable, CaseIterable {
    case scheduled = 1
    case manual, test, recover
}

/// The duty to send one payload to one destination.
package struct Delivery: Equatable, Sendable {
    /// Numbers deliveries in the order they were created; never used twice.
    package let number: UInt64
    package let destination: UInt64
    package let payload: UInt64
    /// The same for all attempts.
    package let id: UUID
    package let trigger: Trigger
    /// Whether it repeats a delivery that had been given up.
    package let isRepair: Bool
    /// Attempts that have ended.
    package var attempts: UInt32
    /// When the next attempt is due, or, while an attempt is in flight, when its lease ends; on the steady clock.
    package var due: Timestamp
    /// The worker that makes the attempt in flight; 0: no attempt is in flight.
    package var owner: UInt64
    /// When it was first due; on the steady clock.
    package let created: Timestamp

    package init(
        number: UInt64, destination: UInt64, payload: UInt64, id: UUID, trigger: Trigger = .scheduled,
        isRepair: Bool = false, attempts: UInt32 = 0, due: Timestamp, owner: UInt64 = 0, created: Timestamp
    ) {
        self.number = number
        self.destination = destination
        self.payload = payload
        self.id = id
        self.trigger = trigger
        self.isRepair = isRepair
        self.attempts = attempts
        self.due = due
        self.owner = owner
        self.created = created
    }
}
