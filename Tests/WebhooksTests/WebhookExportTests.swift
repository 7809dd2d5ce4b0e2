import Delivery
import HTTP
import MappedStore
import Storage
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values
import Webhooks

/// Export and import of webhooks and their deliveries.
@Suite struct WebhookExportTests {
    /// Puts something of every kind into a store.
    private func fill(_ test: EmptyWebhookStore) throws -> [Webhook] {
        var first = test.webhook(.own(.schedule([5, 0.1, 1e-7])), limits: DestinationLimits(inFlight: 3, rate: 2.5))
        first.description = "d\u{0}é"
        first.headerNames = ["X-A"]
        first.destination.sealedHeaders = [0, 0xff]
        first.destination.sealedSecret = [1, 2, 3]
        let ordered = test.webhook(.standard, limits: DestinationLimits(isOrdered: true))
        let elsewhere = test.webhook(in: test.newID())
        let made = try [test.create(first), test.create(ordered), test.create(elsewhere), test.create()]
        _ = try test.webhooks.rotate(
            test.environment, to: test.key("second"), at: test.moment.wall, overlapSeconds: 60)
        try test.commit()
        let worker = TestWorker(test)
        for number in 0..<6 { try test.accept("e\(number)", key: number == 1 ? "key" : nil, body: "{\"n\":\(number)}") }
        try worker.work(.status(503, ["X": "\u{e9}"]))
        try test.accept("bytes", body: "\u{fffd}", in: elsewhere.environment)
        try worker.work(.ok)
        _ = try test.testCall(made[0])
        _ = try worker.step(capacity: 2)
        try test.disable(made[3])
        try test.accept("while disabled")
        #expect(try test.delete(test.create()))
        return made
    }

    @Test func `an import restores everything, and its export is the same`() throws {
        try WebhookEngine.mapped.withStore { test in
            let made = try fill(test)
            let mapped = test.store
            #expect(try mapped.seal(ifNone: [9, 0xff]) == [9, 0xff])
            let lines = try export(mapped, at: test.moment)
            try withImport(lines, at: test.moment) { store, counts in
                let deliveries = try mapped.check().deliveries
                #expect(counts.webhooks == 4 && counts.deliveries == deliveries && deliveries > 0)
                #expect(try export(store, at: test.moment).dropFirst() == lines.dropFirst())
                #expect(try store.seal() == [9, 0xff] && store.seal(ifNone: [1]) == [9, 0xff])
                for webhook in made {
                    var (before, after) = (
                        try test.current(webhook), try #require(try store.webhooks.webhook(webhook.id))
                    )
                    #expect(after.lastTriggered == before.lastTriggered && after.lastErrored == before.lastErrored)
                    // Each store has its own numbers.
                    before.destination = after.destination
                    #expect(after == before)
                    after = before
                    #expect(try store.webhooks.log(of: webhook.id, LogQuery())?.entries == test.log(webhook))
                    let pending = try store.webhooks.statistics(of: webhook.id)?.pending
                    #expect(try pending == test.pending(webhook))
                    let keyring = try store.webhooks.keyring(of: webhook.environment)
                    #expect(try keyring?.keys == test.webhooks.keyring(of: webhook.environment)?.keys)
                    #expect(keyring?.number == after.destination.keyring)
                }
                // Idempotency keys are still known.
                let again = Event(id: "x", idempotencyKey: "key", type: "job-created", body: [])
                let acceptance = try store.webhooks.accept(again, in: test.environment, for: nil, at: test.moment)
                #expect(acceptance == EventAcceptance(eventID: "e1", deliveries: 3, isRepeated: true))
            }
        }
    }

    @Test func `pending deliveries are due at the same times after an import`() throws {
        try WebhookEngine.mapped.withStore { test in
            let webhook = try test.create(.fixed(retries: 1, interval: 60))
            try test.accept("a")
            let worker = TestWorker(test)
            try worker.work(.status(500))
            try test.accept("b")
            #expect(try worker.step().events == ["b"])
            let lines = try export(test.store, at: test.moment)
            try withImport(lines, at: test.moment) { store, _ in
                func begin() throws -> [String] {
                    let step = try store.deliveries.step(
                        [], beginning: AttemptRoom(10), inFlight: [:], owner: 9, leaseSeconds: 1000,
                        policies: RetryPolicies(),
                        at: test.moment)
                    try store.commit()
                    return step.starts.events
                }
                let early = try begin()
                #expect(early == [])
                test.pass(seconds: 25)
                #expect(try begin() == ["b"])
                test.pass(seconds: 35)
                #expect(try begin() == ["a"])
                #expect(try store.webhooks.statistics(of: webhook.id)?.pending == 2)
            }
            #expect(try test.pending(webhook) == 2)
        }
    }

    @Test(
        arguments: [
            (#""retries": 7, "intervalSeconds": 2.5"#, .fixed),
            (#""waitSeconds": [5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]"#, .standard),
            (#""waitSeconds": [5.0, 60]"#, .own(.schedule([5, 60]))),
        ] as [(String, RetryChoice)])
    func `an older export, with the waits of a policy instead of its name, can be imported`(
        members: String, policy: RetryChoice
    ) throws {
        try WebhookEngine.mapped.withStore { test in
            let webhook = try test.create(test.webhook(.fixed))
            let lines = try export(test.store, at: test.moment)
            let older = lines.map { line in
                let text = String(decoding: line, as: UTF8.self)
                return Array(text.replacing(#""retryPolicy": "fixed""#, with: members).utf8)
            }
            #expect(older != lines)
            try withImport(older, at: test.moment) { store, _ in
                let found = try store.webhooks.webhook(webhook.id)
                #expect(found?.destination.policy == policy)
            }
        }
    }

    @Test func `the own retries of a webhook are exported with their interval`() throws {
        try WebhookEngine.mapped.withStore { test in
            _ = try test.create(.fixed(retries: 7, interval: 2.5))
            let lines = try export(test.store, at: test.moment).map { String(decoding: $0, as: UTF8.self) }
            let line = try #require(lines.first { $0.hasPrefix(#"{"kind": "webhook""#) })
            #expect(
                line.contains(#""contentType": "application/json", "retries": 7, "intervalSeconds": 2.5, "inFlight""#))
        }
    }

    @Test(
        arguments: [
            ("environment", ["id", "keys"]), ("webhook", ["id", "environment", "destination"]),
            ("parcel", ["number", "eventID"]), ("attempt", ["number", "webhook", "eventID"]),
        ])
    func `an import with a repeated entry or a missing member is refused`(kind: String, members: [String]) throws {
        try WebhookEngine.mapped.withStore { test in
            _ = try fill(test)
            let lines = try export(test.store, at: test.moment)
            let head = Array("{\"kind\": \"\(kind)\"".utf8)
            let index = try #require(lines.firstIndex { $0.starts(with: head) })
            #expect(throws: ImportError.self) {
                try withImport(lines + [lines[index]], at: test.moment) { _, _ in }
            }
            for member in members {
                let text = String(decoding: lines[index], as: UTF8.self)
                let other = text.replacing("\"\(member)\": ", with: "\"other\": ")
                #expect(other != text, "\(member)")
                var changed = lines
                changed[index] = Array(other.utf8)
                #expect(throws: ImportError.self, "\(member)") {
                    try withImport(changed, at: test.moment) { _, _ in }
                }
            }
        }
    }
}
