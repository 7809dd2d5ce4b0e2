import Delivery
import HTTP
import HTTPTypes
import JSON
import MappedStore
import Testing
import Values

@testable import Webhooks

@Suite struct WebhookDeliveriesTests {
    private static let ours = "/environments/\(Example.environment)"

    // MARK: Events

    @Test func `an event is stored in the form in which it is sent`() throws {
        let api = Handled()
        _ = try api.create()
        let body = #"{"event": "job-created", "event_id": "e-1", "data": {"job_id": 1.0}}"#
        let first = try api.call(.post, "\(Self.ours)/events", body)
        #expect(first.status == 202)
        #expect(
            first.json
                == .object([
                    JSON.Member("event_id", .string("e-1")), JSON.Member("deliveries", .number("1")),
                    JSON.Member("duplicate", .bool(false)),
                ]))
        #expect(try api.call(.post, "/api\(Self.ours)/events", body).json["duplicate"]?.bool == true)
        let (event, environment) = try #require(api.store.events.first)
        #expect(environment.description == Example.environment && event.type == "job-created")
        #expect(
            String(decoding: event.body, as: UTF8.self) == """
                {"event": "job-created", "event_id": "e-1", "environment_id": "\(Example.environment)", \
                "timestamp": "2026-11-22T06:05:37.619Z", "data": {"job_id": 1.0}}
                """)
    }

    @Test func `an event without an id is recognized by its idempotency key`() throws {
        let api = Handled()
        let body = #"{"event": "job-created", "data": null}"#
        let key = [("Idempotency-Key", "k.1")]
        let first = try api.call(.post, "\(Self.ours)/events", body, fields: key)
        #expect(UUID(first.json["event_id"]?.string ?? "") != nil)
        #expect(first.json["deliveries"]?.integer == 0 && api.store.events.first?.event.idempotencyKey == "k.1")
        let again = try api.call(.post, "\(Self.ours)/events", body, fields: key)
        #expect(again.json["event_id"] == first.json["event_id"] && again.json["duplicate"]?.bool == true)
        let other = try api.call(.post, "\(Self.ours)/events", body)
        #expect(other.json["event_id"] != first.json["event_id"])
    }

    @Test(arguments: ["", "a b", "é", String(repeating: "x", count: 256)])
    func `an invalid idempotency key is refused`(key: String) throws {
        let answer = try Handled().call(
            .post, "\(Self.ours)/events", #"{"event": "job-created", "data": 1}"#, fields: [("Idempotency-Key", key)])
        #expect(answer.status == 400 && answer.json["error_code"]?.integer == 1001)
    }

    @Test func `an event of another environment is refused`() throws {
        let api = Handled()
        func body(_ environment: String) -> String {
            "{\"event\": \"job-created\", \"environment_id\": \"\(environment)\", \"data\": 1}"
        }
        #expect(try api.call(.post, "\(Self.ours)/events", body(Example.environment)).status == 202)
        let answer = try api.call(.post, "\(Self.ours)/events", body(Example.nobody))
        #expect(answer.status == 400 && answer.json["message"]?.string?.hasPrefix("environment_id: ") == true)
    }

    @Test func `a CloudEvent is accepted with its media type`() throws {
        let body = #"{"specversion": "1.0", "id": "1", "source": "/", "type": "job-created", "data": 1}"#
        let type = [("Content-Type", "application/cloudevents+json; charset=UTF-8")]
        let answer = try Handled().call(.post, "\(Self.ours)/events", body, fields: type)
        #expect(answer.status == 202 && answer.json["event_id"]?.string == "1")
    }

    @Test(arguments: [(256 << 10, 202), ((256 << 10) + 1, 413)])
    func `an event has no more than 256 KiB`(bytes: Int, code: Int) throws {
        let start = #"{"event": "job-created", "data": ""#
        let body = start + String(repeating: "x", count: bytes - start.utf8.count - 2) + "\"}"
        #expect(try Handled().call(.post, "\(Self.ours)/events", body).status == code)
    }

    @Test(arguments: [("", "job-completed"), ("{}", "job-completed"), (#"{"event": "job-created"}"#, "job-created")])
    func `a test delivers the example of an event type`(body: String, type: String) throws {
        let api = Handled()
        let id = try api.create(#"{"name": "n", "url": "https://x/", "events": ["job-completed"]}"#)
        let answer = try api.call(.post, "/webhooks/\(id)/test", body)
        #expect(answer.status == 202 && members(answer.json) == ["event", "delivery_id"])
        let (event, webhook) = try #require(api.store.tests.first)
        #expect(webhook.description == id && event.type == type && answer.json["event"]?.string == type)
        let sent = try JSON(parsing: event.body)
        #expect(sent["data"] == EventType.named(type)?.exampleData)
        #expect(sent["environment_id"]?.string == Example.environment && sent["event_id"]?.string == event.id)
    }

    @Test(arguments: [(#"{"event": "x"}"#, 1003), (#"{"event": 1}"#, 1001), (#"{"type": "x"}"#, 1001), ("[", 1000)])
    func `an invalid test is refused`(body: String, code: Int) throws {
        let api = Handled()
        let id = try api.create()
        let answer = try api.call(.post, "/webhooks/\(id)/test", body)
        #expect(answer.status == 400 && answer.json["error_code"]?.integer == code && api.store.tests.isEmpty)
    }

    // MARK: Logs

    @Test(
        arguments: [
            ("", LogQuery()), ("?limit=1000&before=12", LogQuery(limit: 1000, before: 12)),
            ("?event=job-created&status=success", LogQuery(event: "job-created", succeeded: true)),
            ("?status=failure", LogQuery(succeeded: false)), ("?status=503", LogQuery(status: 503)),
        ])
    func `a log can be queried by page, event and status`(query: String, expected: LogQuery) throws {
        let api = Handled()
        let id = try api.create()
        let answer = try api.call(.get, "/webhooks/\(id)/logs\(query)")
        #expect(answer.status == 200 && answer.json == .array([]))
        #expect(api.store.queries.last == expected)
        let link = try #require(HTTPField.Name("Link"))
        func shown() throws -> String? { try api.answer(.get, "/webhooks/\(id)/logs\(query)")?.head.headerFields[link] }
        #expect(try shown() == nil)
        // The link to the next page has the same filter.
        api.store.nextEntry = 5
        let value = try #require(try shown())
        #expect(value.hasPrefix("<?limit=\(expected.limit)&before=5") && value.hasSuffix(">; rel=\"next\""))
        let next = String(value.dropFirst().prefix { $0 != ">" })
        _ = try api.call(.get, "/webhooks/\(id)/logs\(next)")
        var following = expected
        following.before = 5
        #expect(api.store.queries.last == following)
    }

    @Test(
        arguments: [
            ("limit=0", 1001), ("limit=1001", 1001), ("limit=x", 1001), ("before=x", 1001), ("before=-1", 1001),
            ("event=x", 1003), ("status=x", 1001), ("status=99", 1001), ("status=", 1001),
        ])
    func `an invalid query is refused`(query: String, code: Int) throws {
        let api = Handled()
        let id = try api.create()
        let answer = try api.call(.get, "/webhooks/\(id)/logs?\(query)")
        #expect(answer.status == 400 && answer.json["error_code"]?.integer == code)
    }

    @Test func `log entries are an array in the order of the store`() throws {
        let api = Handled()
        let id = try #require(UUID(try api.create()))
        api.store.entries = [9, 4].map { number in
            LogEntry(
                webhook: id, environment: id,
                line: DeliveryLine(
                    id: number, event: "job-created", eventID: "e", attempt: 1, trigger: .scheduled, method: "POST",
                    url: "https://x/", outcome: Attempt(triggeredAt: Example.moment.wall), nextRetryAt: nil,
                    isFinal: true),
                requestBody: nil)
        }
        let lines = try api.call(.get, "/webhooks/\(id)/logs").json.array
        #expect(lines?.map { $0["log_id"]?.integer } == [9, 4])
    }

    @Test func `the delivery of a log entry can be repeated`() throws {
        let api = Handled()
        let id = try api.create()
        let started = try api.call(.post, "/webhooks/\(id)/logs/7/retry")
        #expect(started.status == 202 && started.json["delivery_id"]?.string?.count == 36)
        for entry in ["8", "x", "-7", "99999999999999999999"] {
            let answer = try api.call(.post, "/webhooks/\(id)/logs/\(entry)/retry")
            #expect(answer.status == 404 && answer.json["error_code"]?.integer == 1202)
        }
        api.store.redelivery = .gone
        let gone = try api.call(.post, "/webhooks/\(id)/logs/8/retry")
        #expect(gone.status == 404 && gone.json["message"]?.string == "The payload of this delivery is no longer kept.")
    }

    @Test func `deliveries that were given up can be recovered`() throws {
        var settings = WebhookSettings()
        settings.recoverLimit = 3
        let api = Handled(settings)
        let id = try api.create()
        let all = try api.call(.post, "/webhooks/\(id)/recover", #"{"since": "2026-11-22T00:00:00Z"}"#)
        #expect(all.status == 202 && all.json["deliveries"]?.integer == 3 && all.json["more"]?.bool == true)
        api.store.recoverable = 2
        let body = #"{"since": "2026-11-22T00:00:00Z", "until": "2026-11-22T00:00:00Z"}"#
        let some = try api.call(.post, "/webhooks/\(id)/recover", body)
        #expect(some.json["deliveries"]?.integer == 2 && some.json["more"]?.bool == false)
        let since = try #require(Timestamp(rfc3339: "2026-11-22T00:00:00Z"))
        #expect(api.store.recovered == [since...Example.moment.wall, since...since])
    }

    @Test(arguments: [
        "{}", #"{"since": 1}"#, #"{"since": "yesterday"}"#, #"{"since": "2027-01-01T00:00:00Z"}"#,
        #"{"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}"#,
        #"{"since": "2026-01-01T00:00:00Z", "limit": 1}"#,
    ])
    func `an invalid range of times is refused`(body: String) throws {
        let api = Handled()
        let id = try api.create()
        let answer = try api.call(.post, "/webhooks/\(id)/recover", body)
        #expect(answer.status == 400 && answer.json["error_code"]?.integer == 1001 && api.store.recovered.isEmpty)
    }

    @Test func `statistics have the number of pending deliveries`() throws {
        let api = Handled()
        let id = try api.create()
        let answer = try api.call(.get, "/webhooks/\(id)/stats")
        #expect(answer.status == 200 && answer.json["pending"]?.integer == 4)
    }

    // MARK: Settings

    private func keys(_ api: Handled, rotating: Bool = false) throws -> [String?] {
        let answer =
            try rotating ? api.call(.post, "\(Self.ours)/settings/rotate") : api.call(.get, "\(Self.ours)/settings")
        #expect(answer.status == 200)
        let key = answer.json["public_verification_key"]
        return [key?["previous"]?["key_id"]?.string, key?["key_id"]?.string, key?["next"]?["key_id"]?.string]
    }

    @Test func `the first request that needs a key makes it, and later ones do not`() throws {
        let api = Handled()
        #expect(try keys(api) == [nil, "key1", nil])
        _ = try api.create()
        #expect(try keys(api) == [nil, "key1", nil])
    }

    @Test func `a new key is announced for a day, and the old one is shown for a day after that`() throws {
        let api = Handled()
        #expect(try keys(api, rotating: true) == [nil, "key1", "key2"])
        // A second rotation in between changes nothing.
        #expect(try keys(api, rotating: true) == [nil, "key1", "key2"])
        api.pass(seconds: 86_399)
        #expect(try keys(api) == [nil, "key1", "key2"])
        api.pass(seconds: 1)
        #expect(try keys(api) == ["key1", "key2", nil])
        #expect(try keys(api, rotating: true) == ["key1", "key2", "key3"])
        api.pass(seconds: 86_400)
        #expect(try keys(api, rotating: true) == ["key2", "key3", "key4"])
        let environment = try #require(UUID(Example.environment))
        #expect(api.store.keyrings[environment]?.keys.map(\.id) == ["key2", "key3", "key4"])
        api.pass(seconds: 10 * 86_400)
        #expect(try keys(api) == [nil, "key4", nil])
    }
}
