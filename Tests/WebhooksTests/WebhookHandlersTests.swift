import Delivery
import HTTP
import HTTPTypes
import JSON
import MappedStore
import StandardWebhooks
import Testing
import Values

@testable import Webhooks

@Suite struct WebhookHandlersTests {
    private static let ours = "/environments/\(Example.environment)"
    private static let unknown = "/webhooks/\(Example.nobody)"

    @Test(arguments: ["", "/api"])
    func `a webhook can be created, read, changed and deleted`(prefix: String) throws {
        let api = Handled()
        let made = try api.call(.post, "\(prefix)\(Self.ours)/webhooks", Example.minimal)
        #expect(made.status == 201)
        let id = try #require(made.json["webhook_id"]?.string)
        #expect(try api.call(.get, "\(prefix)/webhooks/\(id)").json == made.json)
        let list = try api.call(.get, "\(prefix)\(Self.ours)/webhooks")
        #expect(list.status == 200 && list.json == .array([made.json]))
        api.pass(seconds: 1)
        let patched = try api.call(.patch, "\(prefix)/webhooks/\(id)", #"{"name": "other", "ordered": true}"#)
        #expect(patched.status == 200 && patched.json["name"]?.string == "other")
        #expect(patched.json["created_at"] == made.json["created_at"])
        #expect(patched.json["updated_at"]?.string == "2026-11-22T06:05:38.619Z")
        let put = try api.call(.put, "\(prefix)/webhooks/\(id)", Example.minimal)
        #expect(put.status == 200 && put.json["name"]?.string == "n" && put.json["ordered"]?.bool == false)
        #expect(try api.call(.get, "\(prefix)/webhooks/\(id)").json == put.json)
        #expect(try api.call(.delete, "\(prefix)/webhooks/\(id)").status == 204)
        #expect(try api.call(.delete, "\(prefix)/webhooks/\(id)").status == 404)
        #expect(try api.call(.get, "\(prefix)\(Self.ours)/webhooks").json == .array([]))
        let events = try api.call(.get, "\(prefix)/webhooks/events")
        #expect(events.status == 200 && events.json.array?.count == 8)
    }

    @Test func `sending a webhook back as it was shown changes nothing`() throws {
        let api = Handled()
        let id = try api.create(
            """
            {"name": "n", "url": "https://x/", "events": ["job-created"], "method": "get", "description": "d",
            "disabled_until": "2030-01-01T00:00:00Z", "custom_headers": {"X-A": "alpha"}, "retry_policy": ["90s"],
            "rate_limit": 0.5, "ordered": true, "secret": true}
            """)
        let answered = try #require(try api.answer(.get, "/webhooks/\(id)")).body
        let before = api.store.webhooks
        let put = try #require(try api.answer(.put, "/webhooks/\(id)", .whole(answered)))
        #expect(put.head.status == .ok)
        #expect(put.body == answered)
        #expect(api.store.webhooks == before)
    }

    @Test func `a secret is shown only in the response to the request that sets it`() throws {
        let api = Handled()
        let body = Example.minimal.dropLast() + #", "secret": true}"#
        let first = try api.call(.post, "\(Self.ours)/webhooks", String(body), id: 1)
        let secret = try #require(first.json["secret"]?.string)
        #expect(WebhookSecret(secret)?.bytes.count == 32)
        // A retry of the request, at another responder.
        #expect(try api.call(.post, "\(Self.ours)/webhooks", String(body), id: 1).json == first.json)
        let path = "/webhooks/\(try #require(first.json["webhook_id"]?.string))"
        #expect(try api.call(.get, path).json["secret"]?.string == "whsec_***")
        #expect(try api.call(.patch, path, #"{"name": "a"}"#).json["secret"]?.string == "whsec_***")
        #expect(try api.call(.patch, path, #"{"secret": "whsec_***"}"#).json["secret"]?.string == "whsec_***")
        let given = try #require(WebhookSecret(bytes: [UInt8](repeating: 1, count: 24))).text
        #expect(try api.call(.patch, path, "{\"secret\": \"\(given)\"}").json["secret"]?.string == given)
        let made = try api.call(.patch, path, #"{"secret": true}"#).json["secret"]?.string
        #expect(made.flatMap { WebhookSecret($0)?.bytes.count } == 32 && made != secret)
        #expect(try api.call(.patch, path, #"{"secret": false}"#).json["secret"] == nil)
    }

    @Test func `an empty change changes nothing`() throws {
        let api = Handled()
        let id = try api.create()
        api.pass(seconds: 1)
        let before = api.store.webhooks
        #expect(try api.call(.patch, "/webhooks/\(id)", "{}").status == 200)
        #expect(api.store.webhooks == before)
    }

    @Test(
        arguments: [
            (.patch, #"{"custom_headers": {"X-A": "***"}}"#, 1005), (.patch, #"{"url": "x"}"#, 1004),
            (.patch, #"{"events": ["x"]}"#, 1003), (.patch, #"{"name": null}"#, 1001), (.put, "{}", 1001),
            (.put, #"{"name": "n", "url": "x", "events": ["job-created"]}"#, 1004), (.put, "", 1000),
        ] as [(HTTPRequest.Method, String, Int)])
    func `a change that is refused changes nothing`(method: HTTPRequest.Method, body: String, code: Int) throws {
        let api = Handled()
        let id = try api.create()
        let before = api.store.webhooks
        let refused = try api.call(method, "/webhooks/\(id)", body)
        #expect(refused.status == 400 && refused.json["error_code"]?.integer == code)
        #expect(api.store.webhooks == before)
    }

    @Test func `the number of webhooks of an environment is limited`() throws {
        var settings = WebhookSettings()
        settings.webhooksPerEnvironment = 1
        let api = Handled(settings)
        _ = try api.create()
        let refused = try api.call(.post, "\(Self.ours)/webhooks", Example.minimal)
        #expect(refused.status == 400 && refused.json["error_code"]?.integer == 1001)
        #expect(refused.json["message"]?.string == "An environment can have at most 1 webhooks.")
        #expect(try api.call(.post, "/environments/\(Example.nobody)/webhooks", Example.minimal).status == 201)
    }

    // MARK: Unknown paths, webhooks and environments

    @Test(arguments: [HTTPRequest.Method.get, .post, .options])
    func `a path with an invalid UUID gives 404, whatever the method`(method: HTTPRequest.Method) throws {
        for target in ["/webhooks/x", "/api/webhooks/x/logs", "/environments/x/settings"] {
            let answer = try Handled().call(method, target)
            #expect(answer.status == 404 && answer.json["error_code"]?.integer == 1002)
        }
    }

    @Test(
        arguments: [
            (.put, "\(ours)/webhooks", "GET,HEAD,POST"), (.post, "/webhooks/events", "GET,HEAD"),
            (.post, unknown, "DELETE,GET,HEAD,PATCH,PUT"), (.delete, "/api\(unknown)/logs", "GET,HEAD"),
            (.get, "\(unknown)/logs/1/retry", "POST"), (.get, "\(unknown)/test", "POST"),
            (.get, "\(unknown)/recover", "POST"), (.post, "\(unknown)/stats", "GET,HEAD"),
            (.put, "\(ours)/settings", "GET,HEAD"), (.get, "\(ours)/settings/rotate", "POST"),
            (.get, "\(ours)/events", "POST"), (.options, unknown, "DELETE,GET,HEAD,PATCH,PUT"),
        ] as [(HTTPRequest.Method, String, String)])
    func `an unsupported method gives 405 with the allowed methods`(
        method: HTTPRequest.Method, target: String, allowed: String
    ) throws {
        let api = Handled()
        let response = try #require(try api.answer(method, target))
        #expect(response.head.status.code == 405 && response.head.headerFields[.allow] == allowed)
        #expect(try api.call(method, target).json["error_code"]?.integer == 1300)
    }

    @Test(arguments: [
        "/webhooks", "/environments", ours, "/webhooks/x", "/webhooks/events/logs", "/environments/x/webhooks",
        "\(unknown)/x", "\(unknown)/logs/1", "\(unknown)/logs/1/x", "\(ours)/x", "\(ours)/settings/x", "/webhooks/%ff",
        "\(unknown)/", "/api/webhooks/x", "/webhooks/events/", "\(ours)/webhooks/x",
    ])
    func `an unknown path of this API gives 404`(target: String) throws {
        let api = Handled()
        let answer = try api.call(.get, target)
        #expect(answer.status == 404 && answer.json["error_code"]?.integer == 1002)
    }

    @Test(arguments: [
        "/", "/webhook/x", "/api", "/api/api/webhooks", "/Webhooks", "//webhooks", "/environment", "/x/webhooks",
    ])
    func `other paths are left to other APIs`(target: String) throws {
        let api = Handled()
        #expect(try api.answer(.get, target) == nil)
        let path = Target(raw: Array(target.utf8)[...], mountPoint: []).segments ?? []
        #expect(!WebhookHandlers.owns(path) && WebhookHandlers.owns(["api", "webhooks"]))
    }

    @Test(
        arguments: [
            (.get, "", ""), (.put, "", Example.minimal), (.patch, "", "{}"), (.delete, "", ""), (.get, "/logs", ""),
            (.get, "/stats", ""), (.post, "/test", ""), (.post, "/recover", #"{"since": "2026-01-01T00:00:00Z"}"#),
            (.post, "/logs/7/retry", ""), (.head, "", ""),
        ] as [(HTTPRequest.Method, String, String)])
    func `an unknown webhook gives 404`(method: HTTPRequest.Method, path: String, body: String) throws {
        let answer = try Handled().call(method, Self.unknown + path, body)
        #expect(answer.status == 404 && answer.json["error_code"]?.integer == 1200)
    }

    @Test(
        arguments: [
            (.get, "/webhooks"), (.post, "/webhooks"), (.post, "/events"), (.get, "/settings"),
            (.post, "/settings/rotate"),
        ] as [(HTTPRequest.Method, String)])
    func `an environment must be known before anything is done in it`(method: HTTPRequest.Method, path: String) throws {
        let api = Handled()
        api.environmentResult = .found(false)
        let missing = try api.call(method, Self.ours + path, Example.minimal)
        #expect(missing.status == 404 && missing.json["error_code"]?.integer == 1201)
        api.environmentResult = .unanswered
        let failed = try api.call(method, Self.ours + path, Example.minimal)
        #expect(failed.status == 503 && failed.json["error_code"]?.integer == 1503)
        api.environmentResult = .tooMany
        let refused = try api.call(method, Self.ours + path, Example.minimal)
        #expect(refused.status == 503 && refused.json["error_code"]?.integer == 1504)
        #expect(api.store.webhooks.isEmpty && api.store.keyrings.isEmpty && api.store.events.isEmpty)
    }

    @Test func `a URL is checked if it is new, and if it is tested`() throws {
        let api = Handled()
        let id = try api.create()
        let url = try #require(try JSON(parsing: Array(Example.minimal.utf8))["url"]?.string)
        let other = #"{"name": "x", "url": "https://other.test/", "events": ["job-created"]}"#
        let new: [(HTTPRequest.Method, String, String)] = [
            (.post, Self.ours + "/webhooks", Example.minimal), (.put, "/webhooks/\(id)", other),
            (.patch, "/webhooks/\(id)", #"{"url": "https://other.test/"}"#), (.post, "/webhooks/\(id)/test", ""),
        ]
        let before = api.store.webhooks
        for (refusal, status, code) in [
            (LookupResult.found("it is closed" as String?), 400, 1004), (.tooMany, 503, 1504),
        ] {
            api.refusal = refusal
            for (method, target, body) in new {
                let answer = try api.call(method, target, body)
                #expect(answer.status == status && answer.json["error_code"]?.integer == code)
                #expect(code != 1004 || answer.json["message"]?.string == "url: it is closed.")
            }
        }
        // Other errors are reported first, and a URL that the webhook already has is not checked again.
        #expect(try api.call(.post, Self.ours + "/webhooks", "{}").status == 400)
        for body in [#"{"name": "y"}"#, #"{"url": "\#(url)"}"#] {
            #expect(try api.call(.patch, "/webhooks/\(id)", body).status == 200)
        }
        #expect(api.store.webhooks.map(\.destination.url) == before.map(\.destination.url))
        #expect(api.store.events.isEmpty)
    }

    @Test func `a change is made to the current webhook, and its URL is checked if that is new by then`() throws {
        let api = Handled()
        let id = try api.create()
        let url = try #require(try JSON(parsing: Array(Example.minimal.utf8))["url"]?.string)
        api.store.meanwhile = { api.store.webhooks[0].description = "theirs" }
        let changed = try api.call(.patch, "/webhooks/\(id)", #"{"name": "mine"}"#)
        #expect(changed.json["name"]?.string == "mine" && changed.json["description"]?.string == "theirs")
        #expect(api.store.webhooks[0].name == "mine" && api.store.webhooks[0].description == "theirs")
        // Another request has changed the URL that this one keeps.
        api.refusal = .found("it is closed")
        api.store.meanwhile = { api.store.webhooks[0].destination.url = "https://other.test/" }
        #expect(try api.call(.patch, "/webhooks/\(id)", #"{"url": "\#(url)"}"#).status == 400)
        #expect(api.store.webhooks[0].destination.url == "https://other.test/")
        api.store.meanwhile = { api.store.webhooks = [] }
        #expect(try api.call(.patch, "/webhooks/\(id)", #"{"name": "x"}"#).status == 404)
    }

    @Test func `an environment whose keys cannot be read gives 500, and no webhook is created`() throws {
        let api = Handled()
        api.store.takesNoKeys = true
        let answer = try api.call(.post, Self.ours + "/webhooks", Example.minimal)
        #expect(answer.status == 500 && api.store.webhooks.isEmpty)
    }

    // MARK: Bodies

    @Test(
        arguments: [
            ("application/json", 201), ("Application/JSON; charset=utf-8", 201), ("application/merge-patch+json", 201),
            ("", 201), ("application/x-www-form-urlencoded", 415), ("text/plain", 415), ("jsonapplication/json", 415),
        ])
    func `a body with another media type than JSON is refused`(type: String, code: Int) throws {
        let answer = try Handled().call(
            .post, "\(Self.ours)/webhooks", Example.minimal, fields: [("Content-Type", type)])
        #expect(answer.status == code)
        if code == 415 { #expect(answer.json["error_code"]?.integer == 1302) }
    }

    @Test func `a body with a content coding is refused`() throws {
        let answer = try Handled().call(
            .post, "\(Self.ours)/webhooks", Example.minimal, fields: [("Content-Encoding", "gzip")])
        #expect(answer.status == 415 && answer.json["error_code"]?.integer == 1302)
    }

    @Test(
        arguments: [
            (.tooLarge, 413), (.incomplete, 400), (.whole([]), 400),
            (.whole([UInt8](repeating: 0x20, count: (256 << 10) + 1)), 413),
        ] as [(Request.Body, Int)])
    func `a body that is incomplete, empty or too large is refused`(body: Request.Body, code: Int) throws {
        let api = Handled()
        let id = try api.create()
        for (method, target) in [
            (.post, "\(Self.ours)/webhooks"), (.put, "/webhooks/\(id)"), (.patch, "/webhooks/\(id)"),
            (.post, "\(Self.ours)/events"), (.post, "/webhooks/\(id)/recover"),
        ] as [(HTTPRequest.Method, String)] {
            let response = try #require(try api.answer(method, target, body))
            #expect(response.head.status.code == code)
            #expect(try JSON(parsing: response.body)["error_code"]?.integer == (code == 413 ? 1301 : 1000))
        }
    }

    // MARK: Failures

    @Test func `a failure of the store is thrown, and has the form of this API`() throws {
        let api = Handled()
        api.store.failure = .full
        #expect(throws: StoreFailure.full) { try api.answer(.get, Self.unknown) }
        let response = webhookResponse(to: .full)
        #expect(response.head.status.code == 503)
        #expect(try JSON(parsing: response.body)["error_code"]?.integer == 1501)
    }

    @Test(
        arguments: [(.post, "/webhooks"), (.get, "/settings"), (.post, "/settings/rotate")]
            as [(HTTPRequest.Method, String)])
    func `without a signing key nothing is created`(method: HTTPRequest.Method, path: String) throws {
        var settings = WebhookSettings()
        settings.isDebugging = true
        let api = Handled(settings)
        api.makesKeys = false
        let answer = try api.call(method, Self.ours + path, Example.minimal)
        #expect(answer.status == 500 && answer.json["error_code"]?.integer == 1500)
        #expect(answer.json["internal_message"]?.string?.isEmpty == false)
        #expect(api.store.webhooks.isEmpty)
    }
}
