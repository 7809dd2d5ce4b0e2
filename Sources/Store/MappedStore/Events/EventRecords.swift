internal import Delivery
internal import Events
internal import HTTP
internal import JSONPath
internal import Values

/// A subscription without its destination, as stored; the key is the destination's number.
struct SubscriptionRecord: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a subscription"

    let id: UUID
    /// The revision of the last change of its expression.
    let revision: UInt64
    let dialect: JSONPath.Dialect?
    let user: String
    let name: String
    let expression: String
    let version: String
    let sealedAuth: [UInt8]?
    let sealedTarget: [UInt8]?
    let target: String
    let created: Timestamp
    let updated: Timestamp

    private static let version: UInt8 = 1

    init(_ subscription: Subscription, revision: UInt64) {
        self.revision = revision
        id = subscription.id
        dialect = subscription.dialect
        user = subscription.user
        name = subscription.name
        expression = subscription.expression
        version = subscription.version
        sealedAuth = subscription.sealedAuth
        sealedTarget = subscription.sealedTarget
        target = subscription.target
        created = subscription.created
        updated = subscription.updated
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.byte(Self.version)
        writer.rest(id.bytes)
        writer.number(revision)
        writer.byte(Self.word(dialect))
        for text in [user, name, expression, version] { writer.counted(text.utf8) }
        writer.optional(sealedAuth)
        writer.optional(sealedTarget)
        writer.counted(target.utf8)
        writer.fixed(created.microseconds)
        writer.fixed(updated.microseconds)
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let id = reader.uuid(), let revision = reader.number(),
            let dialect = reader.byte().flatMap(Self.dialect(word:)), let user = reader.text(),
            let name = reader.text(), let expression = reader.text(), let version = reader.text(),
            let auth = reader.optionalBytes(), let sealedTarget = reader.optionalBytes(), let target = reader.text(),
            let created = reader.time(), let updated = reader.time(), reader.isAtEnd
        else { return nil }
        (self.id, self.revision, self.dialect, self.user) = (id, revision, dialect.value, user)
        (self.name, self.expression, self.version) = (name, expression, version)
        (sealedAuth, self.sealedTarget, self.target) = (auth.value, sealedTarget.value, target)
        (self.created, self.updated) = (created, updated)
    }

    /// The subscription with its destination; `nil` if the destination's record is not that of a subscription.
    func subscription(_ destination: Destination) -> Subscription? {
        guard let shape = Subscription.shape(of: destination) else { return nil }
        return Subscription(
            id: id, user: user, name: name, expression: expression, dialect: dialect, version: version,
            extensions: shape.extensions, sealedAuth: sealedAuth, sealedTarget: sealedTarget, target: target,
            format: shape.format, destination: destination, created: created, updated: updated)
    }

    /// Reads only the expression, for matching: damage in the rest of the record does not keep the subscription from being
    /// matched.
    static func expression(_ span: RawSpan) -> Expression? {
        var reader = ByteReader(span)
        guard reader.byte() == version, reader.take(16) != nil, reader.number() != nil,
            let dialect = reader.byte().flatMap(dialect(word:)), reader.counted() != nil, reader.counted() != nil,
            let text = reader.text()
        else { return nil }
        return Expression(text: text, dialect: dialect.value)
    }

    /// Reads only the user's name.
    static func user(_ span: RawSpan) -> [UInt8]? {
        var reader = ByteReader(span)
        guard reader.byte() == version, reader.take(16) != nil, reader.number() != nil, reader.byte() != nil else {
            return nil
        }
        return reader.counted()
    }

    private static func word(_ dialect: JSONPath.Dialect?) -> UInt8 {
        switch dialect {
        case nil: 0
        case .legacy: 1
        case .rfc9535: 2
        }
    }

    private static func dialect(word: UInt8) -> Presence<JSONPath.Dialect>? {
        switch word {
        case 0: .absent
        case 1: .present(.legacy)
        case 2: .present(.rfc9535)
        default: nil
        }
    }
}

/// The matches of an event, as stored; the key is the number of its payload.
struct RoutedEventRecord: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a routed event"

    /// The numbers of the matched subscriptions, in ascending order; `nil` until the event has been matched.
    var matched: [UInt64]?
    /// Whether another system routed the event, and only its history was imported. The order of such events' numbers is not
    /// that of their arrival, and replays skip them.
    var isTakenOver = false

    private static let version: UInt8 = 1
    private static let takenOverVersion: UInt8 = 2

    init(matched: [UInt64]? = nil, isTakenOver: Bool = false) {
        self.matched = matched
        self.isTakenOver = isTakenOver
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 16)
        writer.byte(isTakenOver ? Self.takenOverVersion : Self.version)
        guard let matched else { return writer.bytes }
        writer.number(UInt64(matched.count))
        var last: UInt64 = 0
        for number in matched {
            writer.number(number - last)
            last = number
        }
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        switch reader.byte() {
        case Self.version: break
        case Self.takenOverVersion: isTakenOver = true
        default: return nil
        }
        guard !reader.isAtEnd else { return }
        guard let count = reader.number(), count <= UInt64(span.byteCount) else { return nil }
        var matched: [UInt64] = []
        var last: UInt64 = 0
        for _ in 0..<count {
            guard let step = reader.number() else { return nil }
            let (next, overflow) = last.addingReportingOverflow(step)
            guard !overflow else { return nil }
            matched.append(next)
            last = next
        }
        guard reader.isAtEnd else { return nil }
        self.matched = matched
    }
}

/// An event that waits to be matched, or for its deliveries to be created, as stored; the key is the number of its payload.
struct WaitingRecord: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a waiting event"

    var trigger = Trigger.scheduled
    /// For how many of its matches, from the first on, deliveries have been created.
    var dispatched: UInt64 = 0

    private static let version: UInt8 = 1

    init(trigger: Trigger = .scheduled) { self.trigger = trigger }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 4)
        writer.byte(Self.version)
        writer.byte(trigger.rawValue)
        writer.number(dispatched)
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let trigger = reader.byte().flatMap(Trigger.init(rawValue:)),
            let dispatched = reader.number(), reader.isAtEnd
        else { return nil }
        self.trigger = trigger
        self.dispatched = dispatched
    }
}

/// The key of a replay: the number of its subscription, and its own number among that subscription's replays.
struct ReplayKey: TableKey, Hashable {
    let subscription: UInt64
    let order: UInt64

    init(_ subscription: UInt64, _ order: UInt64) {
        self.subscription = subscription
        self.order = order
    }

    /// A replay with the number 0 is stored under the number of its subscription alone.
    func write(to writer: inout ByteWriter) {
        writer.fixed(subscription)
        if order > 0 { writer.fixed(order) }
    }

    init?(from reader: inout ByteReader) {
        guard let subscription = reader.fixed(), subscription < .max else { return nil }
        guard let order = reader.isAtEnd ? 0 : reader.fixed(), order < .max else { return nil }
        self.init(subscription, order)
    }
}

/// A replay: past events that a subscription is to be tried with again, as stored.
struct ReplayRecord: Equatable, KeylessRecord {
    typealias Key = ReplayKey
    static let name = "a replay"

    /// The payloads from `next` to `last`, both included, are still to be tried.
    var next: UInt64
    var last: UInt64
    /// Whether events that were delivered before are delivered again.
    var all: Bool

    private static let version: UInt8 = 1

    init(next: UInt64, last: UInt64, all: Bool) {
        self.next = next
        self.last = last
        self.all = all
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 16)
        writer.byte(Self.version)
        writer.number(next)
        writer.number(last)
        writer.byte(all ? 1 : 0)
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let next = reader.number(), let last = reader.number(),
            let all = reader.byte(), reader.isAtEnd
        else { return nil }
        self.init(next: next, last: last, all: all != 0)
        guard isPossible else { return nil }
    }

    /// Whether there is something left to do, and `last` is not the highest number.
    var isPossible: Bool { next <= last && last < .max }
}

/// The state that all subscriptions share.
struct EventsState: Equatable, KeylessRecord {
    typealias Key = RecordName
    static let name = "the state of events"

    /// The next revision: a number for each change of an expression, never used twice.
    var nextRevision: UInt64 = 1
    /// Expressions removed at this revision or before are no longer remembered.
    var rememberedSince: UInt64 = 0
    /// How many removed expressions are remembered.
    var goneCount: UInt64 = 0

    private static let version: UInt8 = 1

    init() {}

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 16)
        writer.byte(Self.version)
        for value in [nextRevision, rememberedSince, goneCount] { writer.number(value) }
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let next = reader.number(), let since = reader.number(),
            let count = reader.number(), reader.isAtEnd
        else { return nil }
        (nextRevision, rememberedSince, goneCount) = (next, since, count)
    }
}
