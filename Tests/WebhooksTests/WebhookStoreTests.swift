import Delivery
import Gateway
import StoreSupport
import Testing
import Webhooks

/// Webhooks, events and logs: what every engine must do.
@Suite struct WebhookStoreTests {
    @Test(arguments: WebhookEngine.allCases)
    func `an empty store knows nothing`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let id = test.newID()
            let found = try test.store.webhooks(of: id)
            #expect(found.isEmpty)
            #expect(try test.store.webhook(id) == nil)
            #expect(try test.store.change(id) { _ in true } == nil)
            #expect(try !test.store.delete(id, for: nil))
            #expect(try test.store.log(of: id, LogQuery()) == nil)
            #expect(try test.store.statistics(of: id) == nil)
            #expect(try test.store.retry(1, of: id, for: nil, at: test.moment) == .unknownDestination)
            #expect(try test.testCall(test.webhook()) == nil)
            #expect(try test.recover(test.webhook()) == nil)
            #expect(try test.store.rotate(id, to: test.key()) { _ in true } == nil)
            #expect(try test.accept("a") == EventAcceptance(eventID: "a", deliveries: 0, isRepeated: false))
        }
    }

    // MARK: Webhooks

    @Test(arguments: WebhookEngine.allCases)
    func `a webhook is found as it was made`(engine: WebhookEngine) throws {
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
    func `webhooks are listed by environment, in the order they were made`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let other = test.newID()
            let made = try [test.create(), test.create(test.webhook(in: other)), test.create(), test.create()]
            #expect(try test.store.webhooks(of: test.environment).map(\.id) == [made[0], made[2], made[3]].map(\.id))
            #expect(try test.store.webhooks(of: other).map(\.id) == [made[1].id])
            // Of one environment all have the same keys, of another others.
            #expect(made[0].destination.keyring == made[2].destination.keyring)
            #expect(made[0].destination.keyring != made[1].destination.keyring)
            #expect(try test.delete(made[0]))
            #expect(try test.store.webhooks(of: test.environment).map(\.id) == [made[2], made[3]].map(\.id))
            let more = try test.create()
            #expect(more.destination.number > made[3].destination.number)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `an environment has no more webhooks than it may`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            for _ in 0..<2 { try test.create() }
            #expect(try test.store.create(test.webhook(), for: nil, limit: 2) { nil } == .tooMany)
            #expect(try test.store.create(test.webhook(in: test.newID()), for: nil, limit: 2) { nil } == .noKey)
            try test.commit()
            #expect(try test.store.webhooks(of: test.environment).count == 2)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a request that is made again makes no second webhook, and deletes none twice`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let request = test.request(1)
            let made = try test.create(for: request)
            #expect(try test.create(for: request) == made)
            #expect(try test.store.webhooks(of: test.environment).count == 1)
            #expect(try test.delete(made, for: test.request(2)))
            #expect(try test.delete(made, for: test.request(2)))
            #expect(try !test.delete(made, for: test.request(3)))
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a change is kept, and one that is refused changes nothing`(engine: WebhookEngine) throws {
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
            let refused = try test.store.change(webhook.id) {
                $0.name = "never"
                return false
            }
            try test.commit()
            #expect(refused == wanted)
            #expect(try test.current(webhook) == wanted)
            #expect(try test.accept("a").deliveries == 0)
            #expect(try test.accept("b", type: "job-completed").deliveries == 1)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `what a deleted webhook leaves behind is removed in steps, and nothing of others`(
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
    func `an event goes to the webhooks of its environment that want it`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let wanting = try test.create(test.webhook(events: ["job-created", "pipeline-created"]))
            try test.create(test.webhook(events: ["job-completed"]))
            try test.create(test.webhook(events: ["job-created"], in: test.newID()))
            #expect(try test.accept("a") == EventAcceptance(eventID: "a", deliveries: 1, isRepeated: false))
            #expect(try TestWorker(test).turn().map(\.destination.number) == [wanting.destination.number])
            #expect(try test.accept("b", type: "job-status-changed").deliveries == 0)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `an event that comes again is the same event`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            let first = EventAcceptance(eventID: "a", deliveries: 1, isRepeated: false)
            let again = EventAcceptance(eventID: "a", deliveries: 1, isRepeated: true)
            #expect(try test.accept("a", key: "k") == first)
            #expect(try test.accept("a") == again)
            #expect(try test.accept("b", key: "k") == again)
            #expect(try test.accept("a", key: "other") == again)
            // An id is no key, and another environment's are others.
            #expect(try test.accept("k").isRepeated == false)
            #expect(try test.accept("c", key: "a").isRepeated == false)
            #expect(try test.accept("a", key: "k", in: test.newID()).isRepeated == false)
            #expect(try test.pending(webhook) == 3)
            #expect(try TestWorker(test).work().events == ["a", "k", "c"])
            #expect(try test.accept("a") == again)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a request that is made again gets the answer it got`(engine: WebhookEngine) throws {
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
    func `nothing is kept before the commit`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            try test.create()
            let event = Event(id: "a", type: "job-created", body: [])
            #expect(try test.store.accept(event, in: test.environment, for: nil, at: test.moment).deliveries == 1)
            let worker = TestWorker(test)
            #expect(try worker.turn().isEmpty)
            #expect(try worker.turn().count == 1)
        }
    }

    // MARK: Logs

    @Test(arguments: WebhookEngine.allCases)
    func `a log is read in pages, newest first, and filtered`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1))
            let other = try test.create(.fixed(retries: 0, interval: 1))
            let worker = TestWorker(test)
            for number in 0..<600 {
                try test.accept("e\(number)", type: number % 3 == 0 ? "job-completed" : "job-created")
                if number % 20 == 19 { try worker.work(number % 100 == 99 ? .status(503) : .ok) }
                if number % 20 == 19 { try worker.work() }
            }
            while try !worker.work().isEmpty {}
            let all = try test.log(webhook, LogQuery(limit: 1000))
            #expect(all.count == 600 && all.map(\.id) == all.map(\.id).sorted(by: >))
            let others = try test.log(other, LogQuery(limit: 1000)).map(\.id)
            #expect(Set(all.map(\.id)).isDisjoint(with: others))
            var pages: [LogEntry] = []
            while true {
                let page = try test.log(webhook, LogQuery(limit: 37, before: pages.last?.id))
                pages += page
                if page.count < 37 { break }
            }
            #expect(pages == all)
            let failed = try test.log(webhook, LogQuery(limit: 1000, succeeded: false))
            #expect(failed == all.filter { $0.outcome.failure != nil } && !failed.isEmpty)
            #expect(try test.log(webhook, LogQuery(limit: 1000, status: 503)) == failed)
            #expect(try test.log(webhook, LogQuery(limit: 1000, succeeded: true)).count == 600 - failed.count)
            let completed = try test.log(webhook, LogQuery(limit: 1000, event: "job-completed"))
            #expect(completed.count == 200 && completed.allSatisfy { $0.event == "job-completed" })
            #expect(try test.log(webhook, LogQuery(limit: 2, event: "job-completed")) == Array(completed.prefix(2)))
            #expect(try test.log(webhook, LogQuery(limit: 1000, before: all.last?.id)).isEmpty)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a line of the log tells the whole of an attempt`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.accept("a", body: "body")
            try TestWorker(test).work(.status(500, ["X-A": "b"]))
            let line = try #require(try test.log(webhook).first)
            #expect(line.webhook == webhook.id && line.environment == test.environment)
            #expect(line.event == "job-created" && line.eventID == "a" && line.attempt == 1)
            #expect(line.trigger == .scheduled && line.method == "POST" && line.url == "http://receiver.test/")
            #expect(line.requestBody == Array("body".utf8))
            #expect(
                line.outcome.status == 500 && line.outcome.responseHeaders == [HeaderField(name: "X-A", value: "b")])
            #expect(line.outcome.responseBody == Array("answer".utf8))
            #expect(line.outcome.failure == Attempt.Failure(kind: .status, text: "the receiver answered 500"))
            #expect(line.nextRetryAt == test.moment.wall.adding(seconds: 1) && !line.isFinal)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `what a line is about is delivered again, once`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1))
            let other = try test.create(test.webhook(events: ["job-completed"]))
            try test.accept("a")
            let worker = TestWorker(test)
            let first = try worker.work()
            let entry = try #require(try test.log(webhook).first?.id)
            #expect(try test.retry(entry, of: other) == .unknownLine)
            #expect(try test.retry(entry + 1, of: webhook) == .unknownLine)
            guard case .started(let id) = try test.retry(entry, of: webhook) else {
                Issue.record("not started")
                return
            }
            let again = try worker.work(.status(500))
            #expect(again.map(\.delivery.id) == [id] && id != first.first?.delivery.id)
            #expect(again.events == ["a"] && again.map(\.delivery.trigger) == [.manual])
            #expect(try test.pending(webhook) == 0)
            #expect(try test.dropOld(test.moment.wall.adding(seconds: 1), .max, 3) == 3)
            try test.commit()
            #expect(try test.retry(entry, of: webhook) == .unknownLine)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `what was given up is recovered, and not what was delivered since`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1), limits: DestinationLimits(inFlight: 100))
            let worker = TestWorker(test)
            try test.accept("before")
            try worker.work(.status(500))
            test.pass(seconds: 1000)
            for id in ["a", "b", "c", "d"] { try test.accept(id) }
            let starts = try worker.turn()
            try worker.end((starts[0], .status(500)), (starts[1], .ok), (starts[2], .failure(.dns)))
            // What was asked for by hand since, and what a test was about, is not lost.
            let c = try #require(try test.log(webhook).first { $0.eventID == "c" })
            _ = try test.retry(c.id, of: webhook)
            try worker.work()
            #expect(try test.testCall(webhook) != nil)
            try worker.work(.status(500))
            try test.disable(webhook)
            try test.accept("e")
            try test.disable(webhook, forSeconds: nil)
            test.pass(seconds: 10)
            #expect(try test.recover(webhook, seconds: 500) == 2)
            // What is on its way again is not lost either.
            #expect(try test.recover(webhook, seconds: 500) == 0)
            let again = try worker.turn()
            #expect(again.events == ["a", "e"] && again.map(\.delivery.trigger) == [.recover, .recover])
            #expect(try test.recover(webhook, seconds: 500) == 0)
            try worker.end((again[0], .ok), (again[1], .status(500)))
            #expect(try test.recover(webhook, seconds: 500) == 1)
            try worker.work()
            #expect(try test.recover(webhook, seconds: 5000) == 1)
            #expect(try worker.work().events == ["before"])
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `what was given up is recovered oldest first, and request by request`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1), limits: DestinationLimits(inFlight: 100))
            let worker = TestWorker(test)
            for number in 0..<10 { try test.accept("e\(number)") }
            try worker.work(.status(500))
            var found: [String] = []
            for count in [4, 4, 2, 0] {
                #expect(try test.recover(webhook, limit: 4) == count)
            }
            found += try worker.work().events
            #expect(found == (0..<10).map { "e\($0)" })
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `what failed again after it was recovered counts at each of its times, and once`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1))
            let worker = TestWorker(test)
            for id in ["a", "b"] { try test.accept(id) }
            try worker.work(.status(500))
            let first = test.moment.wall
            // More often than is remembered.
            for _ in 0..<20 {
                test.pass(seconds: 100)
                #expect(try test.recover(webhook) == 2)
                try worker.work(.status(500))
            }
            #expect(
                try test.store.recover(
                    webhook.id, since: first, until: first.adding(seconds: 50), limit: 10, for: nil, at: test.moment)
                    == 0)
            let later = first.adding(seconds: 1500)
            #expect(
                try test.store.recover(
                    webhook.id, since: later, until: later.adding(seconds: 50), limit: 10, for: nil, at: test.moment)
                    == 2)
            try test.commit()
            try worker.work()
            #expect(try test.recover(webhook) == 0)
            #expect(try test.delete(webhook))
            while try test.removeGarbage(7) > 0 { try test.commit() }
            try test.commit()
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `what is dropped from the log can no longer be recovered`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1))
            let worker = TestWorker(test)
            for id in ["a", "b"] { try test.accept(id) }
            try worker.work(.status(500))
            test.pass(seconds: 10)
            try test.accept("c")
            try worker.work(.status(500))
            #expect(try test.dropOld(test.moment.wall.adding(seconds: -5), .max, 10) == 4)
            try test.commit()
            #expect(try test.recover(webhook) == 1)
            #expect(try worker.work().events == ["c"])
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a part of the log is no larger than can be handed out, and says where to go on`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            let worker = TestWorker(test)
            for number in 0..<20 { try test.accept("e\(number)", body: String(repeating: "x", count: 1 << 20)) }
            while try !worker.work().isEmpty {}
            var found: [String] = []
            var pages = 0
            var query = LogQuery(limit: 1000)
            repeat {
                let page = try #require(try test.store.log(of: webhook.id, query))
                #expect(page.entries.count <= 9)
                found += page.entries.map(\.eventID)
                query.before = page.next
                pages += 1
            } while query.before != nil
            #expect(pages == 3 && found.count == 20 && Set(found).count == 20)
            let all = try #require(try test.store.log(of: webhook.id, LogQuery(limit: 8)))
            #expect(all.entries.count == 8 && all.next == 13)
        }
    }

    // MARK: Retention

    @Test(arguments: WebhookEngine.allCases)
    func `what is old is dropped in steps, with the ids it was known by`(engine: WebhookEngine) throws {
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
    func `where there is too much, the oldest goes first, be it parcel or line`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1))
            let worker = TestWorker(test)
            let body = String(repeating: "x", count: 1000)
            let start = test.moment.wall.adding(seconds: -1)
            for number in 0..<100 {
                try test.accept("e\(number)", body: body)
                try worker.work()
                test.pass(seconds: 1)
                // As the worker does it while it goes on.
                while try test.dropOld(start, 40_000, 8) == 8 { try test.commit() }
                try test.commit()
            }
            let log = try test.log(webhook)
            #expect((20...40).contains(log.count), "\(log.count)")
            #expect(log.map(\.eventID) == (0..<log.count).map { "e\(99 - $0)" })
            // Of all but the oldest the body is there too.
            #expect(log.dropLast().allSatisfy { $0.requestBody?.count == 1000 })
            #expect(try test.dropOld(start, 0, 1000) > 0)
            try test.commit()
            #expect(try test.log(webhook).isEmpty)
            #expect(try test.dropOld(start, 0, 1000) == 0)
        }
    }

    @Test(arguments: WebhookEngine.allCases)
    func `a delivery whose parcel is gone is still begun, so that it can be told`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create()
            try test.accept("a")
            #expect(try test.dropOld(test.moment.wall.adding(seconds: 1), .max, 10) == 1)
            try test.commit()
            let worker = TestWorker(test)
            let starts = try worker.turn()
            #expect(starts.count == 1 && starts.first?.parcel == nil)
            try worker.end((starts[0], .failure(.unavailable)))
            #expect(try test.pending(webhook) == 0)
            #expect(try test.log(webhook).map(\.isFinal) == [true])
            #expect(try test.recover(webhook) == 0)
        }
    }

    // MARK: Keys

    @Test(arguments: WebhookEngine.allCases)
    func `an environment has one keyring, and its keys rotate`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            #expect(try test.store.keyring(of: test.environment) { nil } == nil)
            try test.commit()
            let made = try #require(try test.store.keyring(of: test.environment) { test.key("one") })
            try test.commit()
            #expect(made.keys.map(\.id) == ["one"])
            #expect(try test.store.keyring(of: test.environment) { test.key("never") } == made)
            #expect(try test.store.keyring(made.number) == made)
            #expect(try test.store.keyring(made.number + 1) == nil)
            #expect(try test.create().destination.keyring == made.number)
            _ = try test.store.rotate(test.environment, to: test.key("two")) { _ in true }
            try test.commit()
            let rotated = try #require(
                try test.store.rotate(test.environment, to: test.key("three")) { $0.id == "two" })
            try test.commit()
            #expect(rotated.keys.map(\.id) == ["two", "three"])
            #expect(try test.store.keyring(made.number) == rotated)
        }
    }
}
