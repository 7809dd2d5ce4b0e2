import Delivery
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values
import Webhooks

/// Logs, and deliveries that are repeated or recovered.
@Suite struct WebhookLogStoreTests {
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
    func `a log entry has everything about its attempt`(engine: WebhookEngine) throws {
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
    func `the delivery of a log entry is repeated once`(engine: WebhookEngine) throws {
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
    func `deliveries that were given up are recovered, unless they have succeeded since`(engine: WebhookEngine) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1), limits: DestinationLimits(inFlight: 100))
            let worker = TestWorker(test)
            try test.accept("before")
            try worker.work(.status(500))
            test.pass(seconds: 1000)
            for id in ["a", "b", "c", "d"] { try test.accept(id) }
            let starts = try worker.step()
            try worker.end((starts[0], .status(500)), (starts[1], .ok), (starts[2], .failure(.dns)))
            // A delivery that was repeated by hand, and a test, are not recovered.
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
            // Deliveries that are pending again are not recovered.
            #expect(try test.recover(webhook, seconds: 500) == 0)
            let again = try worker.step()
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
    func `recovery begins with the oldest, and each request continues after the previous one`(engine: WebhookEngine)
        throws
    {
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
    func `a delivery that fails again and again is recovered by the times of its last failures`(
        engine: WebhookEngine
    ) throws {
        try engine.withStore { test in
            let webhook = try test.create(.fixed(retries: 0, interval: 1))
            let worker = TestWorker(test)
            for id in ["a", "b"] { try test.accept(id) }
            try worker.work(.status(500))
            let first = test.moment.wall
            // More failures than are remembered.
            for _ in 0..<20 {
                test.pass(seconds: 100)
                #expect(try test.recover(webhook) == 2)
                try worker.work(.status(500))
            }
            #expect(
                try test.webhooks.recover(
                    webhook.id, since: first, until: first.adding(seconds: 50), limit: 10, for: nil, at: test.moment)
                    == 0)
            let later = first.adding(seconds: 1500)
            #expect(
                try test.webhooks.recover(
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
    func `a delivery that was dropped from the log cannot be recovered`(engine: WebhookEngine) throws {
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
    func `a page of the log has a maximum size, and says where the next one begins`(
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
                let page = try #require(try test.webhooks.log(of: webhook.id, query))
                #expect(page.entries.count <= 9)
                found += page.entries.map(\.eventID)
                query.before = page.next
                pages += 1
            } while query.before != nil
            #expect(pages == 3 && found.count == 20 && Set(found).count == 20)
            let all = try #require(try test.webhooks.log(of: webhook.id, LogQuery(limit: 8)))
            #expect(all.entries.count == 8 && all.next == 13)
        }
    }
}
