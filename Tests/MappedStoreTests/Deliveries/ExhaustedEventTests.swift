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
            _ = try store.createWebhook(UUID(random: &random), in: environment, retries: failures, at: now)
            try store.accept("job-17", in: environment, at: now)

            func fail(_ kind: Attempt.ErrorKind) throws -> [OperationalEvent] {
                let starts = try store.step([], beginning: 10, at: now).starts
                let attempt = Attempt(failure: Attempt.Failure(kind: kind, text: "no"), triggeredAt: now.wall)
                let wish = ReceiverWish(attempt, now: now.wall, disablesOnGone: true)
                let results = starts.map {
                    DeliveryResult(delivery: $0.delivery, attempt: attempt, wish: wish, jitter: 0)
                }
                #expect(results.count == 1)
                let events = try store.step(results, beginning: 0, at: now).events
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
