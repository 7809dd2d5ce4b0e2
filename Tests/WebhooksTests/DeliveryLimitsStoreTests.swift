import Delivery
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values
import Webhooks

/// The order of deliveries, and the limits on their number.
@Suite struct DeliveryLimitsStoreTests {
    // MARK: Order

    @Test(arguments: WebhookEngine.allCases, [false, true])
    func `the attempts of a lost worker are due at once if its successor is the only worker`(
        engine: WebhookEngine, isOrdered: Bool
    ) throws {
        try engine.withStore { test in
            let limits = DestinationLimits(isOrdered: isOrdered)
            for _ in 0..<2 { try test.create(.fixed(retries: 3, interval: 5), limits: limits) }
            for number in 0..<3 { try test.accept("e\(number)") }
            let worker = TestWorker(test, owner: 1)
            let begun = try worker.step()
            #expect(begun.count == (isOrdered ? 2 : 6))
            // One delivery waits for its retry, and goes on waiting.
            try worker.end((begun[0], .status(500)))
            test.pass(seconds: 1)
            let successor = TestWorker(test, owner: 2)
            #expect(try successor.step().isEmpty)
            #expect(try test.deliveries.endLeases(longest: 25, at: test.moment) == begun.count - 1)
            try test.commit()
            #expect(try test.faults() == [])
            let again = try successor.step()
            #expect(Set(again.map(\.delivery.id)) == Set(begun.dropFirst().map(\.delivery.id)))
            #expect(try test.deliveries.endLeases(longest: 25, at: test.moment) == again.count)
            try test.commit()
        }
    }

    /// The check of the store compares the number of attempts in flight with the deliveries.
    @Test(arguments: WebhookEngine.allCases)
    func `attempts of a deleted webhook no longer count as in flight`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            for number in 0..<3 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            let starts = try worker.step()
            #expect(starts.count == 3)
            #expect(try test.delete(webhook))
            try worker.end((starts[0], .ok))
            #expect(try test.removeGarbage(2) == 2 && test.removeGarbage(2) == 1)
            try test.commit()
            try worker.end((starts[1], .ok))
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `in order, a delivery waits until the previous one has succeeded or is given up`(engine: WebhookEngine) throws
    {
        try engine.withStore { test in
            let webhook = try test.create(
                .fixed(retries: 1, interval: 10), limits: DestinationLimits(isOrdered: true))
            for id in ["a", "b", "c"] { try test.accept(id) }
            let (worker, other) = (TestWorker(test), TestWorker(test, owner: 2))
            let a = try worker.step()
            #expect(a.events == ["a"])
            #expect(try worker.step().isEmpty)
            #expect(try other.step().isEmpty)
            try worker.end((a[0], .status(500)))
            #expect(worker.nextDue == test.moment.steady.adding(seconds: 10))
            #expect(try worker.step().isEmpty)
            #expect(try other.step().isEmpty)
            test.pass(seconds: 9.9)
            #expect(try other.step().isEmpty)
            test.pass(seconds: 0.1)
            let again = try other.step()
            #expect(again.events == ["a"] && again.first?.delivery.attempts == 1)
            #expect(try worker.step().isEmpty)
            #expect(try other.step([(again[0], .status(500))]).events == ["b"])
            test.pass(seconds: 0.5)
            let line = try #require(try test.log(webhook).first)
            #expect(line.eventID == "a" && line.isFinal)
            #expect(try worker.step().isEmpty)
        }
        try engine.withStore { test in
            try test.create(.fixed(retries: 1, interval: 10), limits: DestinationLimits(isOrdered: true))
            for id in ["a", "b", "c"] { try test.accept(id) }
            let worker = TestWorker(test)
            #expect(try worker.work().events == ["a"])
            #expect(try worker.work().events == ["b"])
            #expect(try worker.work().events == ["c"])
            #expect(try worker.work().isEmpty)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `when ordering is turned off, only the failed delivery waits`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(
                .fixed(retries: 1, interval: 1000), limits: DestinationLimits(isOrdered: true))
            for id in ["a", "b"] { try test.accept(id) }
            let worker = TestWorker(test)
            #expect(try worker.work(.status(500)).events == ["a"])
            try test.change(webhook) { $0.destination.limits.isOrdered = false }
            #expect(try test.faults() == [])
            #expect(try worker.work().events == ["b"])
            test.pass(seconds: 999)
            #expect(try worker.work().isEmpty)
            test.pass(seconds: 1)
            #expect(try worker.work().events == ["a"])
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `when ordering is turned off during an attempt, its result still counts`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(
                .fixed(retries: 1, interval: 1000), limits: DestinationLimits(isOrdered: true))
            for id in ["a", "b"] { try test.accept(id) }
            let worker = TestWorker(test)
            let begun = try worker.step()
            try test.change(webhook) { $0.destination.limits.isOrdered = false }
            #expect(try worker.step([(begun[0], .ok)]).events == ["b"])
            #expect(try test.pending(webhook) == 1)
        }
    }

    // MARK: Limits

    @Test(arguments: WebhookEngine.allCases)
    func `a rate is not exceeded, and the next delivery is due when the rate allows it`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            try test.create(.fixed(retries: 0, interval: 1), limits: DestinationLimits(rate: 4))
            for number in 0..<20 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            // The attempts of one second may be made at once.
            #expect(try worker.work().count == 4)
            #expect(try worker.work().isEmpty)
            let next = try #require(worker.nextDue)
            #expect(abs(next.seconds(since: test.moment.steady) - 0.25) < 0.01)
            var sent = 0
            for _ in 0..<100 {
                test.pass(seconds: 0.02)
                sent += try worker.work().count
            }
            #expect((7...8).contains(sent))
            test.pass(seconds: 60)
            #expect(try worker.work().count == 4)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a rate below one per second allows one attempt at a time`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            try test.create(.fixed(retries: 0, interval: 1), limits: DestinationLimits(rate: 0.1))
            for number in 0..<3 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            #expect(try worker.work().count == 1)
            test.pass(seconds: 9.9)
            #expect(try worker.work().isEmpty)
            test.pass(seconds: 0.2)
            #expect(try worker.work().count == 1)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a new rate applies at once, whatever was sent before`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(
                .fixed(retries: 0, interval: 1), limits: DestinationLimits(rate: 0.001))
            for number in 0..<3 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            #expect(try worker.work().events == ["e0"])
            #expect(try worker.work().isEmpty)
            try test.change(webhook) { $0.destination.limits.rate = 100 }
            #expect(try worker.work().events == ["e1", "e2"])
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a new URL closes the circuit breaker`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.schedule([3600]), limits: DestinationLimits(inFlight: 100))
            for number in 0..<10 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            try worker.work(.status(500))
            try test.accept("new")
            #expect(try worker.work().isEmpty)
            try test.change(webhook) { $0.destination.url = "http://other.test/" }
            #expect(try worker.work().events == ["new"])
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a circuit breaker opens, lets one probe through, and closes`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.schedule([1, 1, 1]))
            for number in 0..<12 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            #expect(try worker.work(.status(500)).count == 12)
            test.pass(seconds: 29)
            #expect(try worker.step().isEmpty)
            let opens = test.moment.steady.adding(seconds: 1)
            #expect(worker.nextDue == opens)
            test.pass(seconds: 1)
            let probe = try worker.step()
            #expect(probe.count == 1)
            #expect(try worker.step().isEmpty)
            try worker.end((probe[0], .failure(.connect)))
            test.pass(seconds: 59)
            #expect(try worker.step().isEmpty)
            test.pass(seconds: 1)
            let second = try worker.step()
            #expect(second.count == 1)
            #expect(try worker.step([(second[0], .ok)]).count == 11)
            #expect(try test.pending(webhook) == 11)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `under a fixed policy only the policy delays attempts`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            try test.create(.fixed(retries: 3, interval: 1), limits: DestinationLimits(inFlight: 100))
            for number in 0..<50 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            for _ in 0..<4 {
                #expect(try worker.work(.status(500)).count == 50)
                test.pass(seconds: 1)
            }
            #expect(try worker.work().isEmpty)
        }
    }
}
