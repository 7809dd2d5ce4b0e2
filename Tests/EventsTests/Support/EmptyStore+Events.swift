import Delivery
import Events
import HTTP
import JSONPath
import MappedStore
import StoreSupport
import Testing
import Values

typealias EventEngine = Engine
typealias EmptyEventStore = EmptyStore

/// Short forms of the operations on subscriptions and events.
extension EmptyStore {
    // MARK: Subscriptions

    /// A subscription that is not stored yet.
    func subscription(_ expression: String = "$", of user: String = "u") -> Subscription {
        Subscription(
            id: newID(), user: user, name: "n", expression: expression, target: "http://receiver.test/",
            destination: Destination(
                number: 0, url: "http://receiver.test/", policy: .own(.fixed(retries: 1, interval: 10)),
                limits: DestinationLimits(inFlight: 10_000), protocolKind: .event,
                shape: [Subscription.Format.json.rawValue] + Subscription.noExtensions),
            created: moment.wall, updated: moment.wall)
    }

    @discardableResult
    func create(_ subscription: Subscription, for request: RequestID? = nil) throws -> Subscription? {
        let outcome = try events.create(subscription, for: request, limit: .max)
        try commit()
        guard case .made(let made) = outcome else { return nil }
        return made
    }

    @discardableResult
    func create(_ expression: String = "$", of user: String = "u") throws -> Subscription {
        try #require(try create(subscription(expression, of: user)))
    }

    func current(_ subscription: Subscription) throws -> Subscription {
        try #require(try events.subscription(subscription.id))
    }

    func change(_ subscription: Subscription, _ body: (inout Subscription) -> Void) throws {
        let before = try current(subscription)
        var changed = before
        body(&changed)
        #expect(try events.replace(before, by: changed) == .replaced)
        try commit()
    }

    func disable(_ subscription: Subscription) throws {
        let now = moment.wall
        try change(subscription) { $0.destination.disable(since: now) }
    }

    func delete(_ subscription: Subscription, for request: RequestID? = nil) throws -> Bool {
        let outcome = try events.deleteSubscription(subscription.id, of: subscription.user, for: request)
        try commit()
        return outcome
    }

    // MARK: Events

    @discardableResult
    func receive(_ bodies: String..., for request: RequestID? = nil) throws -> [UUID] {
        let events = bodies.map { ReceivedEvent(id: newID(), type: "t", body: Array($0.utf8)) }
        let ids = try self.events.receive(events, for: request, at: moment)
        try commit()
        return ids
    }

    func history(_ id: UUID) throws -> EventHistory { try #require(try events.event(id)) }

    /// Matches until there is nothing to do.
    /// - Returns: the number of steps.
    @discardableResult
    func match(_ matcher: EventMatcher? = nil) throws -> Int {
        let matcher = matcher ?? EventMatcher(store: matching)
        var steps = 0
        while try matcher.step(until: .farAhead, now: { moment }) {
            try commit()
            steps += 1
            guard steps < 1000 else { throw Endless() }
        }
        try commit()
        return steps
    }

    struct Endless: Error {}

    func replay(
        _ subscription: Subscription, since: Timestamp, until: Timestamp? = nil, all: Bool = false,
        for request: RequestID? = nil
    ) throws -> Bool {
        let outcome = try events.replay(
            subscription, since: since, until: until ?? moment.wall, all: all, for: request)
        try commit()
        return outcome == .accepted
    }

    // MARK: Deliveries

    /// Makes all attempts that are due.
    /// - Parameter answer: the status that the receiver answers to a body.
    /// - Returns: the attempts, in the order in which they were begun.
    @discardableResult
    func work(_ answer: (String) -> Int = { _ in 200 }) throws -> [Made] {
        var starts: [DeliveryStep.Start] = []
        while true {
            let more = try step([], beginning: 100_000)
            if more.isEmpty { break }
            starts += more
        }
        let results = starts.map { start -> DeliveryResult in
            let status = answer(String(decoding: start.payload?.body ?? [], as: UTF8.self))
            var attempt = Attempt(
                status: status, responseBody: Array("said \(status)".utf8), triggeredAt: moment.wall,
                approval: Attempt.Approval(status: 200, body: Array("yes".utf8)))
            if status != 200 {
                attempt.failure = Attempt.Failure(kind: .status, text: "the receiver answered \(status)")
            }
            return DeliveryResult(
                delivery: start.delivery, attempt: attempt,
                wish: ReceiverWish(attempt, now: moment.wall, disablesOnGone: true), jitter: 0)
        }
        #expect(try step(results, beginning: 0).isEmpty)
        return starts.map {
            Made(
                subscription: $0.destination.number, body: String(decoding: $0.payload?.body ?? [], as: UTF8.self),
                trigger: $0.delivery.trigger)
        }
    }

    struct Made: Equatable {
        let subscription: UInt64
        let body: String
        let trigger: Trigger
    }

    func step(
        _ results: [DeliveryResult], beginning capacity: Int, inFlight: [UInt64: Int] = [:]
    ) throws -> [DeliveryStep.Start] {
        let outcome = try deliveries.step(
            results, beginning: AttemptRoom(capacity), inFlight: inFlight, owner: 1, leaseSeconds: 25,
            policies: RetryPolicies(),
            at: moment)
        try commit()
        #expect(outcome.concluded == results.count)
        return outcome.starts
    }

    func lines(_ subscription: Subscription, _ query: DeliveryQuery = DeliveryQuery()) throws -> [DeliveryLine] {
        try #require(try events.deliveries(of: subscription.id, query))
    }
}

extension Subscription {
    var number: UInt64 { destination.number }
}

extension EventMatcher {
    /// A step with enough time.
    func step(at moment: Moment) throws(StoreFailure) -> Bool {
        try step(until: moment.steady.adding(seconds: 1), now: { moment })
    }
}
