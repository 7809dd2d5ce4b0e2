import Capture
import Delivery
import Events
import HTTP
import LMDB
import Queues
import StoreSupport
import SystemPackage
import Testing
import Values
import Webhooks

@testable import MappedStore

/// A store that each round of use gives a number of every kind.
final class UsedStore {
    let store: MappedStore
    let now: Moment

    init(_ store: MappedStore) {
        self.store = store
        now = store.clock.now()
    }

    private func id(_ round: Int, _ kind: UInt8) -> UUID {
        UUID(bytes: [UInt8](repeating: kind, count: 15) + [UInt8(round)])!
    }

    func use(_ round: Int) throws {
        try store.create(round)
        #expect(try store.accept(at: round) == .stored)
        try configure(queues: Array(1...round), users: Array(1...round))
        try listen(round)
        try makeWebhook(round)
        try deliver("done", in: round, status: 200)
        try deliver("given up", in: round, status: 400)
        try accept("begun", in: round)
        #expect(try store.step([], beginning: 100, at: now).starts.contains { $0.payload?.eventID == "begun" })
        try accept("waiting", in: round)
        try subscribe(round)
        try store.commit()
    }

    /// Queues, and users who may each listen to the queue of the same number.
    func configure(queues: [Int], users: [Int]) throws {
        let hash = try #require(PasswordHash("plain;;secret"))
        let configuration = QueueConfiguration(
            users: users.map { QueueConfiguration.User(name: "u\($0)", hash: hash, queues: ["q\($0)"]) },
            queues: queues.map { QueueSettings(name: "q\($0)", limits: QueueLimits()) })
        #expect(try store.queues.configure(configuration, since: nil, for: nil))
        try store.commit()
    }

    func listen(_ round: Int) throws {
        let queue = try #require(try store.queues.queue(named: "q\(round)"))
        #expect(try store.queues.post(Message(body: [1], receivedAt: now.wall), to: queue, for: nil))
        let user = try #require(try store.queues.user(named: "u\(round)"))
        #expect(try store.queues.listen("c", of: user, to: "q\(round)", for: nil) == .listening)
        try store.commit()
    }

    @discardableResult
    func makeWebhook(_ round: Int) throws -> Webhook {
        try store.createWebhook(id(round, 1), in: id(round, 2), retries: 0, at: now)
    }

    /// Has the receiver answer all that is due.
    private func deliver(_ event: String, in round: Int, status: Int) throws {
        try accept(event, in: round)
        let starts = try store.step([], beginning: 100, at: now).starts
        #expect(starts.contains { $0.payload?.eventID == event })
        let failure = status == 200 ? nil : Attempt.Failure(kind: .status, text: "the receiver answered \(status)")
        let attempt = Attempt(status: status, failure: failure, triggeredAt: now.wall)
        let wish = ReceiverWish(attempt, now: now.wall, disablesOnGone: true)
        _ = try store.step(
            starts.map { DeliveryResult(delivery: $0.delivery, attempt: attempt, wish: wish, jitter: 0) }, beginning: 0,
            at: now)
    }

    func accept(_ event: String, in round: Int) throws { try store.accept(event, in: id(round, 2), at: now) }

    /// One subscription that stays, one that is deleted, and an event that is still to be matched.
    private func subscribe(_ round: Int) throws {
        for kind in [3, 4] as [UInt8] {
            #expect(try store.events.create(.example(id(round, kind), at: now.wall)) != nil)
        }
        #expect(try store.events.deleteSubscription(id(round, 4), of: "u", for: nil))
        let event = ReceivedEvent(id: id(round, 5), type: "t", body: Array("{}".utf8))
        _ = try store.events.receive([event], for: nil, at: now)
        try store.commit()
    }

    /// What is counted, and the next number of each kind.
    func state() throws -> (counts: [String: UInt64], next: [String: UInt64]) {
        try store.read { (transaction) throws(LMDBError) in
            let capture = try store.core.captureState(in: transaction)
            let queues = try store.queues.queueState(in: transaction)
            let deliveries = try store.deliveries.deliveryState(in: transaction)
            let events = try store.events.eventsState(in: transaction)
            let counts = [
                "pending": deliveries.pending, "in flight": deliveries.inFlight, "bytes": deliveries.bytes,
                "gone expressions": events.goneCount, "configurations": queues.isConfigured ? 1 : 0,
            ]
            let next = [
                "endpoint": capture.nextEndpoint, "queue": queues.nextQueue, "user": queues.nextUser,
                "right": queues.nextRight, "destination": deliveries.nextDestination,
                "payload": deliveries.nextPayload, "delivery": deliveries.nextDelivery, "line": deliveries.nextLog,
                "keyring": deliveries.nextKeyring, "revision": events.nextRevision,
            ]
            return (counts, next)
        }
    }

    func damage(_ name: String) throws {
        try store.write { (transaction) throws(LMDBError) in
            let meta = try Table("meta", creating: false, in: transaction)
            guard try meta.remove(Array(name.utf8), in: &transaction) else { throw .damaged("no \(name)") }
            try meta.put([0xff], at: Array(name.utf8), in: &transaction)
        }
        try store.commit()
    }
}
