import Testing

@testable import Delivery

@Suite struct RetryPolicyTests {
    @Test(arguments: [(0, 1), (1, 2), (3, 4)])
    func `a fixed policy waits equally long before each retry, and then gives up`(retries: Int, attempts: Int) {
        let policy = RetryPolicy.fixed(retries: retries, interval: 1.5)
        #expect(policy.attempts == attempts)
        for attempt in 1...attempts {
            let wait = policy.wait(after: attempt, isOverloaded: true, jitter: 1)
            #expect(wait == (attempt < attempts ? 1.5 : nil))
        }
    }

    @Test func `the standard policy makes 11 attempts in three days`() {
        let waits = (1...11).map { RetryPolicy.standard.wait(after: $0, jitter: 0) }
        #expect(waits.last == .some(nil) && RetryPolicy.standard.attempts == 11)
        // 75 h 36 min 5 s.
        #expect(waits.compactMap(\.self).reduce(0, +) == 272_165)
    }

    @Test(arguments: [(1, 5.5), (2, 66), (4, 1980), (5, 7920), (6, 18_900), (10, 87_300)])
    func `jitter adds up to a tenth to a wait, at most 15 minutes`(
        attempts: Int, latest: Double
    ) throws {
        let wait = { RetryPolicy.standard.wait(after: attempts, jitter: $0) }
        let (none, some, all) = (try #require(wait(0)), try #require(wait(0.5)), try #require(wait(1)))
        #expect(none < some && some < all && abs(all - latest) < 0.001)
    }

    @Test(
        arguments: [
            (.fixed(retries: 1, interval: 5), 3, 5), (.fixed(retries: 1, interval: 5), 30, 30),
            (.fixed(retries: 1, interval: 5), 1e9, 3600), (.fixed(retries: 1, interval: 7200), 1e9, 7200),
            (.schedule([60]), 3, 60), (.schedule([60]), 90, 90), (.schedule([60]), .infinity, 21_600),
            (.schedule([86_400]), 90, 86_400),
        ] as [(RetryPolicy, Double, Double)])
    func `a retry waits as long as the receiver asks, up to a limit`(policy: RetryPolicy, asked: Double, wait: Double) {
        #expect(policy.wait(after: 1, asked: asked, jitter: 0) == wait)
        #expect(policy.wait(after: 2, asked: asked, jitter: 0) == nil)
    }

    @Test func `under a schedule an overloaded receiver gets 30 seconds, unless it asks for less`() {
        #expect(RetryPolicy.schedule([5]).wait(after: 1, isOverloaded: true, jitter: 0) == 30)
        #expect(RetryPolicy.schedule([60]).wait(after: 1, isOverloaded: true, jitter: 0) == 60)
        #expect(RetryPolicy.schedule([5]).wait(after: 1, asked: 6, isOverloaded: true, jitter: 0) == 6)
    }
}
