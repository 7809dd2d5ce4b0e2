import Delivery
import HTTP
import JSON
import MappedStore
import Storage
import StoreSupport
import Testing
import Values

@testable import Webhooks

/// Events for operators, in a store that delivers them.
@Suite struct OperationalEventTests {
    private func withOperators(_ body: (EmptyWebhookStore, TestWorker) throws -> Void) throws {
        try WebhookEngine.mapped.withStore { test in
            try send(test, to: "https://operators.test/")
            try body(test, TestWorker(test))
        }
    }

    private func send(_ test: EmptyWebhookStore, to url: String?) throws {
        let mapped = test.store
        let wanted = url.map { Destination(number: 0, url: $0, policy: .standard) }
        try mapped.deliveries.sendOperationalEvents(to: wanted)
        try test.commit()
    }

    /// Ends all attempts that are due with `answer`, except those to operators, which succeed.
    /// - Returns: the types of the events that operators got.
    private func work(_ worker: TestWorker, _ answer: Answer) throws -> [String] {
        var reported: [String] = []
        let starts = try worker.step()
        var next = try worker.step(starts.map { ($0, isForOperators($0) ? .ok : answer) })
        reported += starts.filter(isForOperators).map { $0.payload?.event ?? "" }
        while !next.isEmpty {
            reported += next.filter(isForOperators).map { $0.payload?.event ?? "" }
            next = try worker.step(next.map { ($0, isForOperators($0) ? .ok : answer) })
        }
        return reported
    }

    private func isForOperators(_ start: DeliveryStep.Start) -> Bool {
        start.destination.url == "https://operators.test/"
    }

    @Test func `the fourth failure, the last one and a late success are reported`() throws {
        try withOperators { test, worker in
            try test.create(.schedule([1, 1, 1, 1, 1]))
            try test.accept("a")
            var reported: [[String]] = []
            for _ in 0..<6 {
                reported.append(try work(worker, .status(500)))
                test.pass(seconds: 40)
            }
            #expect(reported == [[], [], [], ["message.attempt.failing"], [], ["message.exhausted"]])
            try test.accept("b")
            for _ in 0..<4 {
                _ = try work(worker, .status(500))
                test.pass(seconds: 40)
            }
            #expect(try work(worker, .ok) == ["message.recovered"])
        }
    }

    @Test func `an early success and a failed test are not reported`() throws {
        try withOperators { test, worker in
            let webhook = try test.create(.schedule([1, 1, 1]))
            try test.accept("a")
            for _ in 0..<3 {
                #expect(try work(worker, .status(500)) == [])
                test.pass(seconds: 40)
            }
            #expect(try work(worker, .ok) == [])
            _ = try test.testCall(webhook)
            #expect(try work(worker, .status(500)) == [])
        }
    }

    @Test func `a delivery that was given up and succeeds later is reported as recovered`() throws {
        try withOperators { test, worker in
            let webhook = try test.create(.schedule([]))
            try test.accept("a")
            #expect(try work(worker, .status(500)) == ["message.exhausted"])
            let line = try #require(try test.log(webhook).first)
            _ = try test.webhooks.retry(line.id, of: webhook.id, for: nil, at: test.moment)
            try test.commit()
            #expect(try work(worker, .ok) == ["message.recovered"])
            // Repeating a delivery that had succeeded is not a recovery.
            let success = try #require(try test.log(webhook).first)
            _ = try test.webhooks.retry(success.id, of: webhook.id, for: nil, at: test.moment)
            try test.commit()
            #expect(try work(worker, .ok) == [])
            try test.accept("b")
            #expect(try work(worker, .status(500)) == ["message.exhausted"])
            #expect(try test.recover(webhook) == 1)
            #expect(try work(worker, .ok) == ["message.recovered"])
        }
    }

    @Test func `lasting failures are reported at 50, 70 and 90 percent of the time, and when they disable`() throws {
        try withOperators { test, worker in
            let webhook = try test.create(.schedule([]))
            var reported: [Int: [String]] = [:]
            for hour in stride(from: 0, through: 126, by: 6) {
                try test.accept("at \(hour)")
                reported[hour] = try work(worker, .status(500)).filter { $0.hasPrefix("endpoint.") }
                test.pass(seconds: 6 * 3600)
            }
            reported = reported.filter { !$0.value.isEmpty }
            #expect(
                reported == [
                    60: ["endpoint.failing"], 84: ["endpoint.failing"], 108: ["endpoint.failing"],
                    120: ["endpoint.disabled"],
                ])
            #expect(try test.current(webhook).destination.disabledUntil != nil)
        }
    }

    @Test func `an event names its webhook and message, and is counted`() throws {
        try withOperators { test, worker in
            let webhook = try test.create(.schedule([]))
            try test.accept("a")
            _ = try worker.work(.status(503))
            let start = try #require(try worker.step().first)
            let body = try JSON(parsing: try #require(start.payload).body)
            #expect(start.payload?.eventID.hasPrefix("ops_") == true && body["type"]?.string == "message.exhausted")
            #expect(body["timestamp"]?.string == test.moment.wall.rfc3339)
            let data = try #require(body["data"])
            #expect(data["webhook_id"]?.string == webhook.id.description)
            #expect(data["environment_id"]?.string == test.environment.description)
            #expect(data["event_id"]?.string == "a" && data["event"]?.string == "job-created")
            #expect(data["attempts"]?.integer == 1 && data["status_code"]?.integer == 503)
            let mapped = test.store
            #expect(try mapped.metrics(at: test.moment).deliveries.events == [0, 0, 0, 1, 0])
        }
    }

    @Test func `failures of the operators' receiver are not reported, and do not disable it`() throws {
        try withOperators { test, worker in
            let webhook = try test.create(.schedule([]))
            try test.accept("a")
            _ = try worker.work(.status(500))
            #expect(try test.delete(webhook))
            let mapped = test.store
            for _ in 0..<12 {
                test.pass(seconds: 100 * 3600)
                try worker.work(.status(410))
            }
            #expect(try mapped.metrics(at: test.moment).deliveries.events == [0, 0, 0, 1, 0])
            #expect(try mapped.metrics(at: test.moment).disabledDestinations == 0)
        }
    }

    @Test func `the URL for operators can change, and pending events go to the new one`() throws {
        try withOperators { test, worker in
            try test.create(.schedule([]))
            try test.accept("a")
            _ = try worker.work(.status(500))
            try send(test, to: "https://others.test/")
            #expect(try worker.step().map(\.destination.url) == ["https://others.test/"])
            try send(test, to: nil)
            test.pass(seconds: 3600)
            #expect(try worker.step().isEmpty)
            try test.accept("b")
            _ = try worker.work(.status(500))
            #expect(try worker.step().isEmpty)
            try send(test, to: "https://operators.test/")
            try test.accept("c")
            #expect(try work(worker, .status(500)) == ["message.exhausted"])
        }
    }
}
