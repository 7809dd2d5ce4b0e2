internal import Delivery
internal import HTTP
internal import Values
internal import Webhooks

/// What a webhook has beside its destination, as it is stored under that one's number.
enum WebhookRecord {
    private static let version: UInt8 = 1

    static func encode(_ webhook: Webhook) -> [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.byte(version)
        writer.rest(webhook.id.bytes)
        writer.rest(webhook.environment.bytes)
        writer.counted(webhook.name.utf8)
        writer.optional(webhook.description)
        writer.fixed(webhook.created.microseconds)
        writer.fixed(webhook.updated.microseconds)
        for texts in [webhook.events, webhook.headerNames] {
            writer.number(UInt64(texts.count))
            for text in texts { writer.counted(text.utf8) }
        }
        return writer.bytes
    }

    static func decode(_ span: RawSpan, _ destination: Destination, _ state: DestinationState) -> Webhook? {
        var reader = ByteReader(span)
        guard reader.byte() == version, let id = reader.uuid(), let environment = reader.uuid(),
            let name = reader.text(), let description = reader.optionalText(), let created = reader.time(),
            let updated = reader.time(), let events = texts(&reader), let headerNames = texts(&reader), reader.isAtEnd
        else { return nil }
        return Webhook(
            id: id, environment: environment, name: name, description: description.value, events: events,
            headerNames: headerNames, destination: destination, created: created, updated: updated,
            lastTriggered: state.lastTriggered.map(summary), lastErrored: state.lastErrored.map(summary))
    }

    /// Whose it is, and nothing more.
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

    /// The events of a webhook as they stand beside its environment: each behind its length.
    static func encode(events: [String]) -> [UInt8] {
        var writer = ByteWriter(reserving: 64)
        for event in events { writer.counted(event.utf8) }
        return writer.bytes
    }

    static func events(_ span: RawSpan) -> [String] {
        var reader = ByteReader(span)
        var events: [String] = []
        while !reader.isAtEnd, let event = reader.text() { events.append(event) }
        return events
    }
}
