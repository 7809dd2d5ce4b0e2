import Cryptography
import Curl
import Delivery
import DeliveryEngine
import HTTP
import MappedStore
import StandardWebhooks
import TestSupport
import Testing
import Values
import Webhooks

@Suite struct DispatcherTests {
    @Test func `a request has the body unchanged, the headers of the event, and signatures of both families`() throws {
        try Delivering.with { test in
            let secret = [UInt8](repeating: 9, count: 24)
            let webhook = try test.create { destination in
                destination.method = "PUT"
                destination.sealedHeaders = Delivering.sealing.seal(
                    HeaderField.lines([HeaderField(name: "X-Token", value: "hidden")]), .headers)
                destination.sealedSecret = Delivering.sealing.seal(secret, .secret)
            }
            try test.accept("event-1", body: "{\"größe\": 1}")
            let dispatcher = try test.dispatcher()
            try test.workUntilIdle(dispatcher)

            let arrival = try #require(try test.receiver.arrivals().first)
            #expect(arrival.method == "PUT" && arrival.body == "{\"größe\": 1}")
            #expect(arrival.header("content-type") == "application/json")
            #expect(arrival.header("x-3dverse-event") == "job-created")
            #expect(arrival.header("x-3dverse-attempt") == "1")
            #expect(arrival.header("x-3dverse-delivery").flatMap { UUID($0) } != nil)
            #expect(arrival.header("x-token") == "hidden")
            let timestamp = try #require(arrival.header("webhook-timestamp").flatMap { Int64($0) })
            #expect(abs(timestamp - test.now.wall.microseconds / 1_000_000) < 60)
            #expect(arrival.header("x-3dverse-signature-timestamp") == String(timestamp))
            let call = try #require(
                WebhookCall(id: "event-1", seconds: timestamp, body: Array("{\"größe\": 1}".utf8)))
            #expect(arrival.header("webhook-id") == "event-1")
            #expect(arrival.header("x-3dverse-signature") == call.bodySignature(by: test.signingKey))
            let pair = try #require(WebhookKeyPair(test.signingKey))
            #expect(
                arrival.header("webhook-signature")
                    == call.signatures(secrets: [try #require(WebhookSecret(bytes: secret))], keyPairs: [pair]))

            let line = try #require(try test.log(webhook).first)
            #expect(line.outcome.status == 200 && line.isFinal && line.outcome.failure == nil)
            let shown = line.outcome.requestHeaders
            #expect(shown.contains(HeaderField(name: "X-Token", value: "***")))
            #expect(!shown.contains { $0.value.contains("hidden") })
            #expect(try test.pending() == 0)
        }
    }

    @Test func `a fixed policy makes exactly its attempts, each with a new signature`() throws {
        try Delivering.with { test in
            let webhook = try test.create("/?status=500")
            try test.accept("a")
            let dispatcher = try test.dispatcher()
            for attempt in 1...4 {
                try test.workUntilIdle(dispatcher)
                #expect(try test.receiver.arrivals().count == attempt)
                test.skip(seconds: 0.5)
                try test.workUntilIdle(dispatcher)
                #expect(try test.receiver.arrivals().count == attempt)
                test.skip(seconds: 1)
            }
            test.skip(seconds: 86_400)
            try test.workUntilIdle(dispatcher)
            let arrivals = try test.receiver.arrivals()
            #expect(arrivals.map { $0.header("x-3dverse-attempt") } == ["1", "2", "3", "4"])
            #expect(Set(arrivals.map { $0.header("x-3dverse-delivery") }).count == 1)
            #expect(Set(arrivals.map { $0.header("webhook-id") }) == ["a"])
            #expect(Set(arrivals.map { $0.header("x-3dverse-signature") }).count > 1)
            #expect(try test.log(webhook).map(\.attempt) == [4, 3, 2, 1])
            #expect(try test.log(webhook).map(\.isFinal) == [true, false, false, false])
        }
    }

    @Test func `a delivery that fails twice and then succeeds is done`() throws {
        try Delivering.with { test in
            let webhook = try test.create("/?status=500,503,204", .schedule([5, 60, 300]))
            try test.accept("a")
            let dispatcher = try test.dispatcher()
            for _ in 0..<3 {
                try test.workUntilIdle(dispatcher)
                test.skip(seconds: 67)
            }
            #expect(try test.log(webhook).map(\.outcome.status) == [204, 503, 500])
            #expect(try test.pending() == 0)
        }
    }

    @Test func `a retry waits for as long as Retry-After says`() throws {
        try Delivering.with { test in
            try test.create("/?status=429&retry_after=120")
            try test.accept("a")
            let dispatcher = try test.dispatcher()
            try test.workUntilIdle(dispatcher)
            test.skip(seconds: 119)
            try test.workUntilIdle(dispatcher)
            #expect(try test.receiver.arrivals().count == 1)
            test.skip(seconds: 1)
            try test.workUntilIdle(dispatcher)
            #expect(try test.receiver.arrivals().count == 2)
        }
    }

    @Test(arguments: [
        (#"/x={"status": 410}"#, true, true), (#"/x={"status": 410}"#, false, false),
        (#"/x={"status": 500, "headers": {"webhook-delivery": "disable"}}"#, true, true),
        (#"/x={"status": 200, "headers": {"webhook-delivery": "disable"}}"#, true, true),
        (#"/x={"status": 500, "headers": {"webhook-delivery": "abort-message"}}"#, true, false),
    ])
    func `a receiver can disable its webhook, or end the delivery`(rule: String, disablesOnGone: Bool, isDisabled: Bool)
        throws
    {
        try Delivering.with(["--rule", rule]) { test in
            let webhook = try test.create("/x")
            try test.accept("a")
            let dispatcher = try test.dispatcher { $0.disablesOnGone = disablesOnGone }
            try test.workUntilIdle(dispatcher)
            let found = try #require(try test.store.webhooks.webhook(webhook.id))
            #expect((found.destination.disabledUntil != nil) == isDisabled)
            let retries = rule.contains("410") && !disablesOnGone
            #expect(try test.pending() == (retries ? 1 : 0))
            test.skip(seconds: 3600)
            try test.workUntilIdle(dispatcher)
            #expect(try test.receiver.arrivals().count == (retries ? 2 : 1))
        }
    }

    @Test(
        arguments: [
            ("/?fault=hang", .timeout), ("/?fault=half", .timeout), ("/?delay=20", .timeout),
            ("/?endless=1", nil), ("/?drip=2000,1,0.05", .timeout), ("/?fault=reset", .reset),
            ("/?fault=reset_early", .reset), ("/?fault=close", .reset), ("/?fault=truncate", .reset),
            ("/?fault=garbage", .protocolError), ("/?redirect=/elsewhere", .status), ("/?status=304", .status),
            ("/?gzip_bomb=50000000", nil),
        ] as [(String, Attempt.ErrorKind?)])
    func `each fault of a receiver is logged with its kind of error`(path: String, kind: Attempt.ErrorKind?) throws {
        try Delivering.with { test in
            let webhook = try test.create(path, .fixed(retries: 0, interval: 1))
            try test.accept("a")
            // The other faults may take longer on a busy machine.
            let dispatcher = try test.dispatcher { $0.timeoutSeconds = kind == .timeout ? 1 : 15 }
            try test.workUntilIdle(dispatcher)
            let line = try #require(try test.log(webhook).first)
            #expect(line.outcome.failure?.kind == kind, "\(line.outcome)")
            #expect(line.outcome.durationMilliseconds < 10_000)
            #expect(line.outcome.responseBody.count <= 16 << 10)
            #expect(try test.receiver.arrivals().filter { $0.path == "/elsewhere" }.isEmpty)
            #expect(try test.pending() == 0)
        }
    }

    @Test func `a blocked address is not called, and the log names it`() throws {
        try Delivering.with { test in
            let webhook = try test.create("/", .fixed(retries: 0, interval: 1))
            try test.accept("a")
            try test.workUntilIdle(test.dispatcher(blocksLoopback: true))
            let failure = try #require(try test.log(webhook).first?.outcome.failure)
            #expect(failure.kind == .blockedIP && failure.text.contains("127.0.0.1"))
            #expect(try test.receiver.arrivals().isEmpty)
        }
    }

    @Test func `headers sealed with another secret are not sent, and the log says why`() throws {
        try Delivering.with { test in
            let webhook = try test.create { $0.sealedHeaders = [1, 2, 3] }
            try test.accept("a")
            try test.workUntilIdle(test.dispatcher())
            let line = try #require(try test.log(webhook).first)
            #expect(line.outcome.failure?.kind == .unavailable && line.isFinal)
            #expect(line.outcome.failure?.text.contains("another secret") == true)
            #expect(try test.receiver.arrivals().isEmpty && test.pending() == 0)
        }
    }

    @Test func `a hanging receiver does not delay the others`() throws {
        try Delivering.with { test in
            let hanging = try test.create("/?fault=hang", .fixed(retries: 0, interval: 1))
            let other = try test.create("/ok", .fixed(retries: 0, interval: 1))
            for number in 0..<40 { try test.accept("e\(number)") }
            let dispatcher = try test.dispatcher()
            #expect(try test.work(dispatcher) { try test.log(other).count == 40 })
            #expect(dispatcher.attemptsInFlight == 16)
            #expect(try test.log(hanging).isEmpty)
        }
    }

    // MARK: Several dispatchers

    @Test func `two dispatchers of one store make no attempt twice`() throws {
        try Delivering.with { test in
            for number in 0..<4 { try test.create("/\(number)", .fixed(retries: 0, interval: 1)) }
            for number in 0..<50 { try test.accept("e\(number)") }
            let first = try test.dispatcher { $0.inFlight = 7 }
            let second = try test.dispatcher { $0.inFlight = 5 }
            #expect(try test.work(first, second) { try test.pending() == 0 })
            let arrivals = try test.receiver.arrivals()
            #expect(arrivals.count == 200)
            #expect(Set(arrivals.map { $0.header("x-3dverse-delivery") }).count == 200)
        }
    }

    @Test func `an ordered webhook gets its events one after the other, even from two dispatchers`() throws {
        try Delivering.with { test in
            try test.create("/?status=500,200&per=id", .fixed(retries: 1, interval: 0.01)) {
                $0.limits.isOrdered = true
            }
            for number in 0..<20 { try test.accept("e\(number)") }
            let (first, second) = (try test.dispatcher(), try test.dispatcher())
            #expect(try test.work(first, second) { try test.pending() == 0 })
            let ids = try test.receiver.arrivals().map { $0.header("webhook-id") ?? "" }
            #expect(ids == (0..<20).flatMap { ["e\($0)", "e\($0)"] })
        }
    }

    @Test func `the attempts of a lost dispatcher are made by another once their lease is over`() throws {
        try Delivering.with { test in
            let webhook = try test.create("/?status=200")
            try test.accept("a", "b")
            do {
                let lost = try test.dispatcher()
                #expect(try lost.dispatchNow().count == 2)
                try test.store.commit()
            }
            let other = try test.dispatcher()
            test.skip(seconds: 24)
            try test.workUntilIdle(other)
            #expect(try test.receiver.arrivals().isEmpty)
            test.skip(seconds: 1)
            try test.workUntilIdle(other)
            #expect(try test.receiver.arrivals().compactMap { $0.header("webhook-id") }.sorted() == ["a", "b"])
            #expect(try test.log(webhook).count == 2)
            #expect(try test.pending() == 0)
        }
    }

    @Test func `a draining dispatcher finishes its attempts, and begins none`() throws {
        try Delivering.with { test in
            try test.create("/?delay=0.2")
            try test.accept("a")
            let dispatcher = try test.dispatcher()
            #expect(try test.work(dispatcher) { dispatcher.attemptsInFlight == 1 })
            try test.accept("b")
            dispatcher.drain()
            #expect(try test.work(dispatcher) { try test.pending() == 1 })
            for _ in 0..<10 { try test.round(dispatcher) }
            #expect(dispatcher.attemptsInFlight == 0)
            #expect(try test.receiver.arrivals().count == 1)
        }
    }

    @Test func `a step that was rolled back is repeated, and no result is lost`() throws {
        try Delivering.with { test in
            let webhook = try test.create()
            try test.accept("a")
            let dispatcher = try test.dispatcher()
            #expect(try test.work(dispatcher) { dispatcher.attemptsInFlight == 1 })
            while !dispatcher.hasFinished { try dispatcher.wait(milliseconds: 5, descriptors: []) }
            _ = try dispatcher.dispatchNow()
            test.store.rollBack()
            #expect(try test.log(webhook).isEmpty && dispatcher.hasFinished)
            try test.workUntilIdle(dispatcher)
            #expect(try test.log(webhook).count == 1)
            #expect(try test.pending() == 0)
        }
    }
}
