import HTTP
import Testing
import Values

@testable import Delivery

@Suite struct AttemptTests {
    /// Sun, 22 Nov 2026 06:05:37 GMT.
    private static let now = Timestamp(microseconds: 1_795_327_537_000_000)

    private func attempt(
        _ status: Int?, _ headers: [(String, String)] = [], kind: Attempt.ErrorKind? = nil
    ) -> Attempt {
        let isSuccess = status.map { (200..<300).contains($0) } ?? false
        return Attempt(
            status: status, responseHeaders: headers.map { HeaderField(name: $0.0, value: $0.1) },
            failure: isSuccess ? nil : Attempt.Failure(kind: kind ?? .status, text: ""), triggeredAt: Self.now)
    }

    private func wish(_ attempt: Attempt, disablesOnGone: Bool = true) -> ReceiverWish {
        ReceiverWish(attempt, now: Self.now, disablesOnGone: disablesOnGone)
    }

    @Test(
        arguments: [
            ("0", 0), ("120", 120), ("4294967296", 4_294_967_296), ("Sun, 22 Nov 2026 06:07:37 GMT", 120),
            ("Sun, 22 Nov 2026 06:05:00 GMT", 0), ("", nil), ("-1", nil), ("+1", nil), ("1.5", nil), ("soon", nil),
            ("2026-11-22T06:07:37Z", nil),
        ] as [(String, Double?)])
    func `Retry-After is seconds or a date, and anything else is ignored`(value: String, seconds: Double?) {
        #expect(wish(attempt(503, [("Retry-After", value)])).retryAfter == seconds)
        #expect(wish(attempt(200, [("retry-after", value)])).retryAfter == seconds)
    }

    @Test(arguments: [
        (200, "disable", false, true), (500, "Disable", false, true), (500, "ABORT-MESSAGE", true, false),
        (500, "other", false, false), (410, "", false, true), (410, "abort-message", true, true),
    ])
    func `a receiver can abort a delivery, or disable its destination`(
        status: Int, value: String, aborts: Bool, disables: Bool
    ) {
        let found = wish(attempt(status, [("Webhook-Delivery", value)]))
        #expect(found.abortsMessage == aborts && found.disables == disables)
    }

    @Test func `status 410 does not disable if that is switched off`() {
        #expect(!wish(attempt(410), disablesOnGone: false).disables)
    }

    private static let policy = RetryPolicy.schedule([5, 60])

    @Test(arguments: Trigger.allCases)
    func `only a scheduled or recovered attempt is retried`(trigger: Trigger) {
        let failed = attempt(500)
        let verdict = failed.verdict(Self.policy, attempts: 1, trigger: trigger, wish: wish(failed), jitter: 0)
        #expect(verdict == (trigger == .scheduled || trigger == .recover ? .retry(seconds: 5) : .givenUp))
        let done = attempt(204)
        #expect(done.verdict(Self.policy, attempts: 3, trigger: trigger, wish: wish(done), jitter: 0) == .delivered)
    }

    @Test(arguments: Attempt.ErrorKind.allCases)
    func `the kind of a failure decides whether and when it is retried`(kind: Attempt.ErrorKind) {
        let failed = attempt(nil, kind: kind)
        let verdict = failed.verdict(Self.policy, attempts: 1, trigger: .scheduled, wish: wish(failed), jitter: 0)
        switch kind {
        case .disabled, .unavailable, .withheld: #expect(verdict == .givenUp)
        case .timeout: #expect(verdict == .retry(seconds: 30))
        default: #expect(verdict == .retry(seconds: 5))
        }
        #expect(
            failed.verdict(Self.policy, attempts: 3, trigger: .scheduled, wish: wish(failed), jitter: 0) == .givenUp)
    }

    @Test func `an event is retried by its schedule, or later if the receiver asks for it`() {
        for (failed, seconds) in [
            (attempt(429), 5.0), (attempt(nil, kind: .timeout), 5), (attempt(429, [("Retry-After", "9")]), 9),
        ] {
            let verdict = failed.verdict(
                Self.policy, .event, attempts: 1, trigger: .scheduled, wish: wish(failed), jitter: 0)
            #expect(verdict == .retry(seconds: seconds))
        }
    }

    @Test func `a webhook that answers 429 is retried after 30 seconds, or as Retry-After says`() {
        for (headers, seconds) in [([], 30.0), ([("Retry-After", "7")], 7), ([("Retry-After", "99")], 99)] {
            let failed = attempt(429, headers)
            let verdict = failed.verdict(Self.policy, attempts: 1, trigger: .scheduled, wish: wish(failed), jitter: 0)
            #expect(verdict == .retry(seconds: seconds))
        }
    }

    @Test func `a result in brief leaves out only what is in the log`() throws {
        var random = SystemRandomNumberGenerator()
        let delivery = Delivery(
            number: 1, destination: 2, payload: 3, id: UUID(random: &random), trigger: .scheduled,
            due: Timestamp(microseconds: 0), created: Timestamp(microseconds: 0))
        let consent = Consent(url: "http://receiver.test/", rate: 7)
        let done = attempt(204, [("a", "b")])
        let brief = DeliveryResult(
            delivery: delivery, attempt: done, wish: wish(done), jitter: 0.5, isReusedConnection: true, consent: consent
        ).brief
        #expect(brief.delivery == delivery && brief.wish == wish(done) && brief.jitter == 0.5)
        #expect(brief.isReusedConnection && brief.consent == consent)
        #expect(brief.attempt.status == 204 && brief.attempt.responseHeaders.isEmpty)
    }
}
