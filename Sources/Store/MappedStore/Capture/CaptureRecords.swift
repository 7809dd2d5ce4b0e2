internal import Capture
internal import Values

/// An endpoint as it is stored under its number.
struct EndpointRecord: TableRecord {
    static let name = "an endpoint's record"

    var endpoint: Endpoint
    /// The time under which the index by use has the endpoint: `endpoint.lastUsed` or earlier. Of a pinned endpoint, the time
    /// at which it was last looked at.
    var indexedUse: Timestamp

    private static let version: UInt8 = 1
    /// The version of a record that ends with the count of skipped numbers.
    private static let skippedVersion: UInt8 = 2
    /// The version of a record with settings that the versions before do not have.
    private static let settingsVersion: UInt8 = 3

    private struct Flags: OptionSet {
        let rawValue: UInt16
        static let isEnabled = Flags(rawValue: 1)
        static let takesSubpaths = Flags(rawValue: 2)
        static let dropsOldest = Flags(rawValue: 4)
        static let isOpenToPages = Flags(rawValue: 8)
        static let isPinned = Flags(rawValue: 16)
        static let hasExpiry = Flags(rawValue: 32)
        static let hasName = Flags(rawValue: 64)
        static let hasReceiver = Flags(rawValue: 128)
        static let hasDeliveryHeader = Flags(rawValue: 256)
        static let hasForwards = Flags(rawValue: 512)

        init(rawValue: UInt16) { self.rawValue = rawValue }

        init(_ endpoint: Endpoint) {
            let settings = endpoint.settings
            self = []
            if endpoint.isEnabled { insert(.isEnabled) }
            if endpoint.takesSubpaths { insert(.takesSubpaths) }
            if settings.overflow == .dropOldest { insert(.dropsOldest) }
            if settings.isOpenToPages { insert(.isOpenToPages) }
            if settings.isPinned { insert(.isPinned) }
            if settings.expires != nil { insert(.hasExpiry) }
            if settings.name != nil { insert(.hasName) }
            if settings.hasReceiver { insert(.hasReceiver) }
            if settings.deliveryHeader != nil { insert(.hasDeliveryHeader) }
            if settings.hasForwards { insert(.hasForwards) }
        }

        /// Those that a record without settings may have.
        static let plain: UInt16 = 3
        static let known: UInt16 = 1023
    }

    static func encode(_ record: EndpointRecord) -> [UInt8] {
        let endpoint = record.endpoint
        var writer = ByteWriter(reserving: 96)
        let flags = Flags(endpoint)
        let hasSettings = flags.rawValue > Flags.plain
        writer.byte(hasSettings ? settingsVersion : endpoint.skipped == 0 ? version : skippedVersion)
        writer.byte(UInt8(truncatingIfNeeded: flags.rawValue))
        if hasSettings { writer.byte(UInt8(flags.rawValue >> 8)) }
        writer.rest(endpoint.id.bytes)
        writer.fixed(endpoint.created.microseconds)
        writer.fixed(endpoint.lastUsed.microseconds)
        writer.fixed(record.indexedUse.microseconds)
        writer.number(endpoint.uncollected)
        writer.number(endpoint.next)
        writer.number(endpoint.bytes)
        if hasSettings || endpoint.skipped > 0 { writer.number(endpoint.skipped) }
        if let expires = endpoint.settings.expires { writer.fixed(expires.microseconds) }
        if let name = endpoint.settings.name { writer.counted(name.utf8) }
        if let name = endpoint.settings.deliveryHeader { writer.counted(name.utf8) }
        return writer.bytes
    }

    init(endpoint: Endpoint, indexedUse: Timestamp) {
        self.endpoint = endpoint
        self.indexedUse = indexedUse
    }

    static func decode(_ span: RawSpan, at number: UInt64) -> EndpointRecord? {
        var reader = ByteReader(span)
        guard let version = reader.byte(), (Self.version...settingsVersion).contains(version),
            let flags = flags(of: version, &reader),
            let id = reader.take(24).flatMap({ Endpoint.ID(bytes: $0) }),
            let created = reader.fixedSigned(), let lastUsed = reader.fixedSigned(),
            let indexedUse = reader.fixedSigned(),
            let uncollected = reader.number(), let next = reader.number(), let bytes = reader.number(),
            let skipped = version == Self.version ? 0 : reader.number(),
            let settings = settings(flags, &reader), reader.isAtEnd, uncollected >= 1,
            uncollected <= next, next < 1 << 62, skipped <= next - uncollected
        else { return nil }
        let endpoint = Endpoint(
            id: id, number: number, isEnabled: flags.contains(.isEnabled),
            takesSubpaths: flags.contains(.takesSubpaths),
            created: Timestamp(microseconds: created), lastUsed: Timestamp(microseconds: lastUsed),
            uncollected: uncollected, next: next, skipped: skipped, bytes: bytes, settings: settings)
        return EndpointRecord(endpoint: endpoint, indexedUse: Timestamp(microseconds: indexedUse))
    }

    private static func flags(of version: UInt8, _ reader: inout ByteReader) -> Flags? {
        guard let low = reader.byte() else { return nil }
        guard version == settingsVersion else { return low <= Flags.plain ? Flags(rawValue: UInt16(low)) : nil }
        guard let high = reader.byte() else { return nil }
        let bits = UInt16(high) << 8 | UInt16(low)
        return bits <= Flags.known ? Flags(rawValue: bits) : nil
    }

    private static func settings(_ flags: Flags, _ reader: inout ByteReader) -> EndpointSettings? {
        var settings = EndpointSettings()
        settings.overflow = flags.contains(.dropsOldest) ? .dropOldest : .refuse
        settings.isOpenToPages = flags.contains(.isOpenToPages)
        settings.isPinned = flags.contains(.isPinned)
        settings.hasReceiver = flags.contains(.hasReceiver)
        settings.hasForwards = flags.contains(.hasForwards)
        if flags.contains(.hasExpiry) {
            guard let time = reader.time() else { return nil }
            settings.expires = time
        }
        if flags.contains(.hasName) {
            guard let name = reader.text() else { return nil }
            settings.name = name
        }
        if flags.contains(.hasDeliveryHeader) {
            guard let name = reader.text() else { return nil }
            settings.deliveryHeader = name
        }
        return settings
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
