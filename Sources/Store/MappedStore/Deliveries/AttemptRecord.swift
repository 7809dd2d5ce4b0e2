internal import Delivery
internal import HTTP
internal import Values

/// A log entry as stored; the key is its number.
struct AttemptRecord: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a log entry"

    let number: UInt64
    let destination: UInt64
    let payload: UInt64
    let eventID: String
    let event: String
    /// The attempt's number within its delivery, from 1. If the entry says that the destination is disabled: how many
    /// attempts were made before.
    let count: UInt32
    let trigger: Trigger
    let method: String
    let url: String
    var attempt: Attempt
    /// On the wall clock.
    let nextRetryAt: Timestamp?
    let isFinal: Bool

    private static let version: UInt8 = 2
    /// Records of this version have no checksum. Stores of layout 3 contain them until they are migrated.
    private static let unsealedVersion: UInt8 = 1

    init(
        number: UInt64, destination: UInt64, payload: UInt64, eventID: String, event: String, count: UInt32,
        trigger: Trigger, method: String, url: String, attempt: Attempt, nextRetryAt: Timestamp?, isFinal: Bool
    ) {
        self.number = number
        self.destination = destination
        self.payload = payload
        self.eventID = eventID
        self.event = event
        self.count = count
        self.trigger = trigger
        self.method = method
        self.url = url
        self.attempt = attempt
        self.nextRetryAt = nextRetryAt
        self.isFinal = isFinal
    }

    /// A copy without headers, response body and approval, which only the log itself shows.
    var summary: AttemptRecord {
        var summary = self
        summary.attempt.requestHeaders = []
        summary.attempt.responseHeaders = []
        summary.attempt.responseBody = []
        summary.attempt.approval = nil
        return summary
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 512 + attempt.responseBody.count)
        writer.byte(Self.version)
        for value in [number, destination, payload, UInt64(count)] { writer.number(value) }
        writer.byte(trigger.rawValue)
        writer.byte((isFinal ? 1 : 0) | (attempt.isResponseTruncated ? 2 : 0) | (attempt.approval == nil ? 0 : 4))
        for text in [eventID, event, method, url] { writer.counted(text.utf8) }
        writer.optional(nextRetryAt)
        writer.fixed(attempt.triggeredAt.microseconds)
        writer.number(attempt.durationMilliseconds)
        writer.number(UInt64(max(0, attempt.status ?? 0)))
        writer.byte(attempt.failure?.kind.rawValue ?? 0)
        writer.counted((attempt.failure?.text ?? "").utf8)
        for fields in [attempt.requestHeaders, attempt.responseHeaders] {
            writer.number(UInt64(fields.count))
            for field in fields {
                writer.counted(field.name.utf8)
                writer.counted(field.value.utf8)
            }
        }
        if let approval = attempt.approval {
            writer.number(UInt64(max(0, approval.status ?? 0)))
            writer.counted(approval.body)
        }
        writer.rest(attempt.responseBody)
        writer.seal()
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        guard span.byteCount >= 4 else { return nil }
        var first = ByteReader(span.extracting(first: 1))
        self.init(
            unsealed: ByteReader(first.byte() == Self.unsealedVersion ? span : span.extracting(droppingLast: 4)))
    }

    /// - Parameter bytes: the record with its checksum, which records of version 1 do not have.
    init?(sealed bytes: [UInt8]) {
        guard bytes.count >= 4 else { return nil }
        self.init(unsealed: ByteReader(Self.isUnsealed(bytes) ? bytes : bytes.dropLast(4)))
    }

    /// Whether a record has no checksum.
    static func isUnsealed(_ bytes: [UInt8]) -> Bool { bytes.first == unsealedVersion }

    private init?(unsealed: ByteReader) {
        var reader = unsealed
        guard let version = reader.byte(), version == Self.version || version == Self.unsealedVersion,
            let number = reader.number(), let destination = reader.number(),
            let payload = reader.number(), let count = reader.number().flatMap({ UInt32(exactly: $0) }),
            let trigger = reader.byte().flatMap({ Trigger(rawValue: $0) }), let flags = reader.byte(),
            let eventID = reader.text(), let event = reader.text(), let method = reader.text(),
            let url = reader.text(), let nextRetryAt = reader.optionalTime(), let triggeredAt = reader.time(),
            let duration = reader.number(), let status = reader.number().flatMap({ Int(exactly: $0) }),
            let kind = reader.byte(), let text = reader.text(), let requestHeaders = Self.fields(&reader),
            let responseHeaders = Self.fields(&reader)
        else { return nil }
        var approval: Attempt.Approval?
        if flags & 4 != 0 {
            guard let status = reader.number().flatMap({ Int(exactly: $0) }), let body = reader.counted() else {
                return nil
            }
            approval = Attempt.Approval(status: status == 0 ? nil : status, body: body)
        }
        var failure: Attempt.Failure?
        if kind != 0 {
            guard let known = Attempt.ErrorKind(rawValue: kind) else { return nil }
            failure = Attempt.Failure(kind: known, text: text)
        }
        self.init(
            number: number, destination: destination, payload: payload, eventID: eventID, event: event, count: count,
            trigger: trigger, method: method, url: url,
            attempt: Attempt(
                requestHeaders: requestHeaders, status: status == 0 ? nil : status, responseHeaders: responseHeaders,
                responseBody: reader.rest(), isResponseTruncated: flags & 2 != 0, failure: failure,
                durationMilliseconds: duration, triggeredAt: triggeredAt, approval: approval),
            nextRetryAt: nextRetryAt.value, isFinal: flags & 1 != 0)
    }

    private static func fields(_ reader: inout ByteReader) -> [HeaderField]? {
        guard let count = reader.number() else { return nil }
        var fields: [HeaderField] = []
        for _ in 0..<count {
            guard let name = reader.text(), let value = reader.text() else { return nil }
            fields.append(HeaderField(name: name, value: value))
        }
        return fields
    }
}

extension AttemptRecord {
    /// The entry as the APIs return it.
    var line: DeliveryLine {
        DeliveryLine(
            id: number, event: event, eventID: eventID, attempt: count, trigger: trigger, method: method, url: url,
            outcome: attempt, nextRetryAt: nextRetryAt, isFinal: isFinal)
    }
}
