import Delivery
import HTTP
import Testing
import Values
import Webhooks

@testable import MappedStore

@Suite struct DeliveryRecordsTests {
    /// All truncations of a record, and some other damage.
    private func damaged(_ bytes: [UInt8]) -> [[UInt8]] {
        (0..<bytes.count).map { Array(bytes.prefix($0)) } + longer(bytes)
    }

    private func longer(_ bytes: [UInt8]) -> [[UInt8]] {
        [bytes + [0], [0] + bytes.dropFirst(), [9] + bytes.dropFirst()]
    }

    private static let time = Timestamp(microseconds: 1_795_327_537_619_275)
    private static let id = UUID(bytes: 0..<16)

    private static let destinations = [
        Destination(number: 1, url: "", method: "", contentType: "", policy: .own(.schedule([]))),
        Destination(
            number: 300, url: "https://größe/", method: "DELETE", contentType: "a/b", sealedHeaders: [0, 0xff],
            keyring: 300, sealedSecret: [], policy: .own(.fixed(retries: 300, interval: 0.25)),
            limits: DestinationLimits(inFlight: 300, rate: 0.001, isOrdered: true),
            disabledUntil: Timestamp(microseconds: -1), disabledReason: ""),
        Destination(number: 2, url: "u", policy: .standard, disabledReason: "so"),
        Destination(number: 3, url: "u", policy: .fixed),
    ]

    @Test(arguments: destinations)
    func `a destination is read back, and damage is detected`(destination: Destination) {
        let bytes = DestinationRecord.encode(destination)
        #expect(DestinationRecord.decode(bytes, at: destination.number) == destination)
        for bytes in damaged(bytes) { #expect(DestinationRecord.decode(bytes, at: 1) == nil) }
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity])
    func `a time that is not finite is damage`(value: Double) {
        for policy in [RetryPolicy.fixed(retries: 1, interval: value), .schedule([1, value])] {
            let bytes = DestinationRecord.encode(Destination(number: 1, url: "u", policy: .own(policy)))
            #expect(DestinationRecord.decode(bytes, at: 1) == nil)
        }
        var state = DestinationState()
        state.health.openSeconds = value
        #expect(DestinationState(state.encoded) == nil)
    }

    private static let attempt = Attempt(
        requestHeaders: [HeaderField(name: "A", value: "ä")], status: 503,
        responseHeaders: [HeaderField(name: "B", value: ""), HeaderField(name: "", value: "c")],
        responseBody: [0, 0xff], isResponseTruncated: true,
        failure: Attempt.Failure(kind: .status, text: "the receiver answered 503"), durationMilliseconds: 300,
        triggeredAt: time)

    private static let lines =
        Attempt.ErrorKind.allCases.map { kind in
            Attempt(failure: Attempt.Failure(kind: kind, text: ""), triggeredAt: Timestamp(microseconds: -1))
        } + [attempt, Attempt(status: 200, triggeredAt: time)]

    private static func line(_ attempt: Attempt, trigger: Trigger = .scheduled) -> AttemptRecord {
        AttemptRecord(
            number: 300, destination: .max, payload: 0, eventID: "é", event: "job-created", count: .max,
            trigger: trigger, method: "POST", url: "http://x/", attempt: attempt,
            nextRetryAt: attempt.failure == nil ? nil : time, isFinal: attempt.failure == nil)
    }

    @Test(arguments: lines, Trigger.allCases)
    func `a log entry is read back, and damage is detected`(attempt: Attempt, trigger: Trigger) {
        let record = Self.line(attempt, trigger: trigger)
        let bytes = record.encoded
        #expect(AttemptRecord(bytes) == record && AttemptRecord.isWhole(bytes))
        for count in 0..<(bytes.count - attempt.responseBody.count) {
            #expect(AttemptRecord(Array(bytes.prefix(count))) == nil)
        }
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0xff
            _ = AttemptRecord(changed)
            #expect(!AttemptRecord.isWhole(changed))
        }
    }

    @Test func `impossible rates, limits and counters are damage`() {
        for rate in [-1, 1e7, 1e300] {
            let destination = Destination(
                number: 7, url: "http://x/", policy: .standard, limits: DestinationLimits(rate: rate))
            #expect(DestinationRecord.decode(DestinationRecord.encode(destination), at: 7) == nil)
        }
        let fixed = Destination(number: 7, url: "", policy: .fixed, limits: DestinationLimits(inFlight: 1))
        var bytes = DestinationRecord.encode(fixed)
        // After the version, the URL, the method, the type, two missing members, no keyring, and the policy.
        let offset = 1 + 1 + 5 + 17 + 1 + 1 + 1 + 1
        #expect(bytes[offset] == 1)
        bytes[offset] = 0
        #expect(DestinationRecord.decode(bytes, at: 7) == nil)
        for change in [\DestinationHealth.delivered, \.failedAttempts, \.windowAttempts, \.windowFailures] {
            var state = DestinationState()
            state.health[keyPath: change] = .max
            #expect(DestinationState(state.encoded) == nil)
        }
    }

    @Test func `the state of a destination is read back, and damage is detected`() {
        var full = DestinationState()
        full.health.delivered = 1
        full.health.failedAttempts = 300
        full.health.givenUp = 1 << 40
        full.health.failuresInRow = 4
        full.health.windowAttempts = 5
        full.health.windowFailures = 6
        full.health.windowStart = Timestamp(microseconds: -7)
        full.health.failingSince = Timestamp(microseconds: 8)
        full.health.givenUpSince = Timestamp(microseconds: 9)
        full.health.opensAt = Timestamp(microseconds: 10)
        full.health.openSeconds = 11.5
        full.health.rateFree = Timestamp(microseconds: 12)
        full.health.toldPercent = 90
        full.pending = 13
        full.head = Timestamp(microseconds: .min)
        full.gate = Timestamp(microseconds: .max)
        full.lastTriggered = Self.line(Attempt(status: 200, triggeredAt: Self.time)).summary
        full.lastErrored = Self.line(Self.attempt).summary
        for state in [DestinationState(), full] {
            #expect(DestinationState(state.encoded) == state)
            for bytes in damaged(state.encoded) { #expect(DestinationState(bytes) == nil) }
        }
    }

    @Test(arguments: [nil, "", "key"] as [String?], [[], [0xff], [UInt8](repeating: 1, count: 5000)] as [[UInt8]])
    func `a payload is read back, and damage is detected`(key: String?, body: [UInt8]) throws {
        let payload = Payload(
            number: 3, eventID: "e", idempotencyKey: key, event: "job-created", source: try #require(Self.id),
            body: body, receivedAt: Self.time)
        let bytes = PayloadRecord.encode(payload)
        #expect(PayloadRecord.decode(bytes, at: 3) == payload && PayloadRecord.isWhole(bytes))
        for count in 0..<min(bytes.count, 100) {
            _ = PayloadRecord.decode(Array(bytes.prefix(count)), at: 3)
            #expect(!PayloadRecord.isWhole(Array(bytes.prefix(count))))
        }
        for bytes in longer(bytes) { #expect(!PayloadRecord.isWhole(bytes)) }
    }

    @Test func `records from before operational events are read`() {
        var state = DestinationState()
        state.pending = 3
        #expect(DestinationState([1] + state.encoded.dropFirst().dropLast()) == state)
        var metrics = DeliveryMetricsRecord()
        metrics.metrics.reusedConnections = 7
        metrics.metrics.events[1] = 300
        #expect(DeliveryMetricsRecord(metrics.encoded) == metrics)
        let older = [1] + metrics.encoded.dropFirst().dropLast(7)
        metrics.metrics.events[1] = 0
        #expect(DeliveryMetricsRecord(older) == metrics)
    }

    @Test(arguments: Trigger.allCases, [Int64.min, -1, 0, 1_795_327_537_619_275, .max])
    func `a delivery is read back, and damage is detected`(trigger: Trigger, due: Int64) throws {
        let delivery = Delivery(
            number: 1, destination: 300, payload: .max, id: try #require(Self.id), trigger: trigger, isRepair: due > 0,
            attempts: .max, due: Timestamp(microseconds: due), owner: .max, created: Self.time)
        let (key, bytes) = (DeliveryKey(delivery), DeliveryRecord.encode(delivery))
        #expect(DeliveryRecord.decode(bytes, at: key) == delivery)
        #expect(DeliveryKey(keyBytes: key.keyBytes) == key)
        for bytes in damaged(bytes) { #expect(DeliveryRecord.decode(bytes, at: key) == nil) }
        for count in 0..<key.keyBytes.count { #expect(DeliveryKey(keyBytes: Array(key.keyBytes.prefix(count))) == nil) }
    }

    @Test func `deliveries sort by due time, even before 1970`() throws {
        let times = [Int64.min, -2, -1, 0, 1, 256, .max].map { Timestamp(microseconds: $0) }
        let keys = times.map { DeliveryKey(destination: 1, due: $0).keyBytes }
        for (earlier, later) in zip(keys, keys.dropFirst()) { #expect(earlier.lexicographicallyPrecedes(later)) }
        #expect(keys.map { DeliveryKey(keyBytes: $0)?.due } == times)
    }

    @Test(arguments: ["6cf47199-5abf-4ae3-a40d-9d6283d0ee21", "00000000-0000-0000-0000-000000000000"])
    func `the record of an event's id is read back, in every environment`(environment: String) throws {
        let key = EventKey(try #require(UUID(environment)), .id, "e")
        for record in [EventIDRecord(payload: 1, deliveries: 0), EventIDRecord(payload: 1 << 40, deliveries: 300)] {
            #expect(EventIDRecord.decode(EventIDRecord.encode(record), at: key) == record)
        }
        let routed = EventIDRecord(payload: 1 << 40)
        #expect(EventIDRecord.decode(EventIDRecord.encode(routed), at: EventKey(routed: "e")) == routed)
    }

    @Test func `a keyring is read back, and damage is detected`() {
        let keys = ["a", "é"].map {
            Keyring.Key(
                id: $0, algorithm: "ed25519", publicKey: "PEM\n", sealedPrivateKey: [0, 0xff], created: Self.time,
                signsFrom: Timestamp(microseconds: -1))
        }
        let keyring = Keyring(number: 4, keys: keys)
        let bytes = KeyringRecord.encode(keyring)
        #expect(KeyringRecord.decode(bytes, at: 4) == keyring)
        for bytes in damaged(bytes) { #expect(KeyringRecord.decode(bytes, at: 4) == nil) }
        #expect(KeyringRecord.decode(KeyringRecord.encode(Keyring(number: 1, keys: [])), at: 1) == nil)
    }

    @Test func `a webhook is read back, and damage is detected`() throws {
        let id = try #require(Self.id)
        let state = DestinationState()
        for description in [nil, "", "d"] {
            let webhook = Webhook(
                id: id, environment: id, name: "größe", description: description, events: ["a", "b"],
                headerNames: ["X-A"], destination: Self.destinations[0], created: Self.time,
                updated: Timestamp(microseconds: -1))
            let bytes = WebhookRecord(webhook).encoded
            #expect(WebhookRecord(bytes)?.webhook(Self.destinations[0], state) == webhook)
            for bytes in damaged(bytes) { #expect(WebhookRecord(bytes) == nil) }
        }
    }

    @Test func `the state of deliveries is read back, and damage is detected`() {
        var state = DeliveryState()
        (state.nextDestination, state.nextPayload, state.nextDelivery) = (1, 300, .max)
        (state.nextLog, state.nextKeyring, state.bytes) = (4, 5, 6)
        #expect(DeliveryState(state.encoded) == state)
        for bytes in damaged(state.encoded) { #expect(DeliveryState(bytes) == nil) }
    }
}
