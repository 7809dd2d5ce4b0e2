import JSON
import Testing

@testable import CaptureRules

func rules(_ text: String, secrets: SettingSecrets = SettingSecrets()) throws -> ResponseRules {
    var faults = SettingFaults()
    let rules = ResponseRules(try JSON(parsing: Array(text.utf8)), secrets, &faults)
    try faults.check()
    return rules
}

/// The places and reasons of all faults.
func faults(_ text: String) throws -> [String] {
    var faults = SettingFaults()
    _ = ResponseRules(try JSON(parsing: Array(text.utf8)), SettingSecrets(), &faults)
    return faults.faults.map { "\($0.place): \($0.reason)" }
}

@Suite struct ResponseRulesTests {
    private static let example = """
        [{"when": {"method": ["POST"], "path": "/pay*", "header": {"X-Kind": "charge"}, "query": {"mode": "test"}, \
        "match": "$.amount"}, \
        "then": {"status": 503, "headers": {"Retry-After": "5"}, "body": "try later", "delay_ms": 250}}, \
        {"then": {"sequence": [{"status": 503}, \
        {"status": 200, "body": "id {json:$.id} from {query:source} by {header:User-Agent}"}]}}]
        """

    @Test func `the first rule whose whole condition holds answers`() throws {
        let rules = try rules(Self.example)
        let kind = [("X-Kind", "charge")]
        let whole = request(path: "/payments", query: "mode=test", kind, json: #"{"amount": 0}"#)
        let first = try #require(rules.outcome(for: whole, positions: [:]))
        #expect(first.rule == 0 && first.nextPosition == nil)
        #expect(first.answer.status == 503 && first.answer.text == "try later" && first.answer.delayMilliseconds == 250)
        #expect(first.answer.header("Retry-After") == "5")
        let others = [
            request("PUT", path: "/pay", query: "mode=test", kind, json: #"{"amount": 0}"#),
            request(path: "/p", query: "mode=test", kind, json: #"{"amount": 0}"#),
            request(path: "/pay", query: "mode=live", kind, json: #"{"amount": 0}"#),
            request(path: "/pay", kind, json: #"{"amount": 0}"#),
            request(path: "/pay", query: "mode=test", json: #"{"amount": 0}"#),
            request(path: "/pay", query: "mode=test", kind, json: #"{"mount": 0}"#),
            request(path: "/pay", query: "mode=test", kind, json: "amount"),
        ]
        for other in others { #expect(rules.outcome(for: other, positions: [:])?.rule == 1) }
    }

    @Test func `a header field counts in any spelling, and with its first hundred values`() throws {
        let rules = try rules(
            #"[{"when": {"header": {"x-kind": "last"}}, "then": {"status": 201}}, {"then": {"status": 202}}]"#)
        let many = [(String, String)](repeating: ("X-KIND", "first"), count: 99)
        let hundredth = request(many + [("X_Kind", "last")], json: "{}")
        #expect(rules.outcome(for: hundredth, positions: [:])?.rule == 0)
        let beyond = request(many + [("X-Kind", "first"), ("x-kind", "last")], json: "{}")
        #expect(rules.outcome(for: beyond, positions: [:])?.rule == 1)
    }

    @Test func `a sequence goes on by the position that the store has kept, and repeats its last answer`() throws {
        let rules = try rules(Self.example)
        let sent = request(query: "source=a%20b", [("User-Agent", "curl")], json: #"{"id": 17}"#)
        let first = try #require(rules.outcome(for: sent, positions: [:]))
        #expect(first.answer.status == 503 && first.nextPosition == 1)
        for position in [1, 2, 1000] {
            let next = try #require(rules.outcome(for: sent, positions: [1: position]))
            #expect(next.answer.status == 200 && next.nextPosition == nil)
            #expect(next.answer.text == "id 17 from a b by curl")
        }
        #expect(rules.outcome(for: sent, positions: [1: -3])?.answer.status == 503)
    }

    @Test func `a request that no rule answers has no outcome`() throws {
        let one = try rules(#"[{"when": {"method": ["PUT"]}, "then": {}}]"#)
        #expect(one.outcome(for: request(), positions: [:]) == nil)
        #expect(try rules("[]").outcome(for: request(), positions: [:]) == nil)
    }

    @Test(
        arguments: [
            (#"{"header": {"x_kind": "b"}}"#, true), (#"{"header": {"X-Kind": "c"}}"#, false),
            (#"{"header": {"X-Kind": true}}"#, true), (#"{"header": {"X-Kind": false}}"#, false),
            (#"{"header": {"X-Other": false}}"#, true), (#"{"query": {"a": "2"}}"#, true),
            (#"{"query": {"a b": ""}}"#, true), (#"{"query": {"a": true, "c": false}}"#, true),
            (#"{"query": {"a": false}}"#, false), (#"{"path": ""}"#, true), (#"{"path": "/*"}"#, false),
            (#"{"match": "$[?@.n > 1]"}"#, true), (#"{"match": "$[?@.n > 2]"}"#, false),
        ] as [(String, Bool)])
    func `a condition compares one of the fields of a name`(condition: String, holds: Bool) throws {
        let rules = try rules("[{\"when\": \(condition), \"then\": {}}]")
        let sent = request(query: "a=1&a=2&a+b", [("X-Kind", "a"), ("X-Kind", "b")], json: #"[{"n": 2}]"#)
        #expect((rules.outcome(for: sent, positions: [:]) != nil) == holds)
    }

    @Test(
        arguments: [
            ("{}", ["responses: must be an array of at most 100 rules"]),
            ("[1]", ["responses[0]: must be an object"]),
            ("[{}]", ["responses[0].then: is required"]),
            (#"[{"then": {}, "than": {}}]"#, ["responses[0].than: unknown member; known are secret, then, when"]),
            (
                #"[{"when": {"header": 5, "method": "POST"}, "then": {"status": 100}}]"#,
                [
                    "responses[0].when.method: must be an array of 1 to 20 methods, such as [\"POST\"]",
                    "responses[0].when.header: must be an object",
                    "responses[0].then.status: must be a whole number from 200 to 599",
                ]
            ),
            (
                #"[{"when": {"path": "pay", "query": {"a": 1}}, "then": {"delay_ms": 30001}}]"#,
                [
                    "responses[0].when.path: must begin with / or *, or be empty for no path",
                    "responses[0].when.query.a: must be a string of at most 1024 bytes, true for any value, or false "
                        + "for no such field",
                    "responses[0].then.delay_ms: must be a whole number from 0 to 30000",
                ]
            ),
            (
                #"[{"then": {"status": 204, "body": "x"}}]"#,
                ["responses[0].then.body: a response with status 204 has no body"]
            ),
            (
                #"[{"then": {}}, {"then": {}}]"#,
                ["responses[1]: is never used, as responses[0] has no condition"]
            ),
            (
                #"[{"then": {"sequence": [{}, {"sequence": []}]}}]"#,
                [
                    "responses[0].then.sequence[1].sequence: unknown member; known are body, delay_ms, headers, status"
                ]
            ),
            (
                #"[{"then": {"delay": 5}}]"#,
                [
                    "responses[0].then.delay: unknown member; known are body, delay_ms, headers, sequence, status"
                ]
            ),
            (
                #"[{"then": {"sequence": [], "status": 200}}]"#,
                [
                    "responses[0].then.status: must be in the answers of the sequence, not beside it",
                    "responses[0].then.sequence: must be an array of 1 to 50 answers",
                ]
            ),
            (
                #"[{"then": {"body": "{hmac-sha256-hex:body}"}}]"#,
                ["responses[0].secret: is required by the placeholder {hmac-…}"]
            ),
            (
                #"[{"then": {"body": "{hmac-md5-hex:body}"}}]"#,
                [
                    "responses[0].then.body: {hmac-md5-hex:…} must be {hmac-A-E:…} with A one of "
                        + "sha1, sha256, sha384, sha512, and E hex or base64"
                ]
            ),
            (
                #"[{"when": {"method": ["POST", "get"]}, "then": {}}]"#,
                ["responses[0].when.method[1]: must be written in capital letters: GET"]
            ),
            (
                #"[{"secret": "***", "then": {}}]"#,
                [
                    "responses[0].secret: *** stands for the secret of a stored rule, but it is not clear which one: send the secret"
                ]
            ),
            (
                #"[{"then": {"body": "a", "body": "b"}}]"#, ["responses[0].then.body: duplicate member"]
            ),
        ] as [(String, [String])])
    func `every fault is reported with its place`(text: String, expected: [String]) throws {
        #expect(try faults(text) == expected)
    }

    @Test func `a fault in a query says what is wrong with it`() throws {
        let found = try faults(#"[{"when": {"match": "$["}, "then": {"body": "{json:$[}"}}]"#)
        #expect(found.count == 2)
        #expect(found[0].hasPrefix("responses[0].when.match: is not a JSONPath query: "))
        #expect(found[1].hasPrefix("responses[0].then.body: {json:…} is not a JSONPath query: "))
    }

    @Test func `a thousand rules are refused with one sentence`() throws {
        let many = "[" + Array(repeating: #"{"then": {}}"#, count: 1000).joined(separator: ",") + "]"
        #expect(try faults(many) == ["responses: must be an array of at most 100 rules, but has 1000"])
    }

    @Test func `a message names at most twenty faults`() throws {
        var faults = SettingFaults()
        let many = "[" + Array(repeating: "1", count: 50).joined(separator: ",") + "]"
        _ = ResponseRules(try JSON(parsing: Array(many.utf8)), SettingSecrets(), &faults)
        #expect(faults.message.hasSuffix("responses[19]: must be an object. And 30 more."))
    }

    @Test(arguments: [
        "Content-Length", "transfer-encoding", "Connection", "STATUS", "X-Accel-Redirect", "X_Accel_Redirect",
    ])
    func `a header that would control the web server is refused`(name: String) throws {
        let found = try faults("[{\"then\": {\"headers\": {\"\(name)\": \"1\"}}}]")
        #expect(found == ["responses[0].then.headers.\(name): this header is reserved for the service"])
    }

    @Test(arguments: ["Set-Cookie", "strict-transport-security", "WWW-Authenticate", "NEL", "Report-To"])
    func `a header that browsers apply to the whole host is refused`(name: String) throws {
        let found = try faults("[{\"then\": {\"headers\": {\"\(name)\": \"1\"}}}]")
        #expect(
            found == ["responses[0].then.headers.\(name): this header would apply to the whole host of the service"])
    }

    @Test(arguments: [("X-A", "a\r\nX-B: b"), ("X-A", "\u{0}"), ("X-A", "\u{7f}")])
    func `a header value with a control character is refused`(name: String, value: String) throws {
        let json = valueJSON { json in
            json.array(of: [value]) { json, value in
                json.object { json in
                    json.member("then") { json in json.member("headers") { json in json.member(name, value) } }
                }
            }
        }
        let found = try faults(String(decoding: json, as: UTF8.self))
        #expect(found == ["responses[0].then.headers.X-A: the value must not contain control characters"])
    }

    @Test func `secrets are masked, and kept apart by their place`() throws {
        let text = #"[{"secret": "s3cret", "then": {"body": "{hmac-sha256-hex:query:q}"}}]"#
        let given = try rules(text)
        #expect(
            given.json
                == .array([
                    .object([
                        .init("secret", .string("***")),
                        .init("then", .object([.init("body", .string("{hmac-sha256-hex:query:q}"))])),
                    ])
                ]))
        let secrets = try #require(SettingSecrets(bytes: given.secrets.bytes))
        #expect(secrets == given.secrets && secrets["responses[0]"] == "s3cret")
        #expect(!"\(secrets)".contains("s3cret"))
        let shown = String(decoding: valueJSON { json in json.value(given.json) }, as: UTF8.self)
        #expect(!shown.contains("s3cret"))
        let again = try rules(shown, secrets: secrets)
        let sent = request(query: "q=x")
        #expect(again.outcome(for: sent, positions: [:]) == given.outcome(for: sent, positions: [:]))
    }
}
