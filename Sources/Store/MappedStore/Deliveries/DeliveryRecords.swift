internal import Delivery
internal import HTTP
internal import Values

/// A destination as stored; the key is its number. Version 1 has only the fields that webhooks need.
enum DestinationRecord: TableRecord {
    static let name = "a destination"

    private static let version: UInt8 = 2

    static func encode(_ destination: Destination) -> [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.byte(version)
        writer.counted(destination.url.utf8)
        writer.counted(destination.method.utf8)
        writer.counted(destination.contentType.utf8)
        writer.optional(destination.sealedHeaders)
        writer.optional(destination.sealedSecret)
        writer.number(destination.keyring ?? 0)
        switch destination.policy {
        case .own(.fixed(let retries, let interval)):
            writer.byte(1)
            writer.number(UInt64(max(0, retries)))
            writer.double(interval)
        case .own(.schedule(let waits)):
            writer.byte(2)
            writer.number(UInt64(waits.count))
            for wait in waits { writer.double(wait) }
        case .fixed: writer.byte(3)
        case .standard: writer.byte(4)
        case .events: writer.byte(5)
        }
        writer.number(UInt64(max(1, destination.limits.inFlight)))
        writer.double(destination.limits.rate ?? 0)
        writer.byte(destination.limits.isOrdered ? 1 : 0)
        writer.optional(destination.disabledUntil)
        writer.optional(destination.disabledReason)
        writer.optional(destination.disabledAt)
        writer.byte(destination.protocolKind.rawValue)
        writer.optional(destination.approvalPath)
        writer.byte(destination.consent == nil ? 0 : 1)
        writer.optional(destination.consent?.url)
        writer.number(UInt64(max(0, destination.consent?.rate ?? 0)))
        writer.optional(destination.shape)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at number: UInt64) -> Destination? {
        var reader = ByteReader(span)
        let version = reader.byte()
        guard version == 1 || version == Self.version, let url = reader.text(), let method = reader.text(),
            let contentType = reader.text(), let headers = reader.optionalBytes(), let secret = reader.optionalBytes(),
            let keyring = reader.number(), let policy = policy(&reader), let inFlight = reader.number(),
            (1...1_000_000).contains(inFlight), let rate = reader.double(), (0...1_000_000).contains(rate),
            let ordered = reader.byte(), let disabledUntil = reader.optionalTime(),
            let disabledReason = reader.optionalText()
        else { return nil }
        var destination = Destination(
            number: number, url: url, method: method, contentType: contentType, sealedHeaders: headers.value,
            keyring: keyring == 0 ? nil : keyring, sealedSecret: secret.value, policy: policy,
            limits: DestinationLimits(
                inFlight: Int(inFlight), rate: rate > 0 ? rate : nil, isOrdered: ordered != 0),
            disabledUntil: disabledUntil.value, disabledReason: disabledReason.value)
        if version == Self.version, !readMore(&reader, into: &destination) { return nil }
        return reader.isAtEnd ? destination : nil
    }

    private static func readMore(_ reader: inout ByteReader, into destination: inout Destination) -> Bool {
        guard let disabledAt = reader.optionalTime(), let kind = reader.byte().flatMap(ProtocolKind.init(rawValue:)),
            let approvalPath = reader.optionalText(), let hasConsent = reader.byte(),
            let consentedURL = reader.optionalText(), let rate = reader.number().flatMap({ Int(exactly: $0) }),
            let shape = reader.optionalBytes()
        else { return false }
        destination.disabledAt = disabledAt.value
        destination.protocolKind = kind
        destination.approvalPath = approvalPath.value
        if hasConsent != 0 { destination.consent = Consent(url: consentedURL.value, rate: rate == 0 ? nil : rate) }
        destination.shape = shape.value
        return true
    }

    private static func policy(_ reader: inout ByteReader) -> RetryChoice? {
        switch reader.byte() {
        case 1:
            guard let retries = reader.number(), retries <= 1_000_000, let interval = reader.double() else {
                return nil
            }
            return .own(.fixed(retries: Int(retries), interval: interval))
        case 2:
            guard let count = reader.number() else { return nil }
            var waits: [Double] = []
            for _ in 0..<count {
                guard let wait = reader.double() else { return nil }
                waits.append(wait)
            }
            return .own(.schedule(waits))
        case 3: return .fixed
        case 4: return .standard
        case 5: return .events
        default: return nil
        }
    }
}

/// The state of a destination as stored; the key is the destination's number.
struct DestinationState: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a destination's state"

    var health = DestinationHealth()
    /// How many deliveries have not ended, including those in flight.
    var pending: UInt64 = 0
    /// The time of its entry in the next-due index; `nil` if it has no entry.
    var head: Timestamp?
    /// The hold of an ordered destination: no attempt begins before this time, because the first delivery is in flight or
    /// waits for its retry.
    var gate: Timestamp?
    /// The log entries (`summary`) of the last attempt, and of the last attempt that failed.
    var lastTriggered: AttemptRecord?
    var lastErrored: AttemptRecord?

    /// Version 1 has no `toldPercent`.
    private static let versions: ClosedRange<UInt8> = 1...2

    init() {}

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 512)
        writer.byte(Self.versions.upperBound)
        for value in [
            health.delivered, health.failedAttempts, health.givenUp, health.failuresInRow, health.windowAttempts,
            health.windowFailures, pending,
        ] { writer.number(value) }
        writer.fixed(health.windowStart.microseconds)
        writer.double(health.openSeconds)
        for time in [health.failingSince, health.givenUpSince, health.opensAt, health.rateFree, head, gate] {
            writer.optional(time)
        }
        writer.optional(lastTriggered?.encoded)
        writer.optional(lastErrored?.encoded)
        writer.number(health.toldPercent)
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard let version = reader.byte(), Self.versions.contains(version) else { return nil }
        var numbers: [UInt64] = []
        for _ in 0..<7 {
            // Bounded so that increments cannot overflow.
            guard let number = reader.number(), number < 1 << 48 else { return nil }
            numbers.append(number)
        }
        guard let windowStart = reader.time(), let openSeconds = reader.double(), (0...1e9).contains(openSeconds) else {
            return nil
        }
        var times: [Timestamp?] = []
        for _ in 0..<6 {
            guard let time = reader.optionalTime() else { return nil }
            times.append(time.value)
        }
        guard let triggered = reader.optionalBytes(), let errored = reader.optionalBytes(),
            let toldPercent = version == 1 ? 0 : reader.number(), reader.isAtEnd
        else { return nil }
        health.toldPercent = toldPercent
        health.delivered = numbers[0]
        health.failedAttempts = numbers[1]
        health.givenUp = numbers[2]
        health.failuresInRow = numbers[3]
        health.windowAttempts = numbers[4]
        health.windowFailures = numbers[5]
        pending = numbers[6]
        health.windowStart = windowStart
        health.openSeconds = openSeconds
        (health.failingSince, health.givenUpSince, health.opensAt) = (times[0], times[1], times[2])
        (health.rateFree, head, gate) = (times[3], times[4], times[5])
        lastTriggered = triggered.value.flatMap { AttemptRecord(sealed: $0) }
        lastErrored = errored.value.flatMap { AttemptRecord(sealed: $0) }
        guard (triggered.value == nil) == (lastTriggered == nil), (errored.value == nil) == (lastErrored == nil) else {
            return nil
        }
    }
}

/// A payload as stored; the key is its number.
enum PayloadRecord: TableRecord {
    static let name = "a payload"

    private static let version: UInt8 = 1

    static func encode(_ payload: Payload) -> [UInt8] {
        var writer = ByteWriter(reserving: payload.body.count + 128)
        writer.byte(version)
        writer.fixed(payload.receivedAt.microseconds)
        writer.rest(payload.source.bytes)
        writer.counted(payload.eventID.utf8)
        writer.optional(payload.idempotencyKey)
        writer.counted(payload.event.utf8)
        writer.rest(payload.body)
        writer.seal()
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at number: UInt64) -> Payload? {
        guard span.byteCount >= 4 else { return nil }
        var reader = ByteReader(span.extracting(droppingLast: 4))
        guard reader.byte() == version, let receivedAt = reader.time(), let source = reader.uuid(),
            let eventID = reader.text(), let idempotencyKey = reader.optionalText(), let event = reader.text()
        else { return nil }
        return Payload(
            number: number, eventID: eventID, idempotencyKey: idempotencyKey.value, event: event, source: source,
            body: reader.rest(), receivedAt: receivedAt)
    }
}

/// The number of a delivery's destination, the time at which it is due, and its own number.
struct DeliveryKey: TableKey, Hashable {
    let destination: UInt64
    let due: Timestamp
    let number: UInt64

    init(_ delivery: Delivery) {
        self.init(destination: delivery.destination, due: delivery.due, number: delivery.number)
    }

    /// - Parameter due: by default, the key is before those of all the destination's deliveries.
    init(destination: UInt64, due: Timestamp = Timestamp(microseconds: .min), number: UInt64 = 0) {
        self.destination = destination
        self.due = due
        self.number = number
    }

    func write(to writer: inout ByteWriter) {
        writer.fixed(destination)
        writer.sortable(due)
        writer.fixed(number)
    }

    init?(from reader: inout ByteReader) {
        guard let destination = reader.fixed(), let due = reader.sortableTime(), let number = reader.fixed() else {
            return nil
        }
        self.init(destination: destination, due: due, number: number)
    }
}

/// A delivery as stored; its key is a `DeliveryKey`.
enum DeliveryRecord: TableRecord {
    static let name = "a delivery"

    private static let version: UInt8 = 1
    /// A bit in the trigger's byte.
    private static let repairFlag: UInt8 = 0x80

    static func encode(_ delivery: Delivery) -> [UInt8] {
        var writer = ByteWriter(reserving: 48)
        writer.byte(version)
        writer.rest(delivery.id.bytes)
        writer.byte(delivery.trigger.rawValue | (delivery.isRepair ? repairFlag : 0))
        writer.number(delivery.payload)
        writer.number(UInt64(delivery.attempts))
        writer.fixed(delivery.owner)
        writer.fixed(delivery.created.microseconds)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at key: DeliveryKey) -> Delivery? {
        var reader = ByteReader(span)
        guard reader.byte() == version, let id = reader.uuid(),
            let kind = reader.byte(), let trigger = Trigger(rawValue: kind & ~repairFlag),
            let payload = reader.number(), let attempts = reader.number().flatMap({ UInt32(exactly: $0) }),
            let owner = reader.fixed(), let created = reader.time(), reader.isAtEnd
        else { return nil }
        return Delivery(
            number: key.number, destination: key.destination, payload: payload, id: id, trigger: trigger,
            isRepair: kind & repairFlag != 0, attempts: attempts, due: key.due, owner: owner, created: created)
    }
}

/// A keyring as stored; the key is its number.
enum KeyringRecord: TableRecord {
    static let name = "a keyring"

    private static let version: UInt8 = 1

    static func encode(_ keyring: Keyring) -> [UInt8] {
        var writer = ByteWriter(reserving: 512)
        writer.byte(version)
        writer.number(UInt64(keyring.keys.count))
        for key in keyring.keys {
            for text in [key.id, key.algorithm, key.publicKey] { writer.counted(text.utf8) }
            writer.counted(key.sealedPrivateKey)
            writer.fixed(key.created.microseconds)
            writer.fixed(key.signsFrom.microseconds)
        }
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at number: UInt64) -> Keyring? {
        var reader = ByteReader(span)
        guard reader.byte() == version, let count = reader.number() else { return nil }
        var keys: [Keyring.Key] = []
        for _ in 0..<count {
            guard let id = reader.text(), let algorithm = reader.text(), let publicKey = reader.text(),
                let sealed = reader.counted(), let created = reader.time(), let signsFrom = reader.time()
            else { return nil }
            keys.append(
                Keyring.Key(
                    id: id, algorithm: algorithm, publicKey: publicKey, sealedPrivateKey: sealed, created: created,
                    signsFrom: signsFrom))
        }
        return reader.isAtEnd && !keys.isEmpty ? Keyring(number: number, keys: keys) : nil
    }
}

/// The state that all deliveries share: the next numbers, and totals.
struct DeliveryState: Equatable, KeylessRecord {
    typealias Key = RecordName
    static let name = "the state of deliveries"

    var nextDestination: UInt64 = 1
    var nextPayload: UInt64 = 1
    var nextDelivery: UInt64 = 1
    var nextLog: UInt64 = 1
    var nextKeyring: UInt64 = 1
    /// The bytes of all payloads and log entries.
    var bytes: UInt64 = 0
    /// How many deliveries have not ended, and how many of them are in flight.
    var pending: UInt64 = 0
    var inFlight: UInt64 = 0

    private static let version: UInt8 = 1

    init() {}

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 48)
        writer.byte(Self.version)
        for value in [nextDestination, nextPayload, nextDelivery, nextLog, nextKeyring, bytes, pending, inFlight] {
            writer.number(value)
        }
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let destination = reader.number(), let payload = reader.number(),
            let delivery = reader.number(), let log = reader.number(), let keyring = reader.number(),
            let bytes = reader.number(), let pending = reader.number(), let inFlight = reader.number(), reader.isAtEnd
        else { return nil }
        (self.pending, self.inFlight) = (pending, inFlight)
        (nextDestination, nextPayload, nextDelivery) = (destination, payload, delivery)
        (nextLog, nextKeyring, self.bytes) = (log, keyring, bytes)
    }
}
