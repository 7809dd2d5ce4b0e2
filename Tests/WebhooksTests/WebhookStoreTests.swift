import Delivery
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values
import Webhooks

/// What every engine must do for webhooks, events and logs.
@Suite struct WebhookStoreTests {
    @Test(arguments: WebhookEngine.allCases)
    func `an empty store finds no webhook, and accepts events`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let id = test.newID()
            let found = try test.webhooks.webhooks(of: id)
            #expect(found.isEmpty)
            #expect(try test.webhooks.webhook(id) == nil)
            let never = test.webhook()
            #expect(try test.webhooks.replace(never, by: never) == .gone)
            #expect(try !test.webhooks.delete(id, for: nil))
            #expect(try test.webhooks.log(of: id, LogQuery()) == nil)
            #expect(try test.webhooks.statistics(of: id) == nil)
            #expect(try test.webhooks.retry(1, of: id, for: nil, at: test.moment) == .unknownDestination)
            #expect(try test.testCall(test.webhook()) == nil)
            #expect(try test.recover(test.webhook()) == nil)
            #expect(try test.webhooks.rotate(id, to: test.key(), at: test.moment.wall, overlapSeconds: 60) == nil)
            #expect(try test.accept("a") == EventAcceptance(eventID: "a", deliveries: 0, isRepeated: false))
        }
    }

    // MARK: Webhooks

    @Test(arguments: WebhookEngine.allCases)
    func `a webhook is found as it was created`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            var webhook = Webhook(
                id: test.newID(), environment: test.environment, name: "größe", description: "d\n",
                events: ["job-created", "pipeline-created"], headerNames: ["X-A", "X-B"],
                destination: Destination(
                    number: 0, url: "https://receiver.test/ä?b=c", method: "PUT", contentType: "text/x",
                    sealedHeaders: [0, 0xff], sealedSecret: [], policy: .own(.schedule([0.5, 3600])),
                    limits: DestinationLimits(inFlight: 3, rate: 0.25, isOrdered: true),
                    disabledUntil: test.moment.wall.adding(seconds: 60), disabledReason: "so"),
                created: test.moment.wall, updated: test.moment.wall.adding(seconds: 1))
            let made = try test.create(webhook)
            #expect(try test.current(webhook) == made)
            #expect(made.destination.number > 0 && made.destination.keyring != nil)
            webhook.destination = made.destination
            #expect(made == webhook)
            #expect(made.destination.sealedSecret == [] && made.destination.limits.rate == 0.25)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `webhooks are listed by environment, in the order of their creation`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let other = test.newID()
            let made = try [test.create(), test.create(test.webhook(in: other)), test.create(), test.create()]
            #expect(
                try test.webhooks.webhooks(of: test.environment).map(\.id) == [made[0], made[2], made[3]].map(\.id))
            #expect(try test.webhooks.webhooks(of: other).map(\.id) == [made[1].id])
            // The webhooks of an environment share its keyring.
            #expect(made[0].destination.keyring == made[2].destination.keyring)
            #expect(made[0].destination.keyring != made[1].destination.keyring)
            #expect(try test.delete(made[0]))
            #expect(try test.webhooks.webhooks(of: test.environment).map(\.id) == [made[2], made[3]].map(\.id))
            let more = try test.create()
            #expect(more.destination.number > made[3].destination.number)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `the number of webhooks of an environment is limited`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            for _ in 0..<2 { try test.create() }
            #expect(try test.webhooks.create(test.webhook(), for: nil, limit: 2, key: nil) == .tooMany)
            #expect(try test.webhooks.create(test.webhook(in: test.newID()), for: nil, limit: 2, key: nil) == .noKey)
            try test.commit()
            #expect(try test.webhooks.webhooks(of: test.environment).count == 2)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a retried request creates or deletes one webhook`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let request = test.request(1)
            let made = try test.create(for: request)
            #expect(try test.create(for: request) == made)
            #expect(try test.webhooks.webhooks(of: test.environment).count == 1)
            #expect(try test.delete(made, for: test.request(2)))
            #expect(try test.delete(made, for: test.request(2)))
            #expect(try !test.delete(made, for: test.request(3)))
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a change is stored, unless the webhook has changed since it was read`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.change(webhook) {
                $0.name = "other"
                $0.events = ["job-completed"]
                $0.destination.url = "http://elsewhere.test/"
            }
            var wanted = webhook
            wanted.name = "other"
            wanted.events = ["job-completed"]
            wanted.destination.url = "http://elsewhere.test/"
            #expect(try test.current(webhook) == wanted)
            // The webhook is no longer as it was read.
            #expect(try test.webhooks.replace(webhook, by: webhook) == .differs(wanted))
            try test.commit()
            #expect(try test.current(webhook) == wanted)
            #expect(try test.accept("a").deliveries == 0)
            #expect(try test.accept("b", type: "job-completed").deliveries == 1)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `deliveries and log entries of a deleted webhook are removed in steps, and no others`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let gone = try test.create(.schedule([1000]))
            let stays = try test.create(.schedule([1000]))
            for number in 0..<30 { try test.accept("e\(number)") }
            let worker = TestWorker(test)
            try worker.work(.status(500), capacity: 20)
            let lines = try test.log(stays).count
            #expect(try test.pending(stays) == 30)
            #expect(try test.delete(gone))
            #expect(try test.faults() == [])
            var steps: [Int] = []
            repeat {
                steps.append(try test.removeGarbage(7))
                try test.commit()
                #expect(try test.faults() == [])
            } while steps.last == 7
            #expect(steps.reduce(0, +) == 30 + 20 - lines)
            #expect(try test.pending(stays) == 30)
            #expect(try test.log(stays).count == lines)
            #expect(try test.removeGarbage(7) == 0)
        }
    }

    // MARK: Events

    @Test(arguments: WebhookEngine.allCases)
    func `an event goes to the webhooks of its environment that have its type`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let wanting = try test.create(test.webhook(events: ["job-created", "pipeline-created"]))
            try test.create(test.webhook(events: ["job-completed"]))
            try test.create(test.webhook(events: ["job-created"], in: test.newID()))
            #expect(try test.accept("a") == EventAcceptance(eventID: "a", deliveries: 1, isRepeated: false))
            #expect(try TestWorker(test).step().map(\.destination.number) == [wanting.destination.number])
            #expect(try test.accept("b", type: "job-status-changed").deliveries == 0)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `an event with a known id or idempotency key is not stored again`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            let first = EventAcceptance(eventID: "a", deliveries: 1, isRepeated: false)
            let again = EventAcceptance(eventID: "a", deliveries: 1, isRepeated: true)
            #expect(try test.accept("a", key: "k") == first)
            #expect(try test.accept("a") == again)
            #expect(try test.accept("b", key: "k") == again)
            #expect(try test.accept("a", key: "other") == again)
            // An id is not a key, and another environment has its own.
            #expect(try test.accept("k").isRepeated == false)
            #expect(try test.accept("c", key: "a").isRepeated == false)
            #expect(try test.accept("a", key: "k", in: test.newID()).isRepeated == false)
            #expect(try test.pending(webhook) == 3)
            #expect(try TestWorker(test).work().events == ["a", "k", "c"])
            #expect(try test.accept("a") == again)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a retried request gets the same answer`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            let answer = try test.accept("a", for: test.request(1))
            #expect(try test.accept("new id", for: test.request(1)) == answer)
            #expect(try test.accept("a", for: test.request(2)).isRepeated)
            let delivery = try test.testCall(webhook, for: test.request(3))
            #expect(try test.testCall(webhook, for: test.request(3)) == delivery)
            #expect(try test.pending(webhook) == 2)
            try TestWorker(test).work(.status(500, ["webhook-delivery": "abort-message"]))
            let entry = try #require(try test.log(webhook).last?.id)
            let retry = try test.retry(entry, of: webhook, for: test.request(4))
            #expect(try test.retry(entry, of: webhook, for: test.request(4)) == retry)
            #expect(try test.pending(webhook) == 1)
            try TestWorker(test).work(.status(500))
            let count = try test.recover(webhook, for: test.request(5))
            #expect(count == 1)
            #expect(try test.recover(webhook, for: test.request(5)) == 1)
            #expect(try test.pending(webhook) == 1)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a delivery is not begun before the commit of its event`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            try test.create()
            let event = Event(id: "a", type: "job-created", body: [])
            #expect(try test.webhooks.accept(event, in: test.environment, for: nil, at: test.moment).deliveries == 1)
            let worker = TestWorker(test)
            #expect(try worker.step().isEmpty)
            #expect(try worker.step().count == 1)
        }
    }

    // MARK: Retention

    @Test(arguments: WebhookEngine.allCases)
    func `old deliveries are dropped in steps, with their ids and idempotency keys`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1))
            let worker = TestWorker(test)
            for number in 0..<15 {
                try test.accept("old\(number)", key: "k\(number)")
                try worker.work()
            }
            test.pass(seconds: 1000)
            let oldest = test.moment.wall
            for number in 0..<5 {
                try test.accept("new\(number)")
                try worker.work()
            }
            #expect(try test.dropOld(oldest.adding(seconds: -2000), .max, 10) == 0)
            var steps: [Int] = []
            repeat {
                steps.append(try test.dropOld(oldest, .max, 8))
                try test.commit()
                #expect(try test.faults() == [])
            } while steps.last ?? 0 > 0
            #expect(steps.reduce(0, +) == 30 && steps.allSatisfy { $0 <= 8 })
            #expect(try test.log(webhook).map(\.eventID) == (0..<5).reversed().map { "new\($0)" })
            #expect(try test.accept("old1").isRepeated == false)
            #expect(try test.accept("other", key: "k2").isRepeated == false)
            #expect(try test.accept("new1").isRepeated)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `above the limit of space, the oldest payloads and log entries are dropped first`(engine: WebhookEngine) throws
    {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1))
            let worker = TestWorker(test)
            let body = String(repeating: "x", count: 1000)
            let start = test.moment.wall.adding(seconds: -1)
            for number in 0..<100 {
                try test.accept("e\(number)", body: body)
                try worker.work()
                test.pass(seconds: 1)
                // As the worker does between its steps.
                while try test.dropOld(start, 40_000, 8) == 8 { try test.commit() }
                try test.commit()
            }
            let log = try test.log(webhook)
            #expect((20...40).contains(log.count), "\(log.count)")
            #expect(log.map(\.eventID) == (0..<log.count).map { "e\(99 - $0)" })
            // All but the oldest have their payload too.
            #expect(log.dropLast().allSatisfy { $0.requestBody?.count == 1000 })
            #expect(try test.dropOld(start, 0, 1000) > 0)
            try test.commit()
            #expect(try test.log(webhook).isEmpty)
            #expect(try test.dropOld(start, 0, 1000) == 0)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `an event is kept until its deliveries are done, however old it is`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.accept("a")
            let end = test.moment.wall.adding(seconds: 1)
            #expect(try test.dropOld(end, .max, 10) == 0 && test.dropOld(end, 0, 10) == 0)
            let worker = TestWorker(test)
            let starts = try worker.step()
            #expect(starts.map(\.payload?.eventID) == ["a"])
            try worker.end((starts[0], .ok))
            #expect(try test.pending(webhook) == 0)
            #expect(try test.dropOld(end, .max, 10) == 2)
            try test.commit()
            #expect(try test.log(webhook).isEmpty)
        }
    }

    // MARK: Keys

    @Test(arguments: WebhookEngine.allCases)
    func `an environment has one keyring, and its keys rotate`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            #expect(try test.webhooks.keyring(of: test.environment) == nil)
            let made = try test.webhooks.keyring(of: test.environment, beginning: test.key("one"))
            try test.commit()
            #expect(made.keys.map(\.id) == ["one"])
            #expect(try test.webhooks.keyring(of: test.environment, beginning: test.key("never")) == made)
            #expect(try test.webhooks.keyring(of: test.environment) == made)
            #expect(try test.create().destination.keyring == made.number)
            let rotated = try #require(
                try test.webhooks.rotate(
                    test.environment, to: test.key("two"), at: test.moment.wall, overlapSeconds: 60))
            try test.commit()
            #expect(rotated.keys.map(\.id) == ["one", "two"])
            #expect(try test.webhooks.keyring(of: test.environment) == rotated)
        }
    }
}
