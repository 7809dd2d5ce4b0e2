import Delivery
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values
import Webhooks

/// How environments share the slots for attempts and the space of the store.
@Suite struct SharingStoreTests {
    private func step(_ test: EmptyStore, _ room: AttemptRoom) throws -> [DeliveryStep.Start] {
        let step = try test.deliveries.step(
            [], beginning: room, inFlight: [:], owner: 1, leaseSeconds: 25, policies: RetryPolicies(), at: test.moment)
        try test.commit()
        #expect(try test.faults() == [])
        return step.starts
    }

    private func count(_ starts: [DeliveryStep.Start], _ webhooks: [Webhook]) -> Int {
        let numbers = Set(webhooks.map(\.destination.number))
        return starts.count { numbers.contains($0.destination.number) }
    }

    /// Creates webhooks of one environment, each with events that are due.
    private func flood(_ test: EmptyStore, webhooks: Int, events: Int) throws -> [Webhook] {
        let environment = test.newID()
        let made = try (0..<webhooks).map { _ in try test.create(test.webhook(in: environment)) }
        for number in 0..<events { try test.accept("e\(number)", in: environment) }
        return made
    }

    @Test(arguments: WebhookEngine.allCases)
    func `slots are shared by environment, not by webhook or order of arrival`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let many = try flood(test, webhooks: 20, events: 10)
            test.pass(seconds: 1)
            let few = try flood(test, webhooks: 1, events: 3)
            test.pass(seconds: 1)
            let some = try flood(test, webhooks: 5, events: 10)
            var room = AttemptRoom(60)
            let first = try step(test, room)
            #expect(first.count == 60 && count(first, few) == 3)
            #expect(abs(count(first, many) - count(first, some)) <= 1)
            for start in first { room.take(start) }
            // The next slots go to the environment that has the fewest.
            test.pass(seconds: 1)
            let late = try flood(test, webhooks: 2, events: 4)
            for start in first.filter({ $0.owner == first[0].owner }).prefix(4) { room.giveBack(start) }
            let second = try step(test, room)
            #expect(second.count == 4 && count(second, late) == 4)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a single environment has all slots, and a later one gets slots of the reserve`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let many = try flood(test, webhooks: 10, events: 10)
            var room = AttemptRoom(64, reserve: 16)
            let first = try step(test, room)
            #expect(first.count == 64 && count(first, many) == 64)
            for start in first { room.take(start) }
            #expect(try step(test, room).isEmpty)
            let late = try flood(test, webhooks: 1, events: 20)
            let second = try step(test, room)
            #expect(second.count == AttemptRoom.reservedEach && count(second, late) == second.count)
        }
    }

    /// More destinations than one step looks at.
    @Test(arguments: WebhookEngine.allCases)
    func `the many webhooks of one environment do not delay another's`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            _ = try flood(test, webhooks: 1100, events: 1)
            test.pass(seconds: 1)
            let late = try flood(test, webhooks: 1, events: 1)
            let starts = try step(test, AttemptRoom(8))
            #expect(starts.count == 8 && count(starts, late) == 1)
        }
    }

    // MARK: Retention

    /// Drops all that may be dropped, in steps.
    private func dropAll(_ test: EmptyStore, before time: Timestamp, maximumBytes: UInt64 = .max) throws {
        for _ in 0..<1000 {
            let count = try test.dropOld(time, maximumBytes, 10)
            try test.commit()
            #expect(try test.faults() == [])
            if count == 0 { return }
        }
        Issue.record("more is dropped in each step")
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a flood of events in one environment does not drop the events of another`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let waiting = try test.create(.fixed(retries: 3, interval: 3600))
            let worker = TestWorker(test)
            try test.accept("done")
            try worker.work()
            try test.accept("waits")
            try worker.work(.status(500))
            test.pass(seconds: 1)
            let environment = test.newID()
            let flooding = try test.create(test.webhook(in: environment))
            let body = String(repeating: "x", count: 20_000)
            for number in 0..<40 {
                try test.accept("f\(number)", body: body, in: environment)
                try worker.work()
                test.pass(seconds: 1)
            }
            for number in 40..<60 { try test.accept("f\(number)", body: body, in: environment) }
            try dropAll(test, before: test.moment.wall.adding(seconds: -86400), maximumBytes: 450_000)
            // The oldest finished events of the flood are gone; the pending ones are not.
            #expect(try test.log(flooding).count < 40)
            #expect(try test.log(waiting).count == 2)
            #expect(try worker.step().events == (40..<56).map { "f\($0)" })
            test.pass(seconds: 3600)
            #expect(try worker.step().events == ["waits"])
            #expect(try test.accept("done").isRepeated)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `an event that waits for a retry is kept until it is done, however old it is`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 1, interval: 7200))
            let worker = TestWorker(test)
            try test.accept("waits", body: "body")
            try worker.work(.status(500))
            test.pass(seconds: 7199)
            try dropAll(test, before: test.moment.wall, maximumBytes: 0)
            test.pass(seconds: 1)
            #expect(try worker.work(.ok).map(\.payload?.body) == [Array("body".utf8)])
            #expect(try test.pending(webhook) == 0)
            test.pass(seconds: 1)
            try dropAll(test, before: test.moment.wall)
            #expect(try test.log(webhook).isEmpty && !test.accept("waits").isRepeated)
        }
    }
}
