import Delivery
import HTTP
import Testing
import Values

@testable import Webhooks

@Suite struct WebhookInputTests {
    private let rules = WebhookInput.Rules(
        urls: SecureURLs(), headers: HeaderRules(signatureHeaders: ["X-Signed", "X-Signed-At"]),
        maximumRetrySeconds: 86_400)

    private func input(_ body: String, isPartial: Bool = true) throws(APIError) -> WebhookInput {
        try WebhookInput(parsing: Array(body.utf8), isPartial: isPartial, rules)
    }

    @Test func `all members of a body are read`() throws {
        let body = """
            {"name": "n", "url": "https://x/", "events": ["job-created", "job-completed", "job-created"],
            "method": "patch", "description": "d", "disabled_until": "2026-11-22T07:05:37.5+01:00",
            "custom_headers": {"X-A": "1", "x-b": "***"}, "retry_policy": ["1m30s", 0.5, 0], "rate_limit": 2.5,
            "ordered": true, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
            """
        for isPartial in [true, false] {
            let input = try input(body, isPartial: isPartial)
            #expect(input.name == .set("n"))
            #expect(input.url == .set("https://x/"))
            #expect(input.events == .set(["job-created", "job-completed"]))
            #expect(input.method == .set("PATCH"))
            #expect(input.description == .set("d"))
            #expect(input.disabledUntil == .set(try #require(Timestamp(iso8601: "2026-11-22T06:05:37.5Z"))))
            let headers = [HeaderInput(name: "X-A", value: "1"), HeaderInput(name: "x-b", value: nil)]
            #expect(input.headers == .set(headers))
            #expect(input.policy == .set(.own(.schedule([90, 0.5, 0]))))
            #expect(input.rate == .set(2.5))
            #expect(input.isOrdered == .set(true))
            guard case .set(.given(let key)) = input.secret else { throw NotGiven() }
            #expect(key.count == 24)
            #expect(!input.isEmpty)
        }
    }

    private struct NotGiven: Error {}

    @Test func `a missing member is kept by a partial change and reset by a full one, and null always resets`() throws {
        let partial = try input("{}")
        #expect(partial.isEmpty && partial.name == .keep && partial.description == .keep && partial.secret == .keep)
        let full = try input(Example.minimal, isPartial: false)
        #expect(full.method == .reset && full.headers == .reset && full.policy == .reset && full.isOrdered == .reset)
        let nulls = """
            {"method": null, "description": null, "disabled_until": null, "custom_headers": null, "retry_policy": null,
            "rate_limit": null, "ordered": null, "secret": null}
            """
        let nulled = try input(nulls)
        #expect(nulled.method == .reset && nulled.description == .reset && nulled.disabledUntil == .reset)
        #expect(nulled.headers == .reset && nulled.policy == .reset && nulled.rate == .reset)
        #expect(nulled.isOrdered == .reset && nulled.secret == .reset && nulled.name == .keep && !nulled.isEmpty)
    }

    @Test func `read-only members are ignored`() throws {
        let body = """
            {"webhook_id": 1, "environment_id": 2, "created_at": 3, "updated_at": 4, "last_triggered": {},
            "last_errored": {}, "disabled_reason": "r"}
            """
        #expect(try input(body).isEmpty)
    }

    @Test(
        arguments: [
            ("", .malformedJSON, "The body is not JSON: line 1, column 1: expected a value, but the text ends."),
            ("{", .malformedJSON, "not JSON"), ("\u{1}", .malformedJSON, "not JSON"), ("[]", .validation, "an object."),
            (#"{"colour": 1}"#, .validation, "colour: unknown member."),
            (#"{"name": "a", "name": "b"}"#, .validation, "name: duplicate member."),
            (#"{"name": ""}"#, .validation, "name: must not be empty."),
            (#"{"name": 1}"#, .validation, "name: must be a string."),
            (#"{"name": null}"#, .validation, "name: must not be null."),
            (#"{"name": "a\u0000"}"#, .validation, "name: must not contain NUL characters."),
            (#"{"url": "http://x"}"#, .badURL, "url: it does not begin with https://."),
            (#"{"url": 1}"#, .validation, "url: must be a string."),
            (#"{"events": []}"#, .validation, "events: must be an array of at least one event name."),
            (#"{"events": "job-created"}"#, .validation, "events: must be an array"),
            (
                #"{"events": ["job-created", "job-done", 1]}"#, .validation,
                "events[1]: unknown event \"job-done\". events[2]: must be the name of an event."
            ),
            (#"{"events": ["job-created", "x"]}"#, .unknownEvent, "events[1]: unknown event \"x\"."),
            (#"{"method": "POST"}"#, .validation, "method: must be one of get, post, put, patch, delete."),
            (#"{"method": "head"}"#, .validation, "method: must be one of"),
            (#"{"disabled_until": "tomorrow"}"#, .validation, "disabled_until: must be a date and time"),
            (#"{"disabled_until": 1795327537}"#, .validation, "disabled_until: must be a string."),
            (#"{"custom_headers": []}"#, .badHeaders, "custom_headers: must be an object"),
            (
                #"{"custom_headers": {}}"#, .badHeaders,
                "custom_headers: must have 1 to 10 headers, but has 0."
            ),
            (#"{"custom_headers": {"X-A": 1}}"#, .badHeaders, "custom_headers.X-A: must be a string."),
            (#"{"custom_headers": {"X-A": ""}}"#, .badHeaders, "custom_headers.X-A: the value must not be empty."),
            (#"{"custom_headers": {"X-A": " a"}}"#, .badHeaders, "custom_headers.X-A: the value must not begin or end"),
            (
                #"{"custom_headers": {"X-A": "a\r\nB: c"}}"#, .badHeaders,
                "custom_headers.X-A: the value must not contain control"
            ),
            (#"{"custom_headers": {"X-A": "1", "x-a": "2"}}"#, .badHeaders, "custom_headers.x-a: duplicate header"),
            (
                #"{"custom_headers": {"X A": "1"}}"#, .badHeaders,
                "custom_headers.X A: must be a header name"
            ),
            (#"{"custom_headers": {"": "1"}}"#, .badHeaders, "custom_headers.: must be a header name"),
            (#"{"retry_policy": "never"}"#, .validation, "retry_policy: must be \"fixed\", \"standard\" or an array"),
            (#"{"retry_policy": ["1s", "-1s", -1, true]}"#, .validation, "retry_policy[1]: must be a duration"),
            (
                #"{"retry_policy": ["23h", "1h1s"]}"#, .validation,
                "retry_policy: the waits must add up to at most 24h."
            ),
            (#"{"rate_limit": 0}"#, .validation, "rate_limit: must be a number of attempts per second"),
            (#"{"rate_limit": 1e999}"#, .validation, "rate_limit: must be a number"),
            (#"{"rate_limit": "1"}"#, .validation, "rate_limit: must be a number"),
            (#"{"ordered": "yes"}"#, .validation, "ordered: must be true or false."),
            (#"{"secret": "whsec_c2hvcnQ="}"#, .validation, "secret: must be true, or whsec_"),
            (#"{"secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#, .validation, "secret: must be true"),
        ] as [(String, ErrorCode, String)])
    func `an invalid body is refused with the member and the error code`(body: String, code: ErrorCode, message: String)
    {
        let error = #expect(throws: APIError.self) { try input(body) }
        #expect(error?.code == code)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test func `all errors of a body are reported at once`() {
        let error = #expect(throws: APIError.self) {
            try input(
                #"{"url": "ftp://x", "events": ["x"], "custom_headers": {"Host": "a"}, "x": 1}"#, isPartial: false)
        }
        #expect(error?.code == .validation)
        #expect(
            error?.message == """
                x: unknown member. name: is required. url: it does not begin with https://. \
                events[0]: unknown event "x". custom_headers.Host: this header is reserved.
                """)
        let many = "{" + (0..<30).map { "\"m\($0)\": 1" }.joined(separator: ",") + "}"
        let long = #expect(throws: APIError.self) { try input(many) }
        #expect(long?.message.hasSuffix(" And 10 more.") == true)
    }

    @Test(
        arguments: [
            ("name", 255, true), ("name", 256, false), ("description", 4096, true), ("description", 4097, false),
        ])
    func `the length of a text is limited in characters`(name: String, count: Int, isRight: Bool) {
        let body = "{\"\(name)\": \"\(String(repeating: "é", count: count))\"}"
        #expect(((try? input(body)) != nil) == isRight)
    }

    @Test(arguments: [(16384, true), (16385, false)])
    func `the length of a URL is limited in bytes`(count: Int, isRight: Bool) {
        let url = "https://x/" + String(repeating: "x", count: count - 10)
        #expect(((try? input("{\"url\": \"\(url)\"}")) != nil) == isRight)
    }

    @Test(arguments: [(1, 4096, true), (1, 4097, false), (10, 1, true), (11, 1, false)])
    func `the number and the length of headers are limited`(count: Int, bytes: Int, isRight: Bool) {
        let value = String(repeating: "x", count: bytes)
        let headers = (0..<count).map { "\"X-\($0)\": \"\(value)\"" }.joined(separator: ", ")
        #expect(((try? input("{\"custom_headers\": {\(headers)}}")) != nil) == isRight)
    }

    @Test(
        arguments: [
            "Host", "content-length", "Transfer-Encoding", "connection", "TE", "trailer", "upgrade", "Expect",
            "keep-alive", "proxy-authorization", "Webhook-Id", "webhook-anything", "X-3dverse-Event", "x-3DVERSE-other",
            "X-Signed", "x-signed-at", "Content_Length", "X_3dverse_Signature", "x_signed",
        ])
    func `headers that the sender sets itself are refused`(name: String) {
        let error = #expect(throws: APIError.self) { try input("{\"custom_headers\": {\"\(name)\": \"1\"}}") }
        #expect(error?.code == .badHeaders)
    }

    @Test(arguments: [
        "Authorization", "X-Token", "Content-Type", "User-Agent", "X-Signature", "Cookie", "x!#$%&'*+-.^_`|~0",
    ])
    func `other headers are accepted`(name: String) throws {
        let value = HeaderInput(name: name, value: "tést \t1")
        #expect(try input("{\"custom_headers\": {\"\(name)\": \"tést \\t1\"}}").headers == .set([value]))
    }

    @Test(
        arguments: [
            ("true", .set(.make)), ("false", .reset), ("\"whsec_***\"", .set(.same)),
        ] as [(String, Change<WebhookInput.Secret>)])
    func `a secret can be generated, removed or kept`(value: String, change: Change<WebhookInput.Secret>) throws {
        #expect(try input("{\"secret\": \(value)}").secret == change)
    }

    @Test(arguments: [("fixed", RetryChoice.fixed), ("standard", .standard)])
    func `a retry policy can be given by name`(name: String, policy: RetryChoice) throws {
        #expect(try input("{\"retry_policy\": \"\(name)\"}").policy == .set(policy))
    }
}
