internal import Capture
internal import HTTP
internal import Values

/// An endpoint as it is stored under its number.
struct EndpointRecord: TableRecord {
    static let name = "an endpoint's record"

    var endpoint: Endpoint
    /// The time under which the index by use has the endpoint: `endpoint.lastUsed` or earlier.
    var indexedUse: Timestamp

    private static let version: UInt8 = 1
    /// The version of a record that ends with the count of skipped numbers.
    private static let skippedVersion: UInt8 = 2

    static func encode(_ record: EndpointRecord) -> [UInt8] {
        let endpoint = record.endpoint
        var writer = ByteWriter(reserving: 96)
        writer.byte(endpoint.skipped == 0 ? Self.version : Self.skippedVersion)
        writer.byte((endpoint.isEnabled ? 1 : 0) | (endpoint.takesSubpaths ? 2 : 0))
        writer.rest(endpoint.id.bytes)
        writer.fixed(endpoint.created.microseconds)
        writer.fixed(endpoint.lastUsed.microseconds)
        writer.fixed(record.indexedUse.microseconds)
        writer.number(endpoint.uncollected)
        writer.number(endpoint.next)
        writer.number(endpoint.bytes)
        if endpoint.skipped > 0 { writer.number(endpoint.skipped) }
        return writer.bytes
    }

    init(endpoint: Endpoint, indexedUse: Timestamp) {
        self.endpoint = endpoint
        self.indexedUse = indexedUse
    }

    static func decode(_ span: RawSpan, at number: UInt64) -> EndpointRecord? {
        var reader = ByteReader(span)
        guard let version = reader.byte(), [Self.version, Self.skippedVersion].contains(version),
            let flags = reader.byte(), flags < 4, let id = reader.take(24).flatMap({ Endpoint.ID(bytes: $0) }),
            let created = reader.fixedSigned(), let lastUsed = reader.fixedSigned(),
            let indexedUse = reader.fixedSigned(),
            let uncollected = reader.number(), let next = reader.number(), let bytes = reader.number(),
            let skipped = version == Self.version ? 0 : reader.number(), reader.isAtEnd, uncollected >= 1,
            uncollected <= next, next < 1 << 62, skipped <= next - uncollected
        else { return nil }
        let endpoint = Endpoint(
            id: id, number: number, isEnabled: flags & 1 != 0, takesSubpaths: flags & 2 != 0,
            created: Timestamp(microseconds: created), lastUsed: Timestamp(microseconds: lastUsed),
            uncollected: uncollected, next: next, skipped: skipped, bytes: bytes)
        return EndpointRecord(endpoint: endpoint, indexedUse: Timestamp(microseconds: indexedUse))
    }

    /// The endpoint's key in the index by use.
    var useKey: TimedNumber { TimedNumber(indexedUse, endpoint.number) }
}

/// A notification as it is stored under its endpoint's number and its own.
enum NotificationRecord: TableRecord {
    static let name = "a notification's record"

    private static let version: UInt8 = 1

    static func encode(_ notification: Notification) -> [UInt8] {
        var writer = ByteWriter(reserving: notification.body.count + 1024)
        writer.byte(version)
        writer.fixed(notification.receivedAt.microseconds)
        writer.counted(notification.method.utf8)
        writer.counted((notification.remote ?? "").utf8)
        writer.counted(notification.path)
        writer.byte(notification.query == nil ? 0 : 1)
        if let query = notification.query { writer.counted(query) }
        writer.number(UInt64(notification.fields.count))
        for index in 0..<notification.fields.count {
            writer.counted(notification.fields.name(at: index))
            writer.counted(notification.fields.value(at: index))
        }
        switch notification.bodyKind {
        case .text: writer.byte(0)
        case .binary: writer.byte(1)
        case .encodedText(let label):
            writer.byte(2)
            writer.counted(label.utf8)
        }
        writer.rest(notification.body)
        writer.seal()
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at key: OwnedNumber) -> Notification? {
        decode(span, bodyLimit: .max)?.notification
    }

    /// Bytes of a notification's body, which is the end of the record except for the checksum; `nil` if the body does not
    /// have that many.
    /// - Parameters:
    ///   - bytes: counted from the start of the body.
    ///   - bodyBytes: the size of the whole body.
    static func body(of span: RawSpan, _ bytes: Range<Int>, bodyBytes: Int) -> [UInt8]? {
        let start = span.byteCount - 4 - bodyBytes
        guard start >= 0, bytes.upperBound <= bodyBytes else { return nil }
        return copy(span.extracting(start + bytes.lowerBound..<start + bytes.upperBound))
    }

    /// - Parameter bodyLimit: the most bytes of the body that the returned notification has.
    /// - Returns: the notification, and the size of its whole body.
    static func decode(_ span: RawSpan, bodyLimit: Int) -> (notification: Notification, bodyBytes: Int)? {
        guard span.byteCount >= 4 else { return nil }
        var reader = ByteReader(span.extracting(droppingLast: 4))
        guard reader.byte() == version, let receivedAt = reader.fixedSigned(), let method = reader.text(),
            let remote = reader.text(), let path = reader.counted(), let hasQuery = reader.byte()
        else { return nil }
        var query: [UInt8]?
        if hasQuery != 0 {
            guard let bytes = reader.counted() else { return nil }
            query = bytes
        }
        guard let count = reader.number() else { return nil }
        var fields = FieldList()
        for _ in 0..<count {
            guard let name = reader.counted(), let value = reader.counted() else { return nil }
            fields.append(name: name, value: value)
        }
        let kind: Notification.BodyKind
        switch reader.byte() {
        case 0: kind = .text
        case 1: kind = .binary
        case 2:
            guard let label = reader.text() else { return nil }
            kind = .encodedText(label)
        default: return nil
        }
        let bodyBytes = reader.leftBytes
        guard let body = reader.take(min(bodyLimit, bodyBytes)) else { return nil }
        let notification = Notification(
            method: method, path: path, query: query, fields: fields, body: body, bodyKind: kind,
            receivedAt: Timestamp(microseconds: receivedAt), remote: remote.isEmpty ? nil : remote)
        return (notification, bodyBytes)
    }
}

/// The state that all endpoints share: the counters, and the number of the next endpoint.
struct CaptureState: Equatable, KeylessRecord {
    typealias Key = RecordName
    static let name = "the record of the counters"

    var counters = CaptureCounters()
    var nextEndpoint: UInt64 = 1

    private static let version: UInt8 = 1

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 128)
        writer.byte(Self.version)
        writer.fixed(nextEndpoint)
        for event in CaptureEvent.allCases { writer.fixed(counters[event]) }
        return writer.bytes
    }

    init() {}

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let next = reader.fixed() else { return nil }
        nextEndpoint = next
        for event in CaptureEvent.allCases {
            guard let value = reader.fixed() else { return nil }
            counters[event] = value
        }
    }
}
