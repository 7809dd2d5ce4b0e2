import HTTP
import Testing
import Values

@testable import Delivery

@Suite struct DestinationHealthTests {
    private static let start = Timestamp(microseconds: 1_000_000_000_000)
    private static let schedule = RetryPolicy.schedule([5])
    private static let failure = Verdict.retry(seconds: 5)

    private func destination(_ limits: DestinationLimits = DestinationLimits()) -> Destination {
        Destination(number: 1, url: "", policy: .own(Self.schedule), limits: limits)
    }

    private func time(_ seconds: Double) -> Timestamp { Self.start.adding(seconds: seconds) }

    @Test func `the breaker opens at the tenth failure in a row`() {
        var health = DestinationHealth()
        for number in 0..<10 {
            #expect(health.opensAt == nil)
            // More than a minute apart.
            _ = health.conclude(Self.failure, Self.schedule, at: time(Double(number) * 100))
        }
        #expect(health.opensAt == time(930))
        #expect(health.allowance(destination(), inFlight: 0, at: time(929)) == (0, time(930)))
        #expect(health.allowance(destination(), inFlight: 0, at: time(930)) == (1, nil))
        #expect(health.allowance(destination(), inFlight: 1, at: time(930)) == (0, nil))
    }

    @Test func `the breaker does not open for events`() {
        var health = DestinationHealth()
        for _ in 0..<20 { _ = health.conclude(Self.failure, Self.schedule, .event, at: time(1)) }
        #expect(health.opensAt == nil && health.failuresInRow == 20)
    }

    @Test(arguments: [(7, 3, true), (6, 4, false), (14, 6, true), (13, 7, false), (6, 0, false), (8, 1, false)])
    func `the breaker opens if 70 percent of at least ten attempts fail within a minute`(
        failures: Int, successes: Int, opens: Bool
    ) {
        var health = DestinationHealth()
        for _ in 0..<successes { _ = health.conclude(.delivered, Self.schedule, at: time(1)) }
        for number in 0..<failures {
            // Never ten in a row.
            if number == 5 { health.failuresInRow = 0 }
            _ = health.conclude(Self.failure, Self.schedule, at: time(2))
        }
        #expect((health.opensAt != nil) == opens)
    }

    @Test func `attempts of more than a minute ago do not count`() {
        var health = DestinationHealth()
        for number in 0..<9 { _ = health.conclude(Self.failure, Self.schedule, at: time(Double(number))) }
        _ = health.conclude(.delivered, Self.schedule, at: time(70))
        for _ in 0..<6 { _ = health.conclude(Self.failure, Self.schedule, at: time(71)) }
        #expect(health.opensAt == nil && health.windowAttempts == 7)
    }

    @Test func `a failed probe doubles the pause, up to ten minutes, and a success closes the breaker`() throws {
        var health = DestinationHealth()
        var now = Self.start
        for _ in 0..<10 { _ = health.conclude(Self.failure, Self.schedule, at: now) }
        var times: [Double] = []
        for _ in 0..<7 {
            let opens = try #require(health.opensAt)
            times.append(opens.seconds(since: now))
            // The result of an attempt that was already in flight changes nothing.
            _ = health.conclude(Self.failure, Self.schedule, at: now)
            #expect(health.opensAt == opens)
            now = opens
            _ = health.conclude(Self.failure, Self.schedule, at: now)
        }
        #expect(times == [30, 60, 120, 240, 480, 600, 600])
        _ = health.conclude(.delivered, Self.schedule, at: now)
        #expect(health.opensAt == nil && health.openSeconds == 30 && health.failuresInRow == 0)
    }

    @Test func `the breaker does not open under a fixed policy`() {
        var health = DestinationHealth()
        for _ in 0..<100 { _ = health.conclude(.retry(seconds: 1), .fixed(retries: 3, interval: 1), at: Self.start) }
        #expect(health.opensAt == nil && health.failedAttempts == 100)
    }

    @Test(arguments: [(0.5, 1, 2.0), (1, 1, 1), (4, 4, 0.25), (2.5, 2, 0.2)])
    func `a rate allows the attempts of one second at once, and then one at a time`(
        rate: Double, burst: Int, wait: Double
    ) throws {
        let destination = destination(DestinationLimits(inFlight: 100, rate: rate))
        var health = DestinationHealth()
        #expect(health.allowance(destination, inFlight: 0, at: time(0)).count == burst)
        for _ in 0..<burst { health.begin(destination, at: time(0)) }
        let (count, again) = health.allowance(destination, inFlight: 0, at: time(0))
        let next = try #require(again)
        #expect(count == 0 && abs(next.seconds(since: time(0)) - wait) < 0.002)
        #expect(health.allowance(destination, inFlight: 0, at: next.adding(seconds: 0.001)).count == 1)
        #expect(health.allowance(destination, inFlight: 0, at: time(1000)).count == burst)
    }

    @Test func `an ordered destination has one attempt at a time`() {
        let destination = destination(DestinationLimits(inFlight: 16, isOrdered: true))
        #expect(DestinationHealth().allowance(destination, inFlight: 0, at: Self.start) == (1, nil))
        #expect(DestinationHealth().allowance(destination, inFlight: 1, at: Self.start) == (0, nil))
    }

    @Test(
        arguments: [
            ([0, 60, 119], false), ([0, 60, 120], true), ([0, 109, 120], false), ([0, 108, 120], true),
            ([120], false), ([0, 130], true),
        ] as [([Double], Bool)])
    func `a destination is disabled if it fails for 120 hours and deliveries are given up half a day apart`(
        hours: [Double], disables: Bool
    ) {
        var health = DestinationHealth()
        // The first attempt fails at once: the 120 hours begin then.
        _ = health.conclude(Self.failure, Self.schedule, at: time(0))
        var reason: String?
        for (index, hour) in hours.enumerated() {
            let verdict = index == 0 && hour == 0 && hours.count > 2 ? Self.failure : .givenUp
            reason = health.conclude(verdict, Self.schedule, at: time(hour * 3600))
            if index < hours.count - 1 { #expect(reason == nil) }
        }
        #expect((reason != nil) == disables)
    }

    @Test func `a success or forgiving resets the failures`() {
        for forgives in [false, true] {
            var health = DestinationHealth()
            _ = health.conclude(.givenUp, Self.schedule, at: time(0))
            if forgives { health.forgive() } else { _ = health.conclude(.delivered, Self.schedule, at: time(60)) }
            #expect(health.failingSince == nil && health.givenUpSince == nil && health.failuresInRow == 0)
            #expect(health.conclude(.givenUp, Self.schedule, at: time(500 * 3600)) == nil)
        }
    }
}
