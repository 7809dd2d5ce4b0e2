import Delivery
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values
import Webhooks

/// What every engine must do for deliveries and their attempts.
@Suite struct DeliveryStoreTests {
    @Test(arguments: WebhookEngine.allCases)
    func `an empty store has no attempt to begin`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let worker = TestWorker(test)
            let starts = try worker.step()
            #expect(starts.isEmpty && worker.nextDue == nil)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `an attempt has its event, its destination and its worker`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.accept("a", body: "{\"x\":1}")
            let start = try #require(try TestWorker(test, owner: 7).step().first)
            #expect(start.destination == webhook.destination)
            #expect(start.payload?.body == Array("{\"x\":1}".utf8))
            #expect(start.payload?.eventID == "a" && start.payload?.event == "job-created")
            #expect(start.payload?.source == test.environment)
            #expect(start.delivery.attempts == 0 && start.delivery.owner == 7 && start.delivery.trigger == .scheduled)
            #expect(start.delivery.created == test.moment.steady)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `the deliveries that are due first are begun first, as many as there are slots`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            for type in ["job-created", "job-completed", "pipeline-created"] {
                try test.create(test.webhook(events: [type]))
            }
            for (id, type) in [("a", "job-completed"), ("b", "pipeline-created"), ("c", "job-created")] {
                try test.accept(id, type: type)
                test.pass(seconds: 1)
            }
            let worker = TestWorker(test)
            #expect(try worker.step(capacity: 0).isEmpty)
            #expect(try worker.step(capacity: 1).events == ["a"])
            #expect(try worker.step(capacity: 1).events == ["b"])
            #expect(try worker.step(capacity: 5).events == ["c"])
            #expect(try worker.step().isEmpty)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a destination has a limited number of attempts in flight, and each that ends makes room`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1), limits: DestinationLimits(inFlight: 3))
            for number in 0..<8 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            let first = try worker.step()
            #expect(first.events == ["e0", "e1", "e2"])
            #expect(try worker.step().isEmpty)
            // Nothing has a due time: the others wait for a result.
            #expect(worker.nextDue == nil)
            #expect(try worker.step([(first[1], .ok)]).events == ["e3"])
            #expect(try worker.step([(first[0], .ok), (first[2], .status(500))]).events == ["e4", "e5"])
            #expect(try test.pending(webhook) == 5)
            // Another worker has its own slots.
            #expect(try TestWorker(test, owner: 2).step().events == ["e6", "e7"])
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `destinations without free slots do not delay the others`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            var free: [Webhook] = []
            for number in 0..<1000 {
                let made = try test.create(
                    test.webhook(
                        events: [number < 900 ? "job-created" : "job-completed"], limits: DestinationLimits(inFlight: 1)
                    ))
                if number >= 900 { free.append(made) }
            }
            try test.accept("a1")
            try test.accept("a2")
            let worker = TestWorker(test, leaseSeconds: 1000)
            #expect(try worker.step(capacity: 2000).count == 900)
            #expect(try worker.step(capacity: 2000).isEmpty)
            test.pass(seconds: 1)
            try test.accept("b", type: "job-completed")
            let starts = try worker.step(capacity: 2000)
            #expect(starts.count == 100 && Set(starts.events) == ["b"])
            #expect(Set(starts.map(\.destination.number)) == Set(free.map(\.destination.number)))
        }
    }

    // MARK: Retries

    @Test(arguments: WebhookEngine.allCases)
    func `a fixed policy makes its attempts at its interval, and then gives up`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 2, interval: 5))
            try test.accept("a")
            let worker = TestWorker(test)
            var ids: Set<UUID> = []
            for attempt in 0..<3 {
                let starts = try worker.step()
                #expect(starts.map(\.delivery.attempts) == [UInt32(attempt)])
                ids.formUnion(starts.map(\.delivery.id))
                test.pass(seconds: 0.5)
                try worker.end((starts[0], .status(500)))
                let due = test.moment.steady.adding(seconds: 5)
                #expect(worker.nextDue == (attempt < 2 ? due : nil))
                #expect(try test.pending(webhook) == (attempt < 2 ? 1 : 0))
                test.pass(seconds: 4.999)
                #expect(try worker.step().isEmpty)
                test.pass(seconds: 0.001)
            }
            #expect(try worker.step().isEmpty && ids.count == 1)
            let log = try test.log(webhook)
            #expect(log.map(\.attempt) == [3, 2, 1] && log.map(\.isFinal) == [true, false, false])
            #expect(log.map { $0.nextRetryAt == nil } == [true, false, false])
            let health = try #require(try test.webhooks.statistics(of: webhook.id)).health
            #expect(health.failedAttempts == 3 && health.givenUp == 1 && health.delivered == 0)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a named policy is looked up when an attempt has failed`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            try test.create(test.webhook(.fixed))
            try test.accept("a")
            let worker = TestWorker(test)
            worker.policies.fixed = .fixed(retries: 1, interval: 60)
            try worker.work(.status(500))
            #expect(worker.nextDue == test.moment.steady.adding(seconds: 60))
            worker.policies.fixed = .fixed(retries: 2, interval: 7)
            test.pass(seconds: 60)
            try worker.work(.status(500))
            #expect(worker.nextDue == test.moment.steady.adding(seconds: 7))
            worker.policies.fixed = .fixed(retries: 0, interval: 7)
            test.pass(seconds: 7)
            try worker.work(.status(500))
            #expect(worker.nextDue == nil)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a delivery that succeeds is done, and its webhook has the last attempt and the last failure`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.accept("a")
            let worker = TestWorker(test)
            try worker.work(.failure(.timeout))
            test.pass(seconds: 1)
            try worker.work(.status(204))
            #expect(try worker.step().isEmpty)
            #expect(worker.nextDue == nil)
            let current = try test.current(webhook)
            #expect(current.lastTriggered?.status == 204 && current.lastTriggered?.attempt == 2)
            #expect(current.lastTriggered?.eventID == "a" && current.lastTriggered?.failure == nil)
            #expect(current.lastErrored?.failure?.kind == .timeout && current.lastErrored?.attempt == 1)
            #expect(try test.log(webhook).map(\.id) == [current.lastTriggered?.logID, current.lastErrored?.logID])
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a retry waits for as long as the receiver asks`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            try test.create(.fixed(retries: 1, interval: 1))
            try test.accept("a")
            let worker = TestWorker(test)
            try worker.work(.status(503, ["Retry-After": "120"]))
            #expect(worker.nextDue == test.moment.steady.adding(seconds: 120))
        }
    }

    @Test(
        arguments: WebhookEngine.allCases,
        [
            (.status(410), "the receiver answered 410 Gone"),
            (.status(500, ["webhook-delivery": "disable"]), "the receiver asked to be disabled"),
            (.status(200, ["Webhook-Delivery": "DISABLE"]), "the receiver asked to be disabled"),
        ] as [(Answer, String)])
    func `a receiver can disable its webhook, which gives up the pending deliveries`(
        engine: WebhookEngine, wish: (answer: Answer, reason: String)
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 3, interval: 1), limits: DestinationLimits(inFlight: 1))
            try test.accept("a")
            try test.accept("b")
            let worker = TestWorker(test)
            try worker.work(wish.answer)
            let current = try test.current(webhook)
            #expect(current.destination.disabledReason == wish.reason)
            #expect(current.destination.disabledUntil?.rfc3339.hasPrefix("9999-12-31T23:59:59") == true)
            #expect(try worker.step().isEmpty)
            #expect(try test.pending(webhook) == 0)
            #expect(try test.log(webhook).first?.outcome.failure?.kind == .disabled)
            #expect(try test.accept("c").deliveries == 0)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a receiver can end a delivery`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.accept("a")
            try TestWorker(test).work(.status(500, ["webhook-delivery": "abort-message"]))
            #expect(try test.pending(webhook) == 0)
            #expect(try test.current(webhook).destination.disabledUntil == nil)
        }
    }

    // MARK: Leases

    @Test(arguments: WebhookEngine.allCases, [false, true])
    func `the deliveries of a lost worker go to another once the lease is over`(
        engine: WebhookEngine, isOrdered: Bool
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create(
                .fixed(retries: 1, interval: 1), limits: DestinationLimits(isOrdered: isOrdered))
            try test.accept("a")
            let (lost, other) = (TestWorker(test, owner: 1), TestWorker(test, owner: 2))
            let begun = try lost.step()
            #expect(begun.count == 1)
            #expect(try other.step().isEmpty)
            #expect(other.nextDue == test.moment.steady.adding(seconds: 25))
            test.pass(seconds: 24.999)
            #expect(try other.step().isEmpty)
            test.pass(seconds: 0.001)
            let taken = try other.step()
            #expect(taken.events == ["a"] && taken.first?.delivery.owner == 2)
            #expect(taken.first?.delivery.id == begun.first?.delivery.id)
            // A late result is logged, and changes nothing.
            try lost.end((begun[0], .status(500)))
            #expect(try test.pending(webhook) == 1)
            #expect(try test.log(webhook).map(\.isFinal) == [false])
            #expect(try test.log(webhook).first?.nextRetryAt == nil)
            #expect(try test.webhooks.statistics(of: webhook.id)?.health.failedAttempts == 0)
            try other.end((taken[0], .ok))
            #expect(try test.pending(webhook) == 0)
            try lost.end((begun[0], .ok))
            #expect(try test.webhooks.statistics(of: webhook.id)?.health.delivered == 1)
            #expect(try test.log(webhook).count == 3)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a result for a deleted webhook is dropped`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.accept("a")
            let worker = TestWorker(test)
            let begun = try worker.step()
            #expect(try test.delete(webhook))
            try worker.end((begun[0], .ok))
            #expect(try test.webhooks.webhook(webhook.id) == nil)
        }
    }

    // MARK: Disabled

    @Test(arguments: WebhookEngine.allCases)
    func `nothing is sent to a disabled webhook, and each event gets a log entry`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.disable(webhook)
            #expect(try test.accept("a") == EventAcceptance(eventID: "a", deliveries: 0, isRepeated: false))
            #expect(try TestWorker(test).step().isEmpty)
            let log = try test.log(webhook)
            #expect(log.map(\.eventID) == ["a"] && log.map(\.attempt) == [0] && log.map(\.isFinal) == [true])
            #expect(log.first?.outcome.failure?.kind == .disabled)
            test.pass(seconds: 3601)
            #expect(try test.accept("b").deliveries == 1)
        }
    }

    @Test(arguments: WebhookEngine.allCases, [false, true])
    func `disabling a webhook gives up its pending deliveries, in several steps`(
        engine: WebhookEngine, isOrdered: Bool
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create(.schedule([1000]), limits: DestinationLimits(isOrdered: isOrdered))
            for number in 0..<150 { try test.accept("e\(number)") }
            try test.disable(webhook)
            let worker = TestWorker(test)
            var steps = 0
            while try test.pending(webhook) > 0, steps < 10 {
                #expect(try worker.step().isEmpty)
                steps += 1
            }
            #expect((2...5).contains(steps))
            #expect(try test.log(webhook, LogQuery(limit: 1000)).count == 150)
            try test.disable(webhook, forSeconds: nil)
            #expect(try worker.step().isEmpty)
        }
    }

    @Test(arguments: WebhookEngine.allCases, [false, true])
    func `the result of an attempt counts even if its webhook is disabled during it`(
        engine: WebhookEngine, isOrdered: Bool
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create(
                .fixed(retries: 0, interval: 1), limits: DestinationLimits(isOrdered: isOrdered))
            try test.accept("a")
            let worker = TestWorker(test)
            let begun = try worker.step()
            try test.disable(webhook)
            for _ in 0..<3 { #expect(try worker.step().isEmpty) }
            #expect(try test.pending(webhook) == 1)
            try worker.end((begun[0], .ok))
            #expect(try test.pending(webhook) == 0)
            #expect(try test.log(webhook).map(\.outcome.status) == [200])
        }
    }

    @Test(arguments: WebhookEngine.allCases, [false, true])
    func `a test is sent to a disabled webhook, once and within its limits`(
        engine: WebhookEngine, isOrdered: Bool
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create(
                .fixed(retries: 3, interval: 1), limits: DestinationLimits(inFlight: 2, isOrdered: isOrdered))
            try test.disable(webhook)
            for _ in 0..<5 { #expect(try test.testCall(webhook) != nil) }
            let worker = TestWorker(test)
            #expect(try worker.step(capacity: 1).count == 1)
            let second = try worker.step()
            #expect(second.count == (isOrdered ? 0 : 1))
            #expect(try worker.step().isEmpty)
            #expect(try TestWorker(test, owner: 2).step(capacity: 1).count == (isOrdered ? 0 : 1))
        }
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 3, interval: 1))
            try test.disable(webhook)
            #expect(try test.testCall(webhook) != nil)
            let worker = TestWorker(test)
            #expect(try worker.work(.status(500)).map(\.delivery.trigger) == [.test])
            // A test is not retried.
            #expect(try test.pending(webhook) == 0)
            #expect(try test.log(webhook).map(\.isFinal) == [true])
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `five days of failures disable a webhook, with the reason`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.schedule([]))
            let worker = TestWorker(test)
            for hour in 0...13 {
                try test.accept("e\(hour)")
                try worker.work(.status(500))
                #expect(try test.current(webhook).destination.disabledUntil == nil)
                test.pass(seconds: 10 * 3600)
                #expect(try test.pending(webhook) == 0)
                if hour == 11 { break }
            }
            try test.accept("last")
            try worker.work(.status(500))
            let disabled = try test.current(webhook).destination
            #expect(disabled.disabledReason == "all attempts have failed for 120 hours")
            try test.disable(webhook, forSeconds: nil)
            try test.accept("more")
            try worker.work(.status(500))
            // Earlier failures no longer count.
            #expect(try test.current(webhook).destination.disabledUntil == nil)
        }
    }
}
