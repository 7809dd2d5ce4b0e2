import Cryptography
import Encodings
import JSON
import Testing
import Values

@testable import CaptureRules

func verification(_ text: String, secrets: SettingSecrets = SettingSecrets()) throws -> Verification {
    var faults = SettingFaults()
    let verification = Verification(try JSON(parsing: Array(text.utf8)), secrets, &faults)
    try faults.check()
    return try #require(verification)
}

func time(_ seconds: Int64) -> Timestamp { Timestamp(microseconds: seconds * 1_000_000) }

/// The examples that the providers publish, byte for byte; where there is none, signatures by Python's hmac.
enum Published {
    static let slackBody = """
        token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
        channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
        response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
        trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c
        """

    struct Example: Sendable, CustomTestStringConvertible {
        let settings: String
        var now: Int64 = 0
        var url = "http://localhost/webhook/id"
        let headers: [(String, String)]
        let body: String
        let expected: String?

        var testDescription: String { settings }
        var request: ReceivedRequest { CaptureRulesTests.request(headers, body: Array(body.utf8), url: url) }
    }

    static let examples = [
        // docs.github.com, "Validating webhook deliveries".
        Example(
            settings: #"{"preset": "github", "secret": "It's a Secret to Everybody"}"#,
            headers: [
                ("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
            ], body: "Hello, World!",
            expected: "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        // api.slack.com, "Verifying requests from Slack".
        Example(
            settings: #"{"preset": "slack", "secret": "8f742231b10e8888abcd99yyyzzz85a5"}"#, now: 1_531_420_618,
            headers: [
                ("X-Slack-Request-Timestamp", "1531420618"),
                ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ], body: slackBody, expected: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        // The test of the Standard Webhooks libraries.
        Example(
            settings: #"{"preset": "standard-webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#,
            now: 1_614_265_330 + 299,
            headers: [
                ("Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("Webhook-Timestamp", "1614265330"),
                ("Webhook-Signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v2,x"),
            ], body: #"{"test": 2432232314}"#, expected: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        Example(
            settings: #"{"preset": "standard-webhooks", "secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#,
            now: 1_614_265_330,
            headers: [
                ("Svix-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("Svix-Timestamp", "1614265330"),
                ("Svix-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ], body: #"{"test": 2432232314}"#, expected: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        // www.twilio.com/docs/usage/security, and the test of twilio-python.
        Example(
            settings: #"{"preset": "twilio", "secret": "12345"}"#,
            url: "https://mycompany.com/myapp.php?foo=1&bar=2",
            headers: [
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("X-Twilio-Signature", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
            ],
            body: "To=%2B18005551212&From=%2B12349013030&Digits=1234&Caller=%2B12349013030&CallSid=CA1234567890ABCDE",
            expected: "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
        Example(
            settings: #"{"preset": "stripe", "secret": "whsec_test"}"#, now: 1_700_000_000,
            headers: [
                (
                    "Stripe-Signature",
                    "t=1700000000,v1=a0c091828640f0b68061abc7c03981ad1100ff7160c5dba6b656239494a2b537,v0=6ffbb59b"
                )
            ], body: #"{"id": "evt_1"}"#,
            expected: "v1=a0c091828640f0b68061abc7c03981ad1100ff7160c5dba6b656239494a2b537"),
        Example(
            settings: #"{"preset": "shopify", "secret": "hush"}"#,
            headers: [("X-Shopify-Hmac-Sha256", "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=")], body: #"{"id":1}"#,
            expected: "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="),
        Example(
            settings: #"{"preset": "gitlab", "secret": "t0ken"}"#, headers: [("X-Gitlab-Token", "t0ken")], body: "{}",
            expected: nil),
        Example(
            settings: """
                {"preset": "hmac", "secret": "hush", "header": "X-Sig", "encoding": "base64", "prefix": "s="}
                """,
            headers: [("X-Sig", "s=VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=")], body: #"{"id":1}"#,
            expected: "s=VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="),
    ]
}

@Suite struct VerificationTests {
    @Test(arguments: Published.examples)
    func `the signature of a published example is right, and another body's is not`(
        example: Published.Example
    ) throws {
        let verification = try verification(example.settings)
        let verdict = verification.verdict(on: example.request, now: time(example.now))
        #expect(verdict.isValid && verdict.reason == nil && verdict.cause == nil)
        #expect(verdict.expected == example.expected)
        guard verification.preset != .gitlab else { return }
        let changed = request(example.headers, body: Array((example.body + "&x=1").utf8), url: example.url)
        let other = verification.verdict(on: changed, now: time(example.now))
        #expect(!other.isValid && other.cause == .unknown && other.expected != example.expected)
    }

    @Test(arguments: Published.examples)
    func `the signature is not right with another secret, and no verdict has a secret`(
        example: Published.Example
    ) throws {
        let secret = try #require(try JSON(parsing: Array(example.settings.utf8))["secret"]?.string)
        // Still Base64 where it has to be.
        let other = secret.contains("MfKQ") ? secret.replacing("MfKQ", with: "NfKQ") : secret + "x"
        let wrong = try verification(example.settings.replacing(secret, with: other))
        #expect(!wrong.verdict(on: example.request, now: time(example.now)).isValid)
        for (checked, secret) in [(try verification(example.settings), secret), (wrong, other)] {
            let verdict = checked.verdict(on: example.request, now: time(example.now))
            let json = String(decoding: valueJSON { json in verdict.write(to: &json) }, as: UTF8.self)
            // The secret of Twilio's example is a part of the request.
            #expect(!json.contains(secret) || example.body.contains(secret))
        }
    }

    @Test(
        arguments: [
            (299, nil), (-299, nil),
            (
                301, "The signature is right, but its time is 301 seconds in the past; 300 seconds are allowed."
            ),
            (60 * 60, "The signature is right, but its time is 60 minutes in the past; 5 minutes are allowed."),
            (-12 * 60, "The signature is right, but its time is 12 minutes in the future; 5 minutes are allowed."),
            (40 * 86_400, "The signature is right, but its time is 40 days in the past; 5 minutes are allowed."),
        ] as [(Int64, String?)])
    func `a right signature must be of about now`(offset: Int64, reason: String?) throws {
        for example in Published.examples.prefix(3).dropFirst() {
            let sent = Int64(example.headers.first { $0.0.hasSuffix("Timestamp") }?.1 ?? "") ?? 0
            let verdict = try verification(example.settings).verdict(on: example.request, now: time(sent + offset))
            #expect(verdict.reason == reason && verdict.isValid == (reason == nil))
            #expect(verdict.cause == (reason == nil ? nil : .timestamp))
        }
    }

    @Test func `the tolerance of time can be changed, and turned off`() throws {
        let example = Published.examples[1]
        for (tolerance, isValid) in [(0, true), (3600, true), (60, false)] {
            let settings = example.settings.dropLast() + ", \"tolerance_seconds\": \(tolerance)}"
            let checked = try verification(String(settings))
            #expect(checked.verdict(on: example.request, now: time(example.now + 120)).isValid == isValid)
        }
    }

    @Test func `the base is shown by its beginning`() throws {
        let body = String(repeating: "x", count: 1000)
        let sent = request([("X-Hub-Signature-256", "sha256=00")], body: Array(body.utf8))
        let verdict = try verification(#"{"preset": "github", "secret": "s"}"#).verdict(on: sent, now: time(0))
        #expect(verdict.base == Array(body.utf8.prefix(256)) && verdict.baseByteCount == 1000)
        #expect(verdict.received == "sha256=00")
        let json = try JSON(parsing: valueJSON { json in verdict.write(to: &json) })
        #expect(json["valid"] == .bool(false) && json["baseBytes"] == .number("1000"))
        #expect(json["base"]?.string?.utf8.count == 256 && json["cause"] == .string("malformed-header"))
    }

    // By twilio 9.13.0, RequestValidator, and slack_sdk 3.48.0, SignatureVerifier.
    @Test func `signatures of the providers' own libraries are right`() throws {
        let form = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("X-Twilio-Signature", "gg49hSwW1K+cPVHFn07HO0WLKJs="),
        ]
        let repeated = request(
            form, body: Array("b=2&%C3%A9=%C3%BC&b=1&a=x&b=2".utf8), url: "https://example.org/webhook/id?x=1")
        let twilio = try verification(#"{"preset": "twilio", "secret": "12345"}"#)
        #expect(twilio.verdict(on: repeated, now: time(0)).isValid)
        let code = "v0=d19e3b2ab1ed573b3fe3502573dbf44189b7ae415ad7ad229f1d8abf4b7daedb"
        let sent = request(
            [("X-Slack-Signature", code), ("X-Slack-Request-Timestamp", "1700000000")], body: Array("a=1&b=é".utf8))
        let slack = try verification(#"{"preset": "slack", "secret": "shh"}"#)
        #expect(slack.verdict(on: sent, now: time(1_700_000_000)).isValid)
    }

    // The rules of twilio 9.13.0, RequestValidator.
    @Test(
        arguments: [
            (nil, .sha1, nil), ("", .sha1, nil), ("key=webhooks_sharedkey_1", .sha1, nil),
            ("key=k,algorithm=", .sha1, nil), ("algorithm=HMAC_SHA1", .sha1, nil),
            ("key=k,algorithm=HMAC_SHA256", .sha256, nil), ("key=k , algorithm = hmac_sha256", .sha256, nil),
            ("algorithm=HMAC_SHA256,algorithm=HMAC_SHA1", .sha256, nil),
            ("key=k,algorithm=HMAC_SHA256", .sha1, .algorithm), (nil, .sha256, .algorithm),
            ("key=k,algorithm=HMAC_SHA512", .sha512, .algorithm), ("Algorithm=HMAC_SHA256", .sha1, nil),
        ] as [(String?, DigestAlgorithm, Verdict.Cause?)])
    func `twilio's settings name the algorithm`(
        settings: String?, algorithm: DigestAlgorithm, cause: Verdict.Cause?
    ) throws {
        let url = "https://example.org/webhook/id"
        let code = algorithm.authenticationCode(of: Array((url + "a1").utf8), key: Array("12345".utf8))
        var headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("X-Twilio-Signature", Base64.standard.encode(code)),
        ]
        if let settings { headers.append(("X-Twilio-Webhooks-Signature-Settings", settings)) }
        let sent = request(headers, body: Array("a=1".utf8), url: url)
        let verdict = try verification(#"{"preset": "twilio", "secret": "12345"}"#).verdict(on: sent, now: time(0))
        #expect(verdict.cause == cause && verdict.isValid == (cause == nil))
    }

    // By stripe 16.1, WebhookSignature: nothing is trimmed.
    @Test func `a blank in a list of stripe is not skipped, and the first time counts`() throws {
        let example = try #require(Published.examples.first { $0.settings.contains("stripe") })
        let text = example.headers[0].1
        func verdict(_ header: String) throws -> Verdict {
            let sent = request([("Stripe-Signature", header)], body: Array(example.body.utf8))
            return try verification(example.settings).verdict(on: sent, now: time(example.now))
        }
        for header in [text.replacing(",", with: ", "), text.replacing("t=", with: "x=y, t=")] {
            let verdict = try verdict(header)
            #expect(verdict.cause == .malformedHeader)
            #expect(verdict.reason == "The header Stripe-Signature must have no blank after a comma.")
        }
        #expect(try verdict(text + ", v1=00").isValid)
        #expect(try verdict(text + ",t=1").isValid)
        #expect(try !verdict("t=1," + text).isValid)
    }

    @Test func `twilio's signature may be of the URL with or without its port`() throws {
        let example = Published.examples[4]
        let url = "https://mycompany.com:443/myapp.php?foo=1&bar=2"
        let sent = request(example.headers, body: Array(example.body.utf8), url: url)
        #expect(try verification(example.settings).verdict(on: sent, now: time(0)).isValid)
    }

    @Test(
        arguments: [
            ("[]", "verify: must be an object such as {\"preset\": \"github\", \"secret\": \"…\"}"),
            (
                #"{"preset": "gitea"}"#,
                "verify.preset: must be one of standard-webhooks, github, stripe, slack, shopify, twilio, gitlab, "
                    + "3dverse, hmac"
            ),
            (#"{"preset": "github"}"#, "verify.secret: is required by the preset github"),
            (
                #"{"preset": "github", "secret": "***"}"#,
                "verify.secret: *** stands for a stored secret, but none is stored here"
            ),
            (#"{"preset": "hmac", "secret": "s"}"#, "verify.header: is required by the preset hmac"),
            (
                #"{"preset": "hmac", "secret": "s", "header": "X", "algorithm": "md5"}"#,
                "verify.algorithm: must be one of sha1, sha256, sha384, sha512"
            ),
            (
                #"{"preset": "standard-webhooks", "secret": "whsec_!"}"#,
                "verify.secret: must be Base64, with or without whsec_ before it"
            ),
            (#"{"preset": "standard-webhooks"}"#, "verify.secret: is required, or a public_key"),
            (#"{"preset": "3dverse"}"#, "verify.public_key: is required by the preset 3dverse"),
            (
                #"{"preset": "3dverse", "public_key": "AAAA"}"#,
                "verify.public_key: must be whpk_…, the Base64 of 32 bytes, or a PEM text of Ed25519"
            ),
            (#"{"preset": "github", "secret": "s", "reject": 1}"#, "verify.reject: must be true or false"),
            (
                #"{"preset": "github", "secret": "s", "header": "X"}"#,
                "verify.header: unknown member; known are preset, reject, secret"
            ),
        ])
    func `a fault is reported with its place`(text: String, fault: String) throws {
        var faults = SettingFaults()
        _ = Verification(try JSON(parsing: Array(text.utf8)), SettingSecrets(), &faults)
        #expect(faults.faults.map { "\($0.place): \($0.reason)" } == [fault])
    }

    @Test func `the secret is masked, and stays when the mask is sent back`() throws {
        let given = try verification(#"{"preset": "github", "secret": "s3cret", "reject": true}"#)
        #expect(given.rejects)
        let shown = String(decoding: valueJSON { json in json.value(given.json) }, as: UTF8.self)
        #expect(shown == #"{"preset": "github", "secret": "***", "reject": true}"#)
        #expect(try verification(shown, secrets: given.secrets).scheme.secret == "s3cret")
    }
}
