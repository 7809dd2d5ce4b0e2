internal import Delivery
internal import Events
internal import HTTP
internal import JSONPath
internal import Values

/// What a subscription has beside its destination, as it is stored under that one's number.
enum SubscriptionRecord {
    private static let version: UInt8 = 1

    /// - Parameter revision: of the last change of its expression.
    static func encode(_ subscription: Subscription, revision: UInt64) -> [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.byte(version)
        writer.rest(subscription.id.bytes)
        writer.number(revision)
        writer.byte(word(subscription.dialect))
        for text in [subscription.user, subscription.name, subscription.expression, subscription.version] {
            writer.counted(text.utf8)
        }
        writer.optional(subscription.sealedAuth)
        writer.optional(subscription.sealedTarget)
        writer.counted(subscription.target.utf8)
        writer.fixed(subscription.created.microseconds)
        writer.fixed(subscription.updated.microseconds)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, _ destination: Destination) -> (subscription: Subscription, revision: UInt64)? {
        var reader = ByteReader(span)
        guard reader.byte() == version, let id = reader.uuid(), let revision = reader.number(),
            let dialect = reader.byte().flatMap(dialect(word:)), let user = reader.text(), let name = reader.text(),
            let expression = reader.text(), let version = reader.text(), let auth = reader.optionalBytes(),
            let sealedTarget = reader.optionalBytes(), let target = reader.text(), let created = reader.time(),
            let updated = reader.time(), reader.isAtEnd, let shape = Subscription.shape(of: destination)
        else { return nil }
        let subscription = Subscription(
            id: id, user: user, name: name, expression: expression, dialect: dialect.value, version: version,
            extensions: shape.extensions, sealedAuth: auth.value, sealedTarget: sealedTarget.value, target: target,
            format: shape.format, destination: destination, created: created, updated: updated)
        return (subscription, revision)
    }

    /// What matching needs alone.
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
struct RoutedEventRecord: Equatable {
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
struct WaitingRecord: Equatable {
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

/// A subscription that is to be shown events once more, as it is stored under its number and the replay's.
struct ReplayRecord: Equatable {
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
struct EventsState: Equatable {
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
