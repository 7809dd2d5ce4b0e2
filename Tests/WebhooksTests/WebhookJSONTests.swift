import Delivery
import HTTP
import HTTPTypes
import JSON
import Testing
import Values

@testable import Webhooks

@Suite struct WebhookJSONTests {
    private let id = UUID(Example.nobody)!
    private let environment = UUID(Example.environment)!
    private let settings = WebhookSettings()

    private func json(_ webhook: Webhook, secret: [UInt8]? = nil) throws -> JSON {
        try JSON(parsing: valueJSON { json in webhook.write(to: &json, secret: secret) })
    }

    private func webhook(_ policy: RetryChoice = .fixed) -> Webhook {
        Webhook(
            id: id, environment: environment, name: "n", events: ["job-created"],
            destination: Destination(number: 1, url: "https://x/", policy: policy), created: Example.moment.wall,
            updated: Example.moment.wall)
    }

    @Test func `members without a value are left out`() throws {
        let json = try json(webhook())
        #expect(
            members(json) == [
                "webhook_id", "environment_id", "name", "url", "events", "method", "retry_policy", "ordered",
                "created_at", "updated_at",
            ])
        #expect(json["webhook_id"]?.string == Example.nobody)
        #expect(json["environment_id"]?.string == Example.environment)
        #expect(json["events"] == .array([.string("job-created")]))
        #expect(json["method"]?.string == "post")
        #expect(json["created_at"]?.string == "2026-11-22T06:05:37.619Z")
    }

    @Test func `secrets are masked, except one that has just been set`() throws {
        var webhook = webhook()
        webhook.headerNames = ["X-B", "X-A"]
        webhook.destination.sealedHeaders = [1]
        webhook.destination.sealedSecret = [2]
        let masked = try json(webhook)
        #expect(
            masked["custom_headers"]
                == .object([JSON.Member("X-B", .string("***")), JSON.Member("X-A", .string("***"))]))
        #expect(masked["secret"]?.string == "whsec_***")
        let shown = try json(webhook, secret: [UInt8](repeating: 0, count: 24))
        #expect(shown["secret"]?.string == "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    }

    @Test(
        arguments: [
            (.fixed, .string("fixed")), (.own(.fixed(retries: 1, interval: 9)), .string("fixed")),
            (.standard, .string("standard")), (.own(.schedule([])), .array([])),
            (.own(.schedule([90, 0.5])), .array([.string("1m30s"), .string("0.5s")])),
        ] as [(RetryChoice, JSON)])
    func `a policy is written in a form that requests may have`(policy: RetryChoice, value: JSON) throws {
        #expect(try json(webhook(policy))["retry_policy"] == value)
    }

    @Test func `all members of a webhook are written`() throws {
        var webhook = webhook()
        webhook.description = "d"
        webhook.destination.method = "DELETE"
        webhook.destination.disabledUntil = Example.moment.wall
        webhook.destination.disabledReason = "it was gone"
        webhook.destination.limits.rate = 2.5
        webhook.destination.limits.isOrdered = true
        let attempt = AttemptSummary(
            logID: 12, event: "job-created", eventID: "e", triggeredAt: Example.moment.wall, attempt: 2, status: 503,
            durationMilliseconds: 1381, failure: Attempt.Failure(kind: .status, text: "it answered 503"))
        webhook.lastTriggered = attempt
        webhook.lastErrored = attempt
        let json = try json(webhook)
        #expect(json["method"]?.string == "delete" && json["description"]?.string == "d")
        #expect(json["disabled_until"]?.string == "2026-11-22T06:05:37.619Z")
        #expect(json["disabled_reason"]?.string == "it was gone")
        #expect(json["rate_limit"] == .number("2.5") && json["ordered"]?.bool == true)
        let documented = ["log_id", "event", "event_id", "triggered_at", "attempt", "status_code", "duration_ms"]
        #expect(members(json["last_triggered"]) == documented)
        let errored = json["last_errored"]
        #expect(members(errored) == documented + ["errored_at", "error", "error_kind"])
        #expect(errored?["log_id"]?.integer == 12 && errored?["attempt"]?.integer == 2)
        #expect(errored?["status_code"]?.integer == 503 && errored?["duration_ms"]?.integer == 1381)
        #expect(errored?["errored_at"]?.string == "2026-11-22T06:05:39.000Z")
        #expect(errored?["error"]?.string == "it answered 503" && errored?["error_kind"]?.string == "status")
    }

    // MARK: Logs

    private func line(_ outcome: Attempt, body: [UInt8]? = Array("{}".utf8), next: Timestamp? = nil) throws -> JSON {
        let entry = LogEntry(
            webhook: id, environment: environment,
            line: DeliveryLine(
                id: 3, event: "job-created", eventID: "e", attempt: 1, trigger: .recover, method: "POST",
                url: "https://x/", outcome: outcome, nextRetryAt: next, isFinal: next == nil),
            requestBody: body)
        return try JSON(parsing: valueJSON { json in entry.write(to: &json) })
    }

    private static let names = [
        "log_id", "webhook_id", "environment_id", "event", "event_id", "attempt", "trigger", "method", "url",
        "request_headers", "request_body", "status_code", "response_headers", "response_body", "response_truncated",
        "error_kind", "error", "duration_ms", "triggered_at", "next_retry_at", "final",
    ]

    @Test func `a log entry has what was sent and what was received`() throws {
        let fields = [("A", "1"), ("B", "2"), ("a", "3")].map { HeaderField(name: $0.0, value: $0.1) }
        let json = try line(
            Attempt(
                requestHeaders: fields, status: 200, responseHeaders: fields, responseBody: Array("é".utf8),
                durationMilliseconds: 5, triggeredAt: Example.moment.wall))
        #expect(members(json) == Self.names)
        #expect(json["log_id"]?.integer == 3 && json["trigger"]?.string == "recover")
        #expect(json["request_body"]?.string == "{}" && json["response_body"]?.string == "é")
        let headers = JSON.object([JSON.Member("A", .string("1, 3")), JSON.Member("B", .string("2"))])
        #expect(json["request_headers"] == headers && json["response_headers"] == headers)
        #expect(json["error"] == .null && json["error_kind"] == .null && json["next_retry_at"] == .null)
        #expect(json["final"]?.bool == true && json["response_truncated"]?.bool == false)
    }

    @Test func `a log entry without a response has null members`() throws {
        let attempt = Attempt(
            failure: Attempt.Failure(kind: .blockedIP, text: "10.0.0.1 is private"), triggeredAt: Example.moment.wall)
        let json = try line(attempt, body: nil, next: Example.moment.wall.adding(seconds: 1))
        #expect(members(json) == Self.names)
        for name in ["request_body", "status_code", "response_headers", "response_body"] {
            #expect(json[name] == .null)
        }
        #expect(json["error_kind"]?.string == "blocked_ip" && json["error"]?.string == "10.0.0.1 is private")
        #expect(json["next_retry_at"]?.string == "2026-11-22T06:05:38.619Z" && json["final"]?.bool == false)
    }

    @Test func `a response that is not text is also given in Base64`() throws {
        let json = try line(
            Attempt(
                status: 200, responseHeaders: [HeaderField(name: "Content-Type", value: "image/gif")],
                responseBody: [0xff, 0x41], isResponseTruncated: true, triggeredAt: Example.moment.wall))
        #expect(json["response_body"]?.string == "\u{fffd}A" && json["response_body_base64"]?.string == "/0E=")
        #expect(json["response_truncated"]?.bool == true)
    }

    @Test(arguments: zip(Trigger.allCases, ["scheduled", "manual", "test", "recover"]))
    func `a trigger has the documented word`(trigger: Trigger, word: String) { #expect(trigger.word == word) }

    @Test(
        arguments: zip(
            Attempt.ErrorKind.allCases,
            [
                "dns", "connect", "tls", "timeout", "reset", "blocked_ip", "protocol", "status", "disabled",
                "unavailable",
            ]))
    func `a kind of error has the documented word`(kind: Attempt.ErrorKind, word: String) { #expect(kind.word == word) }

    // MARK: Statistics and settings

    @Test(
        arguments: [(nil, "closed", nil), (30, "open", "2026-11-22T06:06:07.619Z"), (-1, "half_open", nil)]
            as [(Double?, String, String?)])
    func `statistics have times of day`(opensIn: Double?, circuit: String, probe: String?) throws {
        var health = DestinationHealth()
        health.delivered = 1
        health.failedAttempts = 2
        health.givenUp = 3
        health.failuresInRow = 4
        health.failingSince = Example.moment.steady.adding(seconds: -60)
        health.opensAt = opensIn.map { Example.moment.steady.adding(seconds: $0) }
        let statistics = WebhookStatistics(health: health, pending: 5)
        let json = try JSON(parsing: objectJSON { json in statistics.writeMembers(to: &json, at: Example.moment) })
        #expect(json["delivered"]?.integer == 1 && json["failed_attempts"]?.integer == 2)
        #expect(json["given_up"]?.integer == 3 && json["consecutive_failures"]?.integer == 4)
        #expect(json["pending"]?.integer == 5)
        #expect(json["failing_since"]?.string == "2026-11-22T06:04:37.619Z")
        #expect(json["circuit"]?.string == circuit && json["circuit_probe_at"]?.string == probe)
    }

    @Test func `settings have the current key, with the next and the previous one`() throws {
        let now = Example.moment.wall
        let keys = [
            Example.key("a", signsFrom: now.adding(seconds: -200)),
            Example.key("b", signsFrom: now.adding(seconds: -100)),
            Example.key("c", signsFrom: now.adding(seconds: 100)),
        ]
        let rotation = try #require(KeyRotation(Keyring(number: 1, keys: keys), at: now, overlapSeconds: 86_400))
        let json = try JSON(parsing: environmentSettingsJSON(rotation, settings))
        #expect(members(json) == ["public_verification_key"])
        let key = json["public_verification_key"]
        let names = [
            "algorithm", "encoding", "key", "key_id", "jwk", "signature_header", "signature_timestamp_header",
            "signed_content", "created_at", "signs_from",
        ]
        #expect(members(key) == names + ["next", "previous"])
        #expect(members(key?["next"]) == names && members(key?["previous"]) == names)
        #expect([key, key?["next"], key?["previous"]].map { $0?["key_id"]?.string } == ["b", "c", "a"])
        #expect(key?["algorithm"]?.string == "ed25519" && key?["encoding"]?.string == "spki-pem")
        #expect(key?["key"]?.string == Example.pem)
        #expect(members(key?["jwk"]) == ["kty", "crv", "x", "kid"] && key?["jwk"]?["kid"]?.string == "b")
        #expect(key?["signature_header"]?.string == "X-3dverse-Signature")
        #expect(key?["signature_timestamp_header"]?.string == "X-3dverse-Signature-Timestamp")
        #expect(key?["signed_content"]?.string == "{timestamp}.{body}")
    }

    @Test func `an error has the documented form, and its details only while debugging`() throws {
        let error = APIError(StoreFailure.unavailable("reason"))
        for isDebugging in [false, true] {
            let response = error.response(isDebugging: isDebugging)
            #expect(response.head.status.code == 503 && response.head.headerFields[.retryAfter] == "5")
            let text = String(decoding: response.body, as: UTF8.self)
            #expect(
                text == """
                    {"error_code": 1501, "http_code": 503, "internal_message": "\(isDebugging ? "reason" : "")", \
                    "message": "The store cannot be used at the moment.", "stacktrace": []}
                    """)
        }
    }
}
