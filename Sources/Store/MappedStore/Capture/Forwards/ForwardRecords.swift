internal import Capture
internal import Cryptography
internal import Delivery
internal import Values

/// A forward that is pending, at the time of its next attempt.
struct PendingForwardKey: TableKey, Hashable {
    let lane: ForwardLane
    let due: Timestamp
    let number: UInt64

    init(_ lane: ForwardLane, _ due: Timestamp, _ number: UInt64) {
        self.lane = lane
        self.due = due
        self.number = number
    }

    /// The first key that an endpoint can have.
    static func first(of endpoint: UInt64) -> PendingForwardKey {
        first(of: ForwardLane(endpoint: endpoint, target: 0))
    }

    /// The first key that a lane can have.
    static func first(of lane: ForwardLane) -> PendingForwardKey {
        PendingForwardKey(lane, Timestamp(microseconds: .min), 0)
    }

    func write(to writer: inout ByteWriter) {
        writer.fixed(lane.endpoint)
        writer.fixed(lane.target)
        writer.sortable(due)
        writer.fixed(number)
    }

    init?(from reader: inout ByteReader) {
        guard let endpoint = reader.fixed(), let target = reader.fixed(), let due = reader.sortableTime(),
            let number = reader.fixed()
        else { return nil }
        self.init(ForwardLane(endpoint: endpoint, target: target), due, number)
    }
}

/// A lane with pending forwards, by the time at which its first one is due.
struct ForwardHead: TableKey, Hashable {
    let due: Timestamp
    let lane: ForwardLane

    init(_ due: Timestamp, _ lane: ForwardLane) {
        self.due = due
        self.lane = lane
    }

    init(_ first: PendingForwardKey) { self.init(first.due, first.lane) }

    func write(to writer: inout ByteWriter) {
        writer.sortable(due)
        writer.fixed(lane.endpoint)
        writer.fixed(lane.target)
    }

    init?(from reader: inout ByteReader) {
        guard let due = reader.sortableTime(), let endpoint = reader.fixed(), let target = reader.fixed() else {
            return nil
        }
        self.init(due, ForwardLane(endpoint: endpoint, target: target))
    }
}

extension ForwardLane {
    init(_ endpoint: UInt64, _ url: String) {
        let digest = DigestAlgorithm.sha256.digest(of: Array(url.utf8)).prefix(8)
        self.init(endpoint: endpoint, target: digest.reduce(0) { $0 << 8 | UInt64($1) })
    }
}

/// The checksum at the end of a record that has URLs: a damaged one may be that of somebody else.
private enum ForwardSeal {
    static let version: UInt8 = 2
    /// The version of records without a checksum.
    private static let unsealedVersion: UInt8 = 1

    /// What follows the version, without the checksum; `nil` if the record is damaged.
    static func content(of span: RawSpan) -> ByteReader? {
        var bytes = copy(span)
        switch bytes.first {
        case version where isIntact(bytes): bytes.removeLast(4)
        case unsealedVersion: break
        default: return nil
        }
        return ByteReader(Array(bytes.dropFirst()))
    }
}

/// A forward as it is stored under its endpoint's number and its own.
enum ForwardRecord: TableRecord {
    static let name = "the record of a forward"

    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let isStanding = Flags(rawValue: 1)
        static let isBegun = Flags(rawValue: 2)
        static let isDelivered = Flags(rawValue: 4)
        static let isFailed = Flags(rawValue: 8)
        static let hasResult = Flags(rawValue: 16)
        static let known: UInt8 = 31
    }

    static func encode(_ forward: Forward) -> [UInt8] {
        var writer = ByteWriter(reserving: forward.url.utf8.count + 96 + (forward.last?.response.count ?? 0))
        var flags: Flags = []
        if forward.isStanding { flags.insert(.isStanding) }
        if forward.isBegun { flags.insert(.isBegun) }
        if forward.state == .delivered { flags.insert(.isDelivered) }
        if forward.state == .failed { flags.insert(.isFailed) }
        if forward.last != nil { flags.insert(.hasResult) }
        writer.byte(ForwardSeal.version)
        writer.byte(flags.rawValue)
        writer.number(forward.notification)
        writer.number(forward.group.lowerBound)
        writer.number(UInt64(forward.group.count))
        writer.fixed(forward.created.microseconds)
        writer.number(UInt64(forward.attempts))
        writer.fixed(forward.due.microseconds)
        writer.counted(forward.url.utf8)
        if let last = forward.last {
            writer.number(UInt64(last.status ?? 0))
            writer.byte(last.failure?.kind.rawValue ?? 0)
            if let failure = last.failure { writer.counted(failure.text.utf8) }
            writer.number(last.milliseconds)
            writer.fixed(last.at.microseconds)
            writer.rest(last.response)
        }
        writer.seal()
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at key: OwnedNumber) -> Forward? {
        guard var reader = ForwardSeal.content(of: span), let bits = reader.byte(), bits <= Flags.known,
            let notification = reader.number(), let first = reader.number(), let count = reader.number(),
            let created = reader.time(), let attempts = reader.number(), attempts < 1 << 32, let due = reader.time(),
            let url = reader.text(), first <= key.number, count <= 1 << 20, first < 1 << 62, key.number < first + count
        else { return nil }
        let flags = Flags(rawValue: bits)
        var forward = Forward(
            number: key.number, notification: notification, url: url, isStanding: flags.contains(.isStanding),
            group: first..<first + count, created: created, due: due)
        switch (flags.contains(.isDelivered), flags.contains(.isFailed)) {
        case (false, false): forward.state = .pending
        case (true, false): forward.state = .delivered
        case (false, true): forward.state = .failed
        case (true, true): return nil
        }
        forward.attempts = UInt32(attempts)
        forward.isBegun = flags.contains(.isBegun)
        guard flags.contains(.hasResult) else { return reader.isAtEnd ? forward : nil }
        guard let result = result(&reader) else { return nil }
        forward.last = result
        return forward
    }

    private static func result(_ reader: inout ByteReader) -> ForwardResult? {
        guard let status = reader.number(), status < 1000, let number = reader.byte() else { return nil }
        var failure: Attempt.Failure?
        if number != 0 {
            guard let kind = Attempt.ErrorKind(rawValue: number), let text = reader.text() else { return nil }
            failure = Attempt.Failure(kind: kind, text: text)
        }
        guard let milliseconds = reader.number(), let at = reader.time() else { return nil }
        var result = ForwardResult(
            status: status == 0 ? nil : Int(status), milliseconds: milliseconds, response: reader.rest(), at: at)
        result.failure = failure
        return result
    }
}

/// What an endpoint has to do with forwards, as it is stored in front of them.
struct ForwardingRecord: TableRecord {
    static let name = "the record of an endpoint's forwards"

    static func encode(_ forwarding: Forwarding) -> [UInt8] {
        var writer = ByteWriter(reserving: 64)
        writer.byte(ForwardSeal.version)
        for number in [
            forwarding.next, forwarding.pending, forwarding.bytes, forwarding.count, forwarding.missed,
            UInt64(forwarding.urls.count),
        ] {
            writer.number(number)
        }
        for url in forwarding.urls { writer.counted(url.utf8) }
        writer.seal()
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at endpoint: UInt64) -> Forwarding? {
        var forwarding = Forwarding()
        // Bounded so that increments cannot overflow.
        guard var reader = ForwardSeal.content(of: span), let next = reader.number(), (1..<1 << 62).contains(next),
            let pending = reader.number(), let bytes = reader.number(), bytes < 1 << 62,
            let count = reader.number(), count < 1 << 62, let missed = reader.number(), missed < 1 << 62,
            let urls = reader.number(), pending <= count
        else { return nil }
        forwarding.next = next
        forwarding.pending = pending
        forwarding.bytes = bytes
        forwarding.count = count
        forwarding.missed = missed
        for _ in 0..<min(urls, 1 << 20) {
            guard let url = reader.text() else { return nil }
            forwarding.urls.append(url)
        }
        return reader.isAtEnd ? forwarding : nil
    }
}

/// `ForwardMetrics` without what is pending.
struct ForwardMetricsRecord: KeylessRecord {
    typealias Key = RecordName
    static let name = "the metrics of forwards"

    var metrics: ForwardMetrics

    private static let version: UInt8 = 1

    init(_ metrics: ForwardMetrics) { self.metrics = metrics }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 40)
        writer.byte(Self.version)
        writer.number(metrics.missed)
        writer.number(UInt64(metrics.attempts.count))
        for count in metrics.attempts { writer.number(count) }
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        metrics = ForwardMetrics()
        guard reader.byte() == Self.version, let missed = reader.number(), let count = reader.number(),
            count <= UInt64(metrics.attempts.count)
        else { return nil }
        metrics.missed = missed
        for index in 0..<Int(count) {
            guard let value = reader.number() else { return nil }
            metrics.attempts[index] = value
        }
        guard reader.isAtEnd else { return nil }
    }
}
