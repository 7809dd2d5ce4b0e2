import Delivery
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values
import Webhooks

typealias WebhookEngine = Engine
typealias EmptyWebhookStore = EmptyStore

/// Short forms of the operations on webhooks and deliveries.
extension EmptyStore {
    /// The environment of tests that need only one.
    var environment: UUID { UUID(bytes: [UInt8](repeating: 7, count: 16))! }

    // MARK: Webhooks

    static var events: [String] { ["job-created", "job-completed"] }

    /// A webhook that is not stored yet.
    func webhook(
        _ policy: RetryChoice = .fixed, events: [String] = EmptyStore.events,
        limits: DestinationLimits = DestinationLimits(), in environment: UUID? = nil
    ) -> Webhook {
        Webhook(
            id: newID(), environment: environment ?? self.environment, name: "n", events: events,
            destination: Destination(number: 0, url: "http://receiver.test/", policy: policy, limits: limits),
            created: moment.wall, updated: moment.wall)
    }

    func key(_ id: String = "first") -> Keyring.Key {
        Keyring.Key(
            id: id, algorithm: "ed25519", publicKey: "PEM", sealedPrivateKey: [0, 0xff], created: moment.wall,
            signsFrom: moment.wall)
    }

    @discardableResult
    func create(_ webhook: Webhook? = nil, for request: RequestID? = nil) throws -> Webhook {
        let outcome = try webhooks.create(webhook ?? self.webhook(), for: request, limit: 10_000, key: key())
        try commit()
        guard case .created(let made) = outcome else {
            throw Refused(outcome: "\(outcome)")
        }
        return made
    }

    struct Refused: Error { let outcome: String }

    @discardableResult
    func create(
        _ policy: RetryPolicy, limits: DestinationLimits = DestinationLimits()
    ) throws -> Webhook { try create(webhook(.own(policy), limits: limits)) }

    func current(_ webhook: Webhook) throws -> Webhook { try #require(try webhooks.webhook(webhook.id)) }

    func change(_ webhook: Webhook, _ body: (inout Webhook) -> Void) throws {
        let before = try #require(try webhooks.webhook(webhook.id))
        var changed = before
        body(&changed)
        #expect(try webhooks.replace(before, by: changed) == .replaced)
        try commit()
    }

    func disable(_ webhook: Webhook, forSeconds seconds: Double? = 3600) throws {
        let until = seconds.map { moment.wall.adding(seconds: $0) }
        try change(webhook) { $0.destination.disabledUntil = until }
    }

    func delete(_ webhook: Webhook, for request: RequestID? = nil) throws -> Bool {
        let outcome = try webhooks.delete(webhook.id, for: request)
        try commit()
        return outcome
    }

    // MARK: Events

    @discardableResult
    func accept(
        _ id: String, key: String? = nil, type: String = "job-created", body: String = "{}",
        in environment: UUID? = nil,
        for request: RequestID? = nil
    ) throws -> EventAcceptance {
        let event = Event(id: id, idempotencyKey: key, type: type, body: Array(body.utf8))
        let outcome = try webhooks.accept(event, in: environment ?? self.environment, for: request, at: moment)
        try commit()
        return outcome
    }

    func testCall(_ webhook: Webhook, for request: RequestID? = nil) throws -> UUID? {
        let event = Event(id: "t-\(newID())", type: "job-created", body: [])
        let outcome = try webhooks.test(event, to: webhook.id, for: request, at: moment)
        try commit()
        return outcome
    }

    func retry(_ entry: UInt64, of webhook: Webhook, for request: RequestID? = nil) throws -> Redelivery {
        let outcome = try webhooks.retry(entry, of: webhook.id, for: request, at: moment)
        try commit()
        return outcome
    }

    /// Recovers the deliveries that were given up in the last `seconds`.
    func recover(
        _ webhook: Webhook, seconds: Double = 86_400, limit: Int = 100, for request: RequestID? = nil
    ) throws -> Int? {
        let outcome = try webhooks.recover(
            webhook.id, since: moment.wall.adding(seconds: -seconds), until: moment.wall.adding(seconds: 1),
            limit: limit, for: request, at: moment)
        try commit()
        return outcome
    }

    func log(_ webhook: Webhook, _ query: LogQuery = LogQuery()) throws -> [LogEntry] {
        try #require(try webhooks.log(of: webhook.id, query)).entries
    }

    func pending(_ webhook: Webhook) throws -> Int {
        try #require(try webhooks.statistics(of: webhook.id)).pending
    }
}

/// The answer of a receiver.
enum Answer: Equatable {
    case status(Int, [String: String] = [:])
    case failure(Attempt.ErrorKind)

    static let ok = Answer.status(200)
}

/// A worker whose attempts end as the test says.
final class TestWorker {
    private let test: EmptyStore
    let owner: UInt64
    let leaseSeconds: Double
    var policies = RetryPolicies()
    private var running: [DeliveryStep.Start] = []
    /// The next due time, as of the last step.
    private(set) var nextDue: Timestamp?

    init(_ test: EmptyStore, owner: UInt64 = 1, leaseSeconds: Double = 25) {
        self.test = test
        self.owner = owner
        self.leaseSeconds = leaseSeconds
    }

    /// Ends attempts, and begins others, at most `capacity`.
    func step(
        _ ended: [(DeliveryStep.Start, Answer)] = [], capacity: Int = 512
    ) throws -> [DeliveryStep.Start] {
        var results: [DeliveryResult] = []
        for (start, answer) in ended {
            running.removeAll { $0.delivery.id == start.delivery.id && $0.delivery.due == start.delivery.due }
            results.append(result(start, answer))
        }
        var inFlight: [UInt64: Int] = [:]
        for start in running { inFlight[start.destination.number, default: 0] += 1 }
        let step = try test.deliveries.step(
            results, beginning: AttemptRoom(capacity), inFlight: inFlight, owner: owner, leaseSeconds: leaseSeconds,
            policies: policies, at: test.moment)
        try test.commit()
        #expect(step.starts.count <= capacity)
        running += step.starts
        nextDue = step.nextDue
        #expect(try test.faults() == [])
        return step.starts
    }

    /// Ends attempts, and begins none.
    func end(_ ended: (DeliveryStep.Start, Answer)...) throws { #expect(try step(ended, capacity: 0).isEmpty) }

    /// Begins all attempts that are due, and ends them with the same answer.
    @discardableResult
    func work(_ answer: Answer = .ok, capacity: Int = 512) throws -> [DeliveryStep.Start] {
        let starts = try step(capacity: capacity)
        _ = try step(starts.map { ($0, answer) }, capacity: 0)
        return starts
    }

    private func result(_ start: DeliveryStep.Start, _ answer: Answer) -> DeliveryResult {
        var attempt = Attempt(durationMilliseconds: 5, triggeredAt: test.moment.wall)
        switch answer {
        case .status(let status, let headers):
            attempt.status = status
            attempt.responseHeaders = headers.map { HeaderField(name: $0.key, value: $0.value) }
            attempt.responseBody = Array("answer".utf8)
            if !(200..<300).contains(status) {
                attempt.failure = Attempt.Failure(kind: .status, text: "the receiver answered \(status)")
            }
        case .failure(let kind):
            attempt.failure = Attempt.Failure(kind: kind, text: kind.word)
        }
        return DeliveryResult(
            delivery: start.delivery, attempt: attempt,
            wish: ReceiverWish(attempt, now: test.moment.wall, disablesOnGone: true), jitter: 0)
    }
}

extension [DeliveryStep.Start] {
    /// The ids of the events that are sent.
    var events: [String] { map { $0.payload?.eventID ?? "gone" } }
}
