internal import Delivery
internal import HTTP
internal import Values
internal import Webhooks

/// A webhook without its destination, as stored; the key is the destination's number.
struct WebhookRecord: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a webhook"

    let id: UUID
    let environment: UUID
    let name: String
    let description: String?
    let created: Timestamp
    let updated: Timestamp
    let events: [String]
    let headerNames: [String]

    private static let version: UInt8 = 1

    init(_ webhook: Webhook) {
        id = webhook.id
        environment = webhook.environment
        name = webhook.name
        description = webhook.description
        created = webhook.created
        updated = webhook.updated
        events = webhook.events
        headerNames = webhook.headerNames
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.byte(Self.version)
        writer.rest(id.bytes)
        writer.rest(environment.bytes)
        writer.counted(name.utf8)
        writer.optional(description)
        writer.fixed(created.microseconds)
        writer.fixed(updated.microseconds)
        for texts in [events, headerNames] {
            writer.number(UInt64(texts.count))
            for text in texts { writer.counted(text.utf8) }
        }
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let id = reader.uuid(), let environment = reader.uuid(),
            let name = reader.text(), let description = reader.optionalText(), let created = reader.time(),
            let updated = reader.time(), let events = Self.texts(&reader), let headerNames = Self.texts(&reader),
            reader.isAtEnd
        else { return nil }
        (self.id, self.environment, self.name, self.description) = (id, environment, name, description.value)
        (self.created, self.updated, self.events, self.headerNames) = (created, updated, events, headerNames)
    }

    func webhook(_ destination: Destination, _ state: DestinationState) -> Webhook {
        Webhook(
            id: id, environment: environment, name: name, description: description, events: events,
            headerNames: headerNames, destination: destination, created: created, updated: updated,
            lastTriggered: state.lastTriggered.map(Self.summary), lastErrored: state.lastErrored.map(Self.summary))
    }

    /// Reads only the environment.
    static func environment(_ span: RawSpan) -> UUID? {
        var reader = ByteReader(span)
        guard reader.byte() == version, reader.take(16) != nil else { return nil }
        return reader.uuid()
    }

    private static func texts(_ reader: inout ByteReader) -> [String]? {
        guard let count = reader.number() else { return nil }
        var texts: [String] = []
        for _ in 0..<count {
            guard let text = reader.text() else { return nil }
            texts.append(text)
        }
        return texts
    }

    private static func summary(_ record: AttemptRecord) -> AttemptSummary {
        AttemptSummary(
            logID: record.number, event: record.event, eventID: record.eventID,
            triggeredAt: record.attempt.triggeredAt, attempt: record.count, status: record.attempt.status,
            durationMilliseconds: record.attempt.durationMilliseconds, failure: record.attempt.failure)
    }
}

/// The types of events that a webhook is sent, as stored in the index of webhooks by environment: each after its length.
enum EventTypesRecord: TableRecord {
    static let name = "the event types of a webhook"

    static func encode(_ events: [String]) -> [UInt8] {
        var writer = ByteWriter(reserving: 64)
        for event in events { writer.counted(event.utf8) }
        return writer.bytes
    }

    static func decode(_ bytes: RawSpan, at key: Owned<UUID>) -> [String]? {
        var reader = ByteReader(bytes)
        var events: [String] = []
        while !reader.isAtEnd, let event = reader.text() { events.append(event) }
        return events
    }
}

/// The keyring of an environment.
struct EnvironmentRecord: Equatable, KeylessRecord {
    typealias Key = UUID
    static let name = "an environment"

    let keyring: UInt64
    /// When its last webhook was deleted; `nil` if that never happened. It stays when a webhook is created later.
    var idleSince: Timestamp?

    init(keyring: UInt64, idleSince: Timestamp? = nil) {
        self.keyring = keyring
        self.idleSince = idleSince
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 16)
        writer.fixed(keyring)
        if let idleSince { writer.fixed(idleSince.microseconds) }
        return writer.bytes
    }

    init?(_ bytes: RawSpan) {
        var reader = ByteReader(bytes)
        guard let keyring = reader.fixed() else { return nil }
        self.keyring = keyring
        guard !reader.isAtEnd else { return }
        guard let time = reader.time(), reader.isAtEnd else { return nil }
        idleSince = time
    }
}
