import Delivery
import DeliveryEngine
import HTTP
import MappedStore
import TestSupport
import Testing
import Values
import Webhooks

/// Destinations of events: the policy service approves each attempt, and a lasting failure disables the destination.
@Suite struct PolicyTests {
    /// - Parameters:
    ///   - target: what the target does, as a query.
    ///   - policy: what the policy service does, as a query; `nil` if no approval is needed.
    private func create(_ test: Delivering, target: String = "", policy: String?) throws -> Webhook {
        try test.create("/target?\(target)", .fixed(retries: 2, interval: 1)) { destination in
            destination.protocolKind = .event
            destination.approvalPath = policy.map { "/policy?\($0)" }
        }
    }

    private func dispatcher(_ test: Delivering, port: Int? = nil) throws -> Dispatcher {
        try test.dispatcher { settings in
            settings.approvalURL = "http://127.0.0.1:\(port ?? test.receiver.port)"
        }
    }

    /// Works until no delivery is pending.
    private func finish(_ test: Delivering, _ dispatcher: Dispatcher) throws {
        for _ in 0..<4 {
            try test.workUntilIdle(dispatcher)
            test.skip(seconds: 1)
        }
        #expect(try test.pending() == 0)
    }

    private func calls(_ test: Delivering, _ path: String) throws -> [Receiver.Arrival] {
        try test.receiver.arrivals().filter { $0.path == path }
    }

    private func destination(_ test: Delivering, _ webhook: Webhook) throws -> Destination {
        try #require(try test.store.webhooks.webhook(webhook.id)).destination
    }

    @Test(arguments: [200, 204])
    func `an approved attempt is made, and the approval is requested with the event`(status: Int) throws {
        try Delivering.with { test in
            let webhook = try create(test, policy: "status=\(status)&body=denied")
            try test.accept("a", body: "{\"größe\": 1}")
            try finish(test, try dispatcher(test))
            let asked = try #require(try calls(test, "/policy").first)
            #expect(asked.method == "POST" && asked.body == "{\"größe\": 1}")
            #expect(asked.header("content-type") == "application/json")
            #expect(try calls(test, "/policy").count == 1 && calls(test, "/target").count == 1)
            let line = try #require(try test.log(webhook).first)
            #expect(line.outcome.approval?.status == status && line.outcome.status == 200 && line.isFinal)
        }
    }

    @Test(arguments: [400, 404, 412, 429])
    func `a refusal ends the delivery, and does not disable the destination`(status: Int) throws {
        try Delivering.with { test in
            let webhook = try create(test, policy: "status=\(status)&body=no")
            try test.accept("a")
            try finish(test, try dispatcher(test))
            #expect(try calls(test, "/policy").count == 1 && calls(test, "/target").isEmpty)
            let log = try test.log(webhook)
            #expect(log.map(\.outcome.failure?.kind) == [.withheld] && log.map(\.isFinal) == [true])
            #expect(log.first?.outcome.approval == Attempt.Approval(status: status, body: Array("no".utf8)))
            #expect(try destination(test, webhook).disabledUntil == nil)
        }
    }

    @Test func `a failing policy service is asked again, and then disables the destination with its answer`() throws {
        try Delivering.with { test in
            let webhook = try create(test, policy: "status=503&body=broken")
            try test.accept("a")
            try finish(test, try dispatcher(test))
            #expect(try calls(test, "/policy").count == 3 && calls(test, "/target").isEmpty)
            let log = try test.log(webhook)
            #expect(log.map(\.outcome.failure?.kind) == [.approval, .approval, .approval])
            #expect(log.map(\.isFinal) == [true, false, false])
            let found = try destination(test, webhook)
            #expect(found.disabledReason == "broken" && found.disabledAt != nil && found.isDisabled(at: test.now.wall))
        }
    }

    @Test func `an unreachable policy service is asked again, and then ends the delivery only`() throws {
        try Delivering.with { test in
            let webhook = try create(test, policy: "")
            try test.accept("a")
            try finish(test, try dispatcher(test, port: 1))
            let log = try test.log(webhook)
            #expect(log.map(\.outcome.failure?.kind) == [.approval, .approval, .approval])
            #expect(log.first?.isFinal == true && log.first?.outcome.approval == Attempt.Approval())
            #expect(try destination(test, webhook).disabledUntil == nil)
            #expect(try calls(test, "/target").isEmpty)
            // The event is kept, and can be delivered once the service is reachable.
            let line = try #require(log.first)
            let again = try test.store.webhooks.retry(line.id, of: webhook.id, for: nil, at: test.now)
            guard case .started = again else {
                Issue.record("\(again)")
                return
            }
            try test.store.commit()
            try finish(test, try dispatcher(test))
            #expect(try calls(test, "/target").count == 1)
        }
    }

    @Test func `a redirect by the policy service is not followed, and is not an approval`() throws {
        try Delivering.with { test in
            let webhook = try create(test, policy: "redirect=/elsewhere")
            try test.accept("a")
            try finish(test, try dispatcher(test))
            #expect(try calls(test, "/policy").count == 3 && calls(test, "/elsewhere").isEmpty)
            #expect(try calls(test, "/target").isEmpty)
            #expect(try test.log(webhook).first?.outcome.approval?.status == 302)
            #expect(try destination(test, webhook).disabledUntil == nil)
        }
    }

    @Test func `approval is requested before each attempt`() throws {
        try Delivering.with { test in
            let webhook = try create(test, target: "status=503,200", policy: "status=500,200,200")
            try test.accept("a")
            try finish(test, try dispatcher(test))
            #expect(
                try test.receiver.arrivals().map(\.path) == ["/policy", "/policy", "/target", "/policy", "/target"])
            #expect(try test.log(webhook).map(\.outcome.status) == [200, 503, nil])
            #expect(try destination(test, webhook).disabledUntil == nil)
        }
    }

    @Test func `a hanging policy service holds at most half of the attempts`() throws {
        try Delivering.with { test in
            for _ in 0..<20 { _ = try create(test, policy: "fault=hang") }
            let other = try test.create("/other")
            for number in 0..<3 { try test.accept("e\(number)") }
            let hanging = try test.dispatcher { settings in
                settings.inFlight = 8
                settings.reserve = 0
                settings.approvalURL = "http://127.0.0.1:\(test.receiver.port)"
            }
            #expect(try test.work(hanging) { try test.log(other).count == 3 })
            #expect(hanging.attemptsInFlight == 4 && !hanging.hasFinished)
        }
    }

    @Test func `without a policy service, destinations that need approval can use all attempts`() throws {
        try Delivering.with { test in
            for _ in 0..<20 { _ = try create(test, target: "fault=hang", policy: "") }
            try test.accept("a")
            let dispatcher = try test.dispatcher { $0.inFlight = 8 }
            #expect(try test.work(dispatcher) { dispatcher.attemptsInFlight == 8 })
        }
    }

    @Test func `without a policy service, no approval is requested`() throws {
        try Delivering.with { test in
            _ = try create(test, policy: "status=412")
            try test.accept("a")
            try finish(test, try test.dispatcher())
            #expect(try test.receiver.arrivals().map(\.path) == ["/target"])
        }
    }

    // MARK: The target

    @Test(arguments: [
        (410, 1), (404, 3), (400, 3), (401, 3), (415, 3), (408, 3), (425, 3), (429, 3), (500, 3), (503, 3),
    ])
    func `status 410 disables at once, and any other failure after the last attempt`(status: Int, attempts: Int) throws
    {
        try Delivering.with { test in
            let webhook = try create(test, target: "status=\(status)&body=so", policy: nil)
            try test.accept("a")
            let dispatcher = try dispatcher(test)
            for _ in 0..<4 {
                try test.workUntilIdle(dispatcher)
                test.skip(seconds: 31)
            }
            #expect(try calls(test, "/target").count == attempts && test.pending() == 0)
            let found = try destination(test, webhook)
            #expect(found.disabledReason == "so" && found.isDisabled(at: test.now.wall))
        }
    }

    @Test func `a redirect by the target is not followed, and is a failure`() throws {
        try Delivering.with { test in
            let webhook = try create(test, target: "redirect=/elsewhere", policy: nil)
            try test.accept("a")
            try finish(test, try dispatcher(test))
            #expect(try calls(test, "/elsewhere").isEmpty)
            #expect(try destination(test, webhook).isDisabled(at: test.now.wall))
        }
    }
}
