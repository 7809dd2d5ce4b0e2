import HTTP
import JSON
import Testing

@testable import CaptureRules

/// The settings after a PUT with this body.
func settings(_ text: String, changing current: ReceiverSettings = ReceiverSettings()) throws -> ReceiverSettings {
    guard case .object(let members) = try JSON(parsing: Array(text.utf8)) else { fatalError("an object is needed") }
    return try ReceiverSettings(changing: current, by: members)
}

@Suite struct ReceiverSettingsTests {
    /// The example of the page.
    private static let example = #"""
        {"enabled": true,
         "recipes": [{"name": "slack"}, {"name": "meta", "verify_token": "tok"}, {"name": "zoom", "secret": "sec1"},
                     {"name": "x", "secret": "sec2"}, {"name": "xero", "secret": "sec3"}, {"name": "asana", "armed": true}],
         "responses": [{"when": {"method": ["POST"], "path": "/pay*", "header": {"X-Kind": "charge"},
                                 "query": {"mode": "test"}, "match": "$.amount"},
                        "then": {"status": 503, "headers": {"Retry-After": "5"}, "body": "try later", "delay_ms": 250}},
                       {"secret": "sec4", "then": {"sequence": [{"status": 503}, {"body": "{hmac-sha1-hex:query:q}"}]}}],
         "verify": {"preset": "github", "secret": "sec5", "reject": false},
         "overflow": "drop-oldest", "cors": true, "pinned": false}
        """#

    private func outcome(
        _ settings: ReceiverSettings, _ sent: ReceivedRequest, positions: [Int: Int] = [:]
    ) -> ReceiverOutcome { settings.outcome(for: sent, positions: positions, now: time(0)) }

    @Test func `settings are shown without their secrets, and stored apart from them`() throws {
        let given = try settings(Self.example)
        let shown = String(decoding: given.json, as: UTF8.self)
        for secret in ["tok", "sec1", "sec2", "sec3", "sec4", "sec5"] { #expect(!shown.contains("\"\(secret)\"")) }
        let secrets = try #require(SettingSecrets(bytes: given.secrets.bytes))
        let stored = try ReceiverSettings(json: given.json, secrets: secrets)
        #expect(stored.json == given.json && stored.secrets == given.secrets)
        let sent = request(query: "q=1")
        #expect(outcome(stored, sent, positions: [1: 1]).answer == outcome(given, sent, positions: [1: 1]).answer)
        #expect(try settings(shown, changing: stored).secrets == given.secrets)
        let zoom = #"{"event": "endpoint.url_validation", "payload": {"plainToken": "t"}}"#
        #expect(outcome(stored, request(json: zoom)).answer == outcome(given, request(json: zoom)).answer)
    }

    @Test func `a member that is missing leaves its part unchanged, and null removes it`() throws {
        let given = try settings(Self.example)
        let changed = try settings(
            #"{"Recipes": null, "VERIFY": {"preset": "github", "secret": "***"}}"#, changing: given)
        #expect(changed.recipes.recipes.isEmpty && changed.responses.rules.count == 2)
        #expect(changed.verification?.scheme.secret == "sec5")
        #expect(try settings("{}", changing: given).json == given.json)
        let none = try settings(#"{"recipes": null, "responses": null, "verify": null}"#, changing: given)
        #expect(none.isEmpty && none.secrets.isEmpty)
        #expect(String(decoding: none.json, as: UTF8.self) == #"{"recipes": [], "responses": [], "verify": null}"#)
    }

    @Test func `what an earlier version has stored stays readable`() throws {
        let rules = #"[{"when": {"method": ["get"]}, "then": {"body": "{hmac-md5-hex:body}"}}]"#
        let stored = try ReceiverSettings(json: Array("{\"responses\": \(rules)}".utf8), secrets: SettingSecrets())
        #expect(stored.responses.rules.count == 1)
        #expect(throws: SettingFaults.self) { try settings("{\"responses\": \(rules)}", changing: stored) }
    }

    /// For each rule, the secret that it has after a client has sent rules back; `nil` if they were refused.
    private func secrets(of rules: String, changing stored: ReceiverSettings) -> [String]? {
        (try? settings("{\"responses\": [\(rules)]}", changing: stored))?.responses.rules.map {
            String(decoding: $0.secret, as: UTF8.self)
        }
    }

    @Test func `a mask stands for the secret of the rule that it came from, wherever that is now`() throws {
        func rule(_ path: String, _ secret: String = "***", status: Int = 200) -> String {
            #"{"when": {"path": "/\#(path)", "method": ["POST"]}, "then": {"status": \#(status), "body": "b"}, "secret": "\#(secret)"}"#
        }
        let stored = try settings("{\"responses\": [\(rule("a", "one")), \(rule("b", "two")), \(rule("c", "three"))]}")
        func sent(_ rules: String...) -> [String]? { secrets(of: rules.joined(separator: ","), changing: stored) }
        #expect(sent(rule("a"), rule("b"), rule("c")) == ["one", "two", "three"])
        #expect(sent(rule("b")) == ["two"])
        #expect(sent(rule("c"), rule("a", "new"), rule("b")) == ["three", "new", "two"])
        // Its answer has changed, or the order of its members.
        #expect(sent(rule("c", status: 201), rule("a")) == ["three", "one"])
        let turned =
            #"{"secret": "***", "then": {"body": "b", "status": 200}, "when": {"method": ["POST"], "path": "/b"}}"#
        #expect(sent(turned) == ["two"])
        // Its condition has changed: it could be any of them.
        #expect(sent(rule("d")) == nil)
        let alike = try settings("{\"responses\": [\(rule("a", "same")), \(rule("b", "same"))]}")
        #expect(secrets(of: rule("d"), changing: alike) == ["same"])
        // Rules of the same condition with different secrets are told apart by their answers.
        let twins = try settings(
            "{\"responses\": [\(rule("a", "one", status: 201)), \(rule("a", "two", status: 202))]}")
        #expect(secrets(of: rule("a", status: 202), changing: twins) == ["two"])
        #expect(secrets(of: rule("a", status: 203), changing: twins) == nil)
        // Rules that cannot be told apart keep their secrets if nothing has changed.
        let same = try settings("{\"responses\": [\(rule("a", "one")), \(rule("a", "two"))]}")
        #expect(secrets(of: "\(rule("a")), \(rule("a"))", changing: same) == ["one", "two"])
        #expect(secrets(of: rule("a"), changing: same) == nil)
    }

    @Test func `faults of all parts are reported together`() throws {
        let text = #"{"recipes": [{}], "responses": [{}], "verify": {}}"#
        let error = #expect(throws: SettingFaults.self) { try settings(text) }
        #expect(error?.faults.map(\.place) == ["recipes[0].name", "responses[0].then", "verify.preset"])
        #expect(
            error?.message.hasSuffix(
                "responses[0].then: is required. verify.preset: must be one of "
                    + "standard-webhooks, github, stripe, slack, shopify, twilio, gitlab, 3dverse, hmac.") == true)
    }

    @Test func `settings that are too large together are refused`() throws {
        let body = String(repeating: "x", count: 30_000)
        let rule = "{\"when\": {\"path\": \"/\"}, \"then\": {\"body\": \"\(body)\"}}"
        let five = Array(repeating: rule, count: 5).joined(separator: ",")
        let error = #expect(throws: SettingFaults.self) { try settings("{\"responses\": [\(five)]}") }
        #expect(error?.faults.first?.reason.hasPrefix("must have at most 131072 bytes together, but have 150") == true)
    }

    @Test func `a recipe answers before the rules, and the row says who answered`() throws {
        let given = try settings(#"{"recipes": [{"name": "slack"}], "responses": [{"then": {"sequence": [{}, {}]}}]}"#)
        let handshake = request(json: #"{"type": "url_verification", "challenge": "c"}"#)
        let first = outcome(given, handshake)
        #expect(first.answerer?.description == "recipe:slack" && first.nextPosition == nil && first.verdict == nil)
        let second = outcome(given, request())
        #expect(second.answerer?.description == "response:0" && second.nextPosition == 1)
        #expect(outcome(given, request(), positions: [0: 1]).nextPosition == nil)
        let none = outcome(ReceiverSettings(), request())
        #expect(none.answerer == nil && none.answer == nil && !none.isRejected)
    }

    @Test func `asana is disarmed after its first use`() throws {
        let given = try settings(#"{"recipes": [{"name": "asana"}], "verify": {"preset": "github", "secret": "s"}}"#)
        let sent = request([("X-Hook-Secret", "abc")])
        let first = outcome(given, sent)
        #expect(first.answer?.header("X-Hook-Secret") == "abc")
        let next = try #require(first.newSettings)
        #expect(outcome(next, sent).answerer == nil && next.secrets == given.secrets)
        #expect(String(decoding: next.json, as: UTF8.self).contains(#"{"name": "asana", "armed": false}"#))
        let armed = try settings(#"{"recipes": [{"name": "asana", "armed": true}]}"#, changing: next)
        #expect(outcome(armed, sent).newSettings != nil)
    }

    @Test func `sns is confirmed only at its own hosts`() throws {
        let given = try settings(#"{"recipes": [{"name": "sns"}]}"#)
        for (host, isConfirmed) in [("sns.eu-west-1.amazonaws.com", true), ("evil.example", false)] {
            let url = "https://\(host)/?Action=ConfirmSubscription&Token=1"
            let body = "{\"Type\": \"SubscriptionConfirmation\", \"SubscribeURL\": \"\(url)\"}"
            let found = outcome(given, request(json: body))
            #expect(found.answerer == .recipe(.sns))
            #expect(found.confirmation?.url == (isConfirmed ? url : nil))
        }
    }

    @Test func `a request whose signature is not right is refused, but a handshake is answered`() throws {
        let verify = #""verify": {"preset": "github", "secret": "s", "reject": true}"#
        let given = try settings("{\"recipes\": [{\"name\": \"okta\"}], \"responses\": [{\"then\": {}}], \(verify)}")
        let refused = outcome(given, request(json: "{}"))
        #expect(refused.isRejected && refused.answer?.status == 401 && refused.verdict?.cause == .missingHeader)
        #expect(refused.answerer?.description == "verify")
        let handshake = outcome(given, request("GET", [("X-Okta-Verification-Challenge", "c")]))
        #expect(handshake.answer?.status == 200 && handshake.verdict?.isValid == false)
        let lenient = try settings(#"{"verify": {"preset": "github", "secret": "s"}}"#, changing: given)
        let kept = outcome(lenient, request(json: "{}"))
        #expect(!kept.isRejected && kept.answerer == .response(0) && kept.verdict?.isValid == false)
    }

    @Test(
        arguments: [
            (#"{"responses": [{"when": {"method": ["POST"], "match": "$.a"}, "then": {"body": "{form:a}"}}]}"#, 0),
            (#"{"verify": {"preset": "twilio", "secret": "s"}}"#, 0),
            (#"{"responses": [{"then": {"body": "{body}"}}]}"#, 1),
        ])
    func `a long body is decompressed only for what reads it`(text: String, count: Int) throws {
        var fields = FieldList()
        fields.append(name: "X-Twilio-Signature".utf8, value: "c2lnbmVk".utf8)
        fields.append(name: "Content-Type".utf8, value: "application/x-www-form-urlencoded".utf8)
        var decoded = 0
        let length = Diagnosis.hashedBytes
        let sent = ReceivedRequest(method: "POST", fields: fields, wireBody: [1], bodyByteCount: length) {
            decoded += 1
            return [UInt8](repeating: 0x61, count: length)
        }
        _ = outcome(try settings(text), sent)
        #expect(decoded == count)
    }
}
