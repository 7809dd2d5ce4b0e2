internal import Delivery
internal import Events
internal import HTTP
internal import JSONPath
internal import Values

/// What a subscription has beside its destination, as it is stored under that one's number.
struct SubscriptionRecord: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a subscription"

    let id: UUID
    /// Of the last change of its expression.
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

    /// `nil` where the destination's record is not that of a subscription.
    func subscription(_ destination: Destination) -> Subscription? {
        guard let shape = Subscription.shape(of: destination) else { return nil }
        return Subscription(
            id: id, user: user, name: name, expression: expression, dialect: dialect, version: version,
            extensions: shape.extensions, sealedAuth: sealedAuth, sealedTarget: sealedTarget, target: target,
            format: shape.format, destination: destination, created: created, updated: updated)
    }

    /// What matching needs alone: a subscription that is damaged behind it is still matched.
    static func expression(_ span: RawSpan) -> Expression? {
        var reader = ByteReader(span)
        guard reader.byte() == version, reader.take(16) != nil, reader.number() != nil,
            let dialect = reader.byte().flatMap(dialect(word:)), reader.counted() != nil, reader.counted() != nil,
            let text = reader.text()
        else { return nil }
        return Expression(text: text, dialect: dialect.value)
    }

    /// The user's name, and nothing more.
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

/// What an event has matched, as it is stored under its parcel's number.
struct RoutedEventRecord: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a routed event"

    /// `nil` until it has been matched; destinations in ascending order.
    var matched: [UInt64]?
    /// Whether it was routed elsewhere and its history taken over. Its number says nothing of when it came, and no replay
    /// finds it.
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

/// An event that waits, to be matched or for its deliveries to be made, as it is stored under its parcel's number.
struct WaitingRecord: Equatable, KeylessRecord {
    typealias Key = UInt64
    static let name = "a waiting event"

    var trigger = Trigger.scheduled
    /// Of what it matched, for how many the deliveries have been made.
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

/// The number of a subscription, and that of one of its replays.
struct ReplayKey: TableKey, Hashable {
    let subscription: UInt64
    let order: UInt64

    init(_ subscription: UInt64, _ order: UInt64) {
        self.subscription = subscription
        self.order = order
    }

    /// A subscription's first replay may stand under its number alone.
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

/// A subscription that is to be shown events once more, as it is stored under its number and the replay's.
struct ReplayRecord: Equatable, KeylessRecord {
    typealias Key = ReplayKey
    static let name = "a replay"

    /// Parcels from the one up to the other, both included.
    var next: UInt64
    var last: UInt64
    /// Whether those are delivered again that were delivered.
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

    /// There is something left to do, and a number after it.
    var isPossible: Bool { next <= last && last < .max }
}

/// What all subscriptions have in common.
struct EventsState: Equatable, KeylessRecord {
    typealias Key = RecordName
    static let name = "the state of events"

    /// Counts changes of expressions; never used twice.
    var nextRevision: UInt64 = 1
    /// What is gone since before this one has been forgotten.
    var rememberedSince: UInt64 = 0
    /// How many that are gone are remembered.
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
