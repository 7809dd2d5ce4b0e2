import Delivery
import HTTP
import LMDB
import SystemPackage
import TestSupport
import Testing
import Values
import Webhooks

@testable import MappedStore

/// The event for operators when a delivery is given up whose payload is damaged.
@Suite struct ExhaustedEventTests {
    /// - Parameter failures: how many attempts fail before the payload is damaged.
    /// - Returns: the details of `message.exhausted`, by name.
    private func exhausted(after failures: Int) throws -> [String: OperationalEvent.Value] {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            var random = SystemRandomNumberGenerator()
            var now = store.clock.now()
            let environment = UUID(random: &random)
            let destination = Destination(
                number: 0, url: "http://receiver.test/", policy: .own(.fixed(retries: failures, interval: 1)))
            let webhook = Webhook(
                id: UUID(random: &random), environment: environment, name: "n", events: ["job-created"],
                destination: destination, created: now.wall, updated: now.wall)
            let key = Keyring.Key(
                id: "key", algorithm: "ed25519", publicKey: "", sealedPrivateKey: [], created: now.wall,
                signsFrom: now.wall)
            _ = try store.webhooks.create(webhook, for: nil, limit: 100, key: key)
            let event = Event(id: "job-17", type: "job-created", body: Array("{}".utf8))
            _ = try store.webhooks.accept(event, in: environment, for: nil, at: now)
            try store.commit()

            func step(_ results: [DeliveryResult], _ room: Int) throws -> DeliveryStep {
                let outcome = try store.deliveries.step(
                    results, beginning: AttemptRoom(room), inFlight: [:], owner: 1, leaseSeconds: 25,
                    policies: RetryPolicies(), at: now)
                try store.commit()
                return outcome
            }
            func fail(_ kind: Attempt.ErrorKind) throws -> [OperationalEvent] {
                let starts = try step([], 10).starts
                let attempt = Attempt(failure: Attempt.Failure(kind: kind, text: "no"), triggeredAt: now.wall)
                let wish = ReceiverWish(attempt, now: now.wall, disablesOnGone: true)
                let results = starts.map {
                    DeliveryResult(delivery: $0.delivery, attempt: attempt, wish: wish, jitter: 0)
                }
                #expect(results.count == 1)
                let events = try step(results, 0).events
                now = Moment(wall: now.wall.adding(seconds: 60), steady: now.steady.adding(seconds: 60))
                return events
            }

            for _ in 0..<failures { #expect(try fail(.connect) == []) }
            try store.write { (transaction) throws(LMDBError) in
                var found: [UInt8] = []
                try store.tables.payloads.bytes.scan(in: transaction) { key, _ in
                    found = copy(key)
                    return false
                }
                try store.tables.payloads.bytes.put([0xFF, 0xFF], at: found, in: &transaction)
            }
            try store.commit()
            let events = try fail(.unavailable)
            let reported = try #require(events.first { $0.kind == .messageExhausted })
            return Dictionary(uniqueKeysWithValues: reported.details.map { ($0.name, $0.value) })
        }
    }

    @Test func `a delivery with a damaged payload is reported with the event of its log entries`() throws {
        let details = try exhausted(after: 1)
        #expect(details["event"] == .text("job-created") && details["event_id"] == .text("job-17"))
        #expect(details["parcel"] == nil && details["attempts"] == .number(2))
    }

    @Test func `without a log entry the number of the payload is reported`() throws {
        guard case .number? = try exhausted(after: 0)["parcel"] else {
            Issue.record("the number is missing")
            return
        }
    }
}
