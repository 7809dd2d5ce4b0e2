internal import Capture
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
