import HTTP
import Testing
import Values

@testable import Delivery

@Suite struct DisablingTests {
    private static let now = Timestamp(microseconds: 1_795_327_537_000_000)
    private static let failing = "all attempts have failed for 121 hours"

    private func result(
        _ status: Int?, _ kind: Attempt.ErrorKind = .status, _ rule: String? = nil, approval: Int? = nil,
        trigger: Trigger = .scheduled, body: String = "said so", policy: String = "policy"
    ) -> DeliveryResult {
        let isSuccess = status.map { (200..<300).contains($0) } ?? false
        let attempt = Attempt(
            status: status, responseHeaders: rule.map { [HeaderField(name: "webhook-delivery", value: $0)] } ?? [],
            responseBody: Array(body.utf8),
            failure: isSuccess ? nil : Attempt.Failure(kind: kind, text: "it failed"), triggeredAt: Self.now,
            approval: approval.map { Attempt.Approval(status: $0, body: Array(policy.utf8)) })
        var random = SystemRandomNumberGenerator()
        let delivery = Delivery(
            number: 1, destination: 2, payload: 3, id: UUID(random: &random), trigger: trigger, due: Self.now,
            created: Self.now)
        return DeliveryResult(
            delivery: delivery, attempt: attempt,
            wish: ReceiverWish(attempt, now: Self.now, disablesOnGone: true), jitter: 0)
    }

    @Test func `a webhook is disabled by lasting failures, or if its receiver asks for it`() {
        for verdict in [Verdict.delivered, .retry(seconds: 1), .givenUp] {
            #expect(result(500).disablingReason(verdict, .webhook, failing: nil) == nil)
            #expect(result(500).disablingReason(verdict, .webhook, failing: Self.failing) == Self.failing)
            #expect(
                result(410).disablingReason(verdict, .webhook, failing: Self.failing)
                    == "the receiver answered 410 Gone")
            for status in [204, 500] {
                #expect(
                    result(status, .status, "disable").disablingReason(verdict, .webhook, failing: nil)
                        == "the receiver asked to be disabled")
            }
        }
    }

    @Test(
        arguments: [
            (500, .status, nil, "said so"), (410, .status, nil, "said so"), (nil, .timeout, nil, "it failed"),
            (nil, .approval, 503, "policy"), (nil, .approval, 404, nil), (nil, .approval, nil, nil),
            (nil, .withheld, 403, nil), (nil, .unavailable, nil, nil), (nil, .disabled, nil, nil),
        ] as [(Int?, Attempt.ErrorKind, Int?, String?)])
    func `giving up an event disables its subscription, with the answer as the reason`(
        status: Int?, kind: Attempt.ErrorKind, approval: Int?, reason: String?
    ) {
        let found = result(status, kind, approval: approval)
        #expect(found.disablingReason(.givenUp, .event, failing: Self.failing) == reason)
    }

    @Test func `a response without a body is described where others are quoted`() {
        let (refused, unapproved) = (result(302, body: ""), result(nil, .approval, approval: 503, policy: ""))
        for found in [refused, unapproved] {
            #expect(found.disablingReason(.givenUp, .event, failing: nil) == "it failed")
        }
    }

    @Test func `an event that is retried or aborted does not disable its subscription`() {
        #expect(result(500).disablingReason(.retry(seconds: 1), .event, failing: nil) == nil)
        #expect(result(500, .status, "abort-message").disablingReason(.givenUp, .event, failing: nil) == nil)
    }

    @Test(arguments: [Trigger.manual, .test])
    func `an event that was sent by hand does not disable its subscription`(trigger: Trigger) {
        #expect(result(500, trigger: trigger).disablingReason(.givenUp, .event, failing: nil) == nil)
    }

    @Test(arguments: [
        (Attempt.ErrorKind.status, true), (.connect, true), (.withheld, false), (.approval, false),
        (.unavailable, false),
    ])
    func `an attempt that did not reach the receiver is not counted as its failure`(
        kind: Attempt.ErrorKind, isCounted: Bool
    ) {
        var health = DestinationHealth()
        let found = result(nil, kind)
        #expect(health.conclude(found, .retry(seconds: 1), .schedule([1]), .webhook, at: Self.now) == nil)
        #expect(health.failedAttempts == (isCounted ? 1 : 0))
    }
}
