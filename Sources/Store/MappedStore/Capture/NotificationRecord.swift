internal import Capture
internal import Encodings
internal import HTTP
internal import Values

/// A notification as it is stored under its endpoint's number and its own.
enum NotificationRecord: TableRecord {
    static let name = "a notification's record"

    /// A record of layout 7 or earlier. Its body is decompressed, and it lacks the URL.
    private static let decodedVersion: UInt8 = 1
    private static let version: UInt8 = 2

    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let hasQuery = Flags(rawValue: 1)
        static let hasURL = Flags(rawValue: 2)
        static let isSecure = Flags(rawValue: 4)
        static let hasHost = Flags(rawValue: 8)
        static let isCompressed = Flags(rawValue: 16)
        static let hasFault = Flags(rawValue: 32)
        static let hasOutcome = Flags(rawValue: 64)
        /// A byte with more flags follows.
        static let hasMore = Flags(rawValue: 128)
    }

    private struct MoreFlags: OptionSet {
        let rawValue: UInt8
        static let hasConfirmation = MoreFlags(rawValue: 1)
        static let hasDelivery = MoreFlags(rawValue: 2)
        static let known: UInt8 = 3
    }

    static func encode(_ notification: Notification) -> [UInt8] {
        var writer = ByteWriter(reserving: notification.body.count + 1024)
        let (reading, called) = (notification.reading, notification.called)
        var flags: Flags = []
        if notification.query != nil { flags.insert(.hasQuery) }
        if called != nil { flags.insert(.hasURL) }
        if called?.isSecure == true { flags.insert(.isSecure) }
        if called?.host != nil { flags.insert(.hasHost) }
        if reading.coding != nil { flags.insert(.isCompressed) }
        if reading.fault != nil { flags.insert(.hasFault) }
        if notification.outcome != nil { flags.insert(.hasOutcome) }
        var more: MoreFlags = []
        if notification.outcome?.confirmation != nil { more.insert(.hasConfirmation) }
        if notification.delivery != nil { more.insert(.hasDelivery) }
        if !more.isEmpty { flags.insert(.hasMore) }
        writer.byte(version)
        writer.byte(flags.rawValue)
        if !more.isEmpty { writer.byte(more.rawValue) }
        // In front, where `delivery` reads it.
        if let delivery = notification.delivery { writer.rest(delivery.bytes) }
        if let coding = reading.coding {
            // In front, where `weight` reads it.
            writer.number(UInt64(reading.decodedBytes))
            writer.byte(coding == .gzip ? 1 : 2)
        }
        if let fault = reading.fault { writer.byte(fault.rawValue) }
        if let outcome = notification.outcome {
            writer.number(UInt64(outcome.status))
            writer.optional(outcome.answeredBy)
            writer.optional(outcome.verdict)
            if let confirmation = outcome.confirmation { write(confirmation, to: &writer) }
        }
        writer.fixed(notification.receivedAt.microseconds)
        writer.counted(notification.method.utf8)
        writer.counted((notification.remote ?? "").utf8)
        if let called { writer.counted(called.path) }
        if let host = called?.host { writer.counted(host) }
        writer.counted(notification.path)
        if let query = notification.query { writer.counted(query) }
        writer.number(UInt64(notification.fields.count))
        for index in 0..<notification.fields.count {
            writer.counted(notification.fields.name(at: index))
            writer.counted(notification.fields.value(at: index))
        }
        switch reading.kind {
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

    /// The bytes of a record, and those of its decompressed body if that is not stored.
    static func weight(_ span: RawSpan) -> Int {
        var reader = ByteReader(span.extracting(first: min(span.byteCount, 12 + SenderDelivery.byteCount)))
        guard reader.byte() == version, let flags = reader.byte().map(Flags.init), flags.contains(.isCompressed),
            let more = more(flags, &reader),
            !more.contains(.hasDelivery) || reader.take(SenderDelivery.byteCount) != nil,
            let decoded = reader.number(), decoded < 1 << 40
        else { return span.byteCount }
        return span.byteCount + Int(decoded)
    }

    /// What a record says it is an attempt of; `nil` if it does not.
    static func delivery(_ span: RawSpan) -> SenderDelivery? {
        let bytes = 3 + SenderDelivery.byteCount
        guard span.byteCount > bytes,
            Flags(rawValue: unsafe span.unsafeLoad(fromByteOffset: 1, as: UInt8.self)).contains(.hasMore)
        else { return nil }
        var reader = ByteReader(span.extracting(first: bytes))
        guard reader.byte() == version, let flags = reader.byte().map(Flags.init),
            more(flags, &reader)?.contains(.hasDelivery) == true
        else { return nil }
        return SenderDelivery(bytes: reader.rest())
    }

    /// The flags of the second byte, if the first one says that it is there.
    private static func more(_ flags: Flags, _ reader: inout ByteReader) -> MoreFlags? {
        guard flags.contains(.hasMore) else { return [] }
        guard let bits = reader.byte(), (1...MoreFlags.known).contains(bits) else { return nil }
        return MoreFlags(rawValue: bits)
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
        guard let head = Head(&reader), let fields = Self.fields(&reader), let kind = Self.kind(&reader) else {
            return nil
        }
        let bodyBytes = reader.leftBytes
        guard let body = reader.take(min(bodyLimit, bodyBytes)) else { return nil }
        var notification = Notification(
            method: head.method, called: head.called, path: head.path, query: head.query, fields: fields, body: body,
            reading: BodyReading(
                coding: head.coding, decodedBytes: head.decodedBytes, kind: kind, fault: head.fault),
            receivedAt: Timestamp(microseconds: head.receivedAt), remote: head.remote.isEmpty ? nil : head.remote,
            outcome: head.outcome)
        notification.delivery = head.delivery
        return (notification, bodyBytes)
    }

    /// What comes before the header fields.
    private struct Head {
        var coding: ContentCoding?
        var decodedBytes = 0
        var fault: BodyFault?
        var outcome: SenderOutcome?
        var delivery: SenderDelivery?
        let receivedAt: Int64
        let method: String
        let remote: String
        var called: CalledURL?
        let path: [UInt8]
        var query: [UInt8]?

        init?(_ reader: inout ByteReader) {
            let version = reader.byte()
            var flags: Flags = []
            if version == NotificationRecord.version {
                guard let bits = reader.byte() else { return nil }
                flags = Flags(rawValue: bits)
                guard let more = NotificationRecord.more(flags, &reader) else { return nil }
                if more.contains(.hasDelivery) {
                    guard let bytes = reader.take(SenderDelivery.byteCount) else { return nil }
                    delivery = SenderDelivery(bytes: bytes)
                }
                if flags.contains(.isCompressed) {
                    guard let bytes = reader.number(), bytes < 1 << 40, let number = reader.byte(),
                        (1...2).contains(number)
                    else { return nil }
                    (coding, decodedBytes) = (number == 1 ? .gzip : .deflate, Int(bytes))
                }
                if flags.contains(.hasFault) {
                    guard let found = reader.byte().flatMap(BodyFault.init) else { return nil }
                    fault = found
                }
                if flags.contains(.hasOutcome) {
                    guard let status = reader.number(), status < 1000, let answeredBy = reader.optionalText(),
                        let verdict = reader.optionalBytes()
                    else { return nil }
                    outcome = SenderOutcome(
                        answeredBy: answeredBy.value, status: Int(status), verdict: verdict.value)
                    if more.contains(.hasConfirmation) {
                        guard let confirmation = NotificationRecord.confirmation(&reader) else { return nil }
                        outcome?.confirmation = confirmation
                    }
                }
            } else if version != decodedVersion {
                return nil
            }
            guard let receivedAt = reader.fixedSigned(), let method = reader.text(), let remote = reader.text() else {
                return nil
            }
            (self.receivedAt, self.method, self.remote) = (receivedAt, method, remote)
            if flags.contains(.hasURL) {
                guard let path = reader.counted() else { return nil }
                var host: [UInt8]?
                if flags.contains(.hasHost) {
                    guard let bytes = reader.counted() else { return nil }
                    host = bytes
                }
                called = CalledURL(isSecure: flags.contains(.isSecure), host: host, path: path)
            }
            guard let path = reader.counted() else { return nil }
            self.path = path
            if version == decodedVersion {
                guard let hasQuery = reader.byte() else { return nil }
                if hasQuery != 0 { flags.insert(.hasQuery) }
            }
            if flags.contains(.hasQuery) {
                guard let bytes = reader.counted() else { return nil }
                query = bytes
            }
        }
    }

    private static func write(_ confirmation: ConfirmationReference, to writer: inout ByteWriter) {
        switch confirmation {
        case .to(let id):
            writer.byte(1)
            NameDigest(padding: id).write(to: &writer)
        case .refusedURL: writer.byte(2)
        case .tooMany: writer.byte(3)
        }
    }

    private static func confirmation(_ reader: inout ByteReader) -> ConfirmationReference? {
        switch reader.byte() {
        case 1: NameDigest(from: &reader).map { .to($0.bytes) }
        case 2: .refusedURL
        case 3: .tooMany
        default: nil
        }
    }

    private static func fields(_ reader: inout ByteReader) -> FieldList? {
        guard let count = reader.number() else { return nil }
        var fields = FieldList()
        for _ in 0..<count {
            guard let name = reader.counted(), let value = reader.counted() else { return nil }
            fields.append(name: name, value: value)
        }
        return fields
    }

    private static func kind(_ reader: inout ByteReader) -> BodyReading.Kind? {
        switch reader.byte() {
        case 0: .text
        case 1: .binary
        case 2: reader.text().map { .encodedText($0) }
        default: nil
        }
    }
}
