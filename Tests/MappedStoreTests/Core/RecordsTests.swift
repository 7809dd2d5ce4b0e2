import Capture
import Encodings
import HTTP
import Testing
import Values

@testable import MappedStore

/// `Testing` has a type of this name too.
private typealias Confirmation = Capture.Confirmation

@Suite struct ByteCodingTests {
    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 1 << 35, UInt64.max - 1, .max])
    func `a number is read back, and a larger one sorts after it`(number: UInt64) {
        var writer = ByteWriter()
        writer.number(number)
        writer.fixed(number)
        var reader = ByteReader(writer.bytes)
        #expect(reader.number() == number && reader.fixed() == number && reader.isAtEnd)
        if number < .max { #expect(key(number).lexicographicallyPrecedes(key(number + 1))) }
    }

    @Test func `missing bytes are not read`() {
        var reader = ByteReader([0x80, 0x80])
        #expect(reader.number() == nil)
        var short = ByteReader([1, 2, 3])
        #expect(short.fixed() == nil && short.take(4) == nil && short.byte() == 1)
        #expect(short.rest() == [2, 3] && short.byte() == nil && short.rest() == [])
        var long = ByteReader([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])
        #expect(long.number() == nil)
        var counted = ByteReader([3, 1, 2])
        #expect(counted.counted() == nil)
        var text = ByteReader([2, 0xc3, 0x28])
        #expect(text.text() == nil)
    }
}

@Suite struct RecordsTests {
    private static let id = Endpoint.ID(bytes: (0..<24).map { $0 })

    private func record(_ endpoint: Endpoint) -> EndpointRecord {
        EndpointRecord(endpoint: endpoint, indexedUse: Timestamp(microseconds: -5))
    }

    private func endpoint() throws -> Endpoint {
        Endpoint(
            id: try #require(Self.id), number: 9, isEnabled: false, takesSubpaths: true,
            created: Timestamp(microseconds: -1),
            lastUsed: Timestamp(microseconds: .max), uncollected: 300, next: 70_000, bytes: 1 << 40)
    }

    @Test(arguments: [ConfirmationReference.to((0..<32).map { $0 }), .refusedURL, .tooMany])
    func `a notification that asks for a confirmation is read back`(reference: ConfirmationReference) throws {
        var notification = notification(.binary, query: [1])
        notification.outcome = SenderOutcome(
            answeredBy: "recipe:sns", status: 200, verdict: nil, confirmation: reference)
        let bytes = NotificationRecord.encode(notification)
        #expect(NotificationRecord.decode(bytes) == notification)
        for bytes in damaged(Array(bytes.dropLast(3))) { #expect(NotificationRecord.decode(bytes) == nil) }
        #expect(unsafe NotificationRecord.weight(bytes.span.bytes) == bytes.count + 300)
    }

    @Test(arguments: [nil, ConfirmationReference.tooMany])
    func `a notification that is an attempt of a delivery is read back`(reference: ConfirmationReference?) throws {
        for kind in [BodyReading.Kind.text, .binary] {
            var notification = notification(kind, query: [1])
            #expect(unsafe NotificationRecord.delivery(NotificationRecord.encode(notification).span.bytes) == nil)
            notification.delivery = SenderDelivery(bytes: (0..<16).map { $0 })
            #expect(notification.delivery != nil)
            if let reference {
                notification.outcome = SenderOutcome(
                    answeredBy: nil, status: 200, verdict: nil, confirmation: reference)
            }
            let bytes = NotificationRecord.encode(notification)
            #expect(NotificationRecord.decode(bytes) == notification)
            #expect(unsafe NotificationRecord.delivery(bytes.span.bytes) == notification.delivery)
            let weight = unsafe NotificationRecord.weight(bytes.span.bytes)
            #expect(weight == bytes.count + (kind == .binary ? 300 : 0))
            for bytes in damaged(Array(bytes.dropLast(3))) { #expect(NotificationRecord.decode(bytes) == nil) }
        }
    }

    @Test func `an endpoint's delivery header is read back`() throws {
        for hasReceiver in [false, true] {
            var endpoint = try endpoint()
            endpoint.settings.deliveryHeader = "X-Delivery"
            endpoint.settings.hasReceiver = hasReceiver
            let bytes = EndpointRecord.encode(record(endpoint))
            #expect(unsafe EndpointRecord.decode(bytes.span.bytes, at: 9)?.endpoint == endpoint)
            var unknown = bytes
            unknown[2] |= 4
            #expect(unsafe EndpointRecord.decode(unknown.span.bytes, at: 9) == nil)
        }
    }

    @Test func `a confirmation is read back under its own key only`() throws {
        let url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"
        let moment = Moment(wall: Timestamp(microseconds: -7), steady: Timestamp(microseconds: 8))
        var confirmation = try #require(Confirmation(url: url, at: moment))
        for state in Confirmation.State.allCases {
            confirmation.state = state
            confirmation.attempts = 300
            (confirmation.status, confirmation.error) = state == .pending ? (nil, nil) : (503, "e")
            let bytes = ConfirmationRecord.encode(confirmation)
            let key = ConfirmationKey(7, confirmation.id)
            #expect(unsafe ConfirmationRecord.decode(bytes.span.bytes, at: key) == confirmation)
            #expect(unsafe ConfirmationRecord.decode(bytes.span.bytes, at: .first(of: 7)) == nil)
            #expect(ConfirmationKey(keyBytes: key.keyBytes) == key)
            let due = DueConfirmation(confirmation.due, key)
            #expect(DueConfirmation(keyBytes: due.keyBytes) == due)
        }
    }

    private func notification(_ kind: BodyReading.Kind, query: [UInt8]?) -> Notification {
        var fields = FieldList()
        fields.append(name: [0xff], value: [])
        fields.append(name: "A".utf8, value: [UInt8](repeating: 1, count: 300))
        return Notification(
            method: "POST", called: query.map { CalledURL(isSecure: true, host: $0, path: [0x2f, 0x80]) },
            path: [0x2f, 0xff], query: query, fields: fields, body: [0, 1, 2],
            reading: kind == .text
                ? BodyReading(kind: kind)
                : BodyReading(coding: .deflate, decodedBytes: 300, kind: kind, fault: .incompleteData),
            receivedAt: Timestamp(microseconds: -7), remote: query == nil ? nil : "::1")
    }

    /// All truncations of a record.
    private func damaged(_ bytes: [UInt8]) -> [[UInt8]] { (0..<bytes.count).map { Array(bytes.prefix($0)) } }

    @Test func `an endpoint is read back, and damage is detected`() throws {
        let bytes = EndpointRecord.encode(record(try endpoint()))
        let found = try #require(EndpointRecord.decode(bytes, at: 9))
        #expect(try found.endpoint == endpoint())
        #expect(found.indexedUse == Timestamp(microseconds: -5))
        for bytes in damaged(bytes) + [bytes + [0], [2] + bytes.dropFirst(), [1, 4] + bytes.dropFirst(2)] {
            #expect(EndpointRecord.decode(bytes, at: 9) == nil)
        }
    }

    @Test(arguments: 0..<64)
    func `the settings of an endpoint are read back, and damage is detected`(bits: Int) throws {
        var endpoint = try endpoint()
        if bits & 1 != 0 { endpoint.settings.overflow = .dropOldest }
        if bits & 2 != 0 { endpoint.settings.isOpenToPages = true }
        if bits & 4 != 0 { endpoint.settings.isPinned = true }
        if bits & 8 != 0 { endpoint.settings.expires = Timestamp(microseconds: 70_000) }
        if bits & 16 != 0 { endpoint.settings.name = "orders" }
        if bits & 32 != 0 { endpoint.settings.hasReceiver = true }
        let bytes = EndpointRecord.encode(record(endpoint))
        #expect(EndpointRecord.decode(bytes, at: 9)?.endpoint == endpoint)
        for bytes in damaged(bytes) + [bytes + [0], [4] + bytes.dropFirst()] {
            #expect(EndpointRecord.decode(bytes, at: 9) == nil)
        }
    }

    @Test(arguments: [nil, [], [1, 2, 3]] as [[UInt8]?])
    func `the receiver of an endpoint is read back, and damage is detected`(secrets: [UInt8]?) {
        let receiver = StoredReceiver(
            version: 7, settings: Array("{}".utf8), sealedSecrets: secrets, positions: [0: 1, 99: 12])
        let bytes = ReceiverRecord.encode(receiver)
        #expect(ReceiverRecord.decode(bytes, at: 1) == receiver)
        for count in 0..<bytes.count - 2 {
            #expect(ReceiverRecord.decode(Array(bytes[..<count]), at: 1) == nil)
        }
    }

    @Test(arguments: [(0, 0), (5, 4), (0, 1)] as [(UInt64, UInt64)])
    func `an endpoint with more collected than received notifications is damaged`(uncollected: UInt64, next: UInt64)
        throws
    {
        var endpoint = try endpoint()
        (endpoint.uncollected, endpoint.next) = (uncollected, next)
        #expect(EndpointRecord.decode(EndpointRecord.encode(record(endpoint)), at: 9) == nil)
    }

    @Test(arguments: [Int64.min, -1, 0, 1, .max])
    func `keys by use sort by time, even before 1970`(time: Int64) throws {
        let key = TimedNumber(Timestamp(microseconds: time), 3)
        #expect(TimedNumber(keyBytes: key.keyBytes) == key)
        if time < .max {
            let next = TimedNumber(Timestamp(microseconds: time + 1), 0)
            #expect(key.keyBytes.lexicographicallyPrecedes(next.keyBytes))
        }
        #expect(TimedNumber(keyBytes: key.keyBytes + [0]) == nil)
        #expect(TimedNumber(keyBytes: Array(key.keyBytes.dropLast())) == nil)
    }

    @Test(
        arguments: [(.text, nil), (.binary, []), (.encodedText("latin1"), [0x61])]
            as [(BodyReading.Kind, [UInt8]?)])
    func `a notification is read back, and truncation is detected`(kind: BodyReading.Kind, query: [UInt8]?) {
        let notification = notification(kind, query: query)
        let bytes = NotificationRecord.encode(notification)
        #expect(NotificationRecord.decode(bytes) == notification)
        for bytes in damaged(Array(bytes.dropLast(3))) { #expect(NotificationRecord.decode(bytes) == nil) }
        #expect(NotificationRecord.decode(([9] + bytes.dropFirst())) == nil)
    }

    @Test func `a notification of an older layout is read back`() throws {
        // Of a request with a query, one field, and a body in latin1.
        let bytes: [UInt8] =
            [1] + key(7) + [1, 0x50, 0, 1, 0x2f, 1, 1, 0x71, 1, 1, 0x48, 1, 0x76, 2, 6] + Array("latin1".utf8)
            + [0xe9, 0, 0, 0, 0]
        let found = try #require(NotificationRecord.decode(bytes))
        var fields = FieldList()
        fields.append(name: [0x48], value: [0x76])
        #expect(
            found
                == Notification(
                    method: "P", path: [0x2f], query: [0x71], fields: fields, body: [0xe9],
                    reading: BodyReading(kind: .encodedText("latin1")), receivedAt: Timestamp(microseconds: 7)))
        let weight = unsafe NotificationRecord.weight(bytes.span.bytes)
        #expect(weight == bytes.count)
    }

    @Test func `a compressed body counts as it was sent, and decompressed`() {
        let body = [UInt8](repeating: 0, count: 10)
        let reading = BodyReading(coding: .gzip, decodedBytes: 70_000)
        let bytes = NotificationRecord.encode(
            Notification(method: "POST", body: body, reading: reading, receivedAt: Timestamp(microseconds: 0)))
        let weight = unsafe NotificationRecord.weight(bytes.span.bytes)
        #expect(weight == bytes.count + 70_000)
    }

    @Test func `a notification with an impossible number of fields is damaged`() {
        let head: [UInt8] = [1] + key(0) + [0, 0, 0, 0]
        let bytes = head + [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
        #expect(NotificationRecord.decode((bytes + [0, 0])) == nil)
        #expect(NotificationRecord.decode((head + [0, 7])) == nil)
    }

    @Test func `the outcome of a request is read back, and damage is detected`() throws {
        let outcomes: [Outcome] = [
            .stored, .created(try #require(Self.id)), .collected(endpoint: 1, first: 300, end: .max), .done,
            .read(queue: 300, cursor: 7, end: 1 << 40), .read(queue: 1, cursor: 7, end: 7),
        ]
        for outcome in outcomes { #expect(Outcome(outcome.encoded) == outcome) }
        for bytes in [[], [0], [6], [2, 1], [3, 1], [3, 1, 2], [5, 1], [5, 1, 2], [5, 1, 2, 0x80], [5, 1, 3, 2]]
            as [[UInt8]]
        {
            #expect(Outcome(bytes) == nil)
        }
    }

    @Test func `counters are read back, and truncation is detected`() {
        var state = CaptureState()
        for (index, event) in CaptureEvent.allCases.enumerated() { state.counters[event] = UInt64(index) << 40 }
        state.nextEndpoint = 77
        #expect(CaptureState(state.encoded) == state)
        for bytes in damaged(state.encoded) { #expect(CaptureState(bytes) == nil) }
    }
}
