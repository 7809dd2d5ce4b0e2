import Cryptography
import Encodings
import Testing
import Values

@testable import CaptureRules

/// Every fault of the page, made on purpose: the verdict names it.
@Suite struct DiagnosisTests {
    private func hmac(
        _ text: [UInt8], _ key: [UInt8], _ algorithm: DigestAlgorithm = .sha256
    ) -> [UInt8] {
        algorithm.authenticationCode(of: text, key: key)
    }

    private func github(_ code: String, body: [UInt8], wire: [UInt8]? = nil, secret: String = "c2VjcmV0") throws
        -> Verdict
    {
        let sent = request([("X-Hub-Signature-256", code)], body: body, wire: wire)
        return try verification("{\"preset\": \"github\", \"secret\": \"\(secret)\"}").verdict(on: sent, now: time(0))
    }

    private let body = Array(#"{"b": "é/<", "a": [1, {}], "c": []}"#.utf8)
    private let key = Array("c2VjcmV0".utf8)

    @Test(
        arguments: [
            ("secret", "The sender decoded the secret from Base64; the preset takes it as text."),
            ("c2VjcmV0\n", "The sender's secret ends with a newline."),
            ("YzJWamNtVjA=", "The sender used the Base64 of the secret as the key."),
        ])
    func `another reading of the secret is found`(key: String, reason: String) throws {
        let verdict = try github("sha256=" + hexadecimal(hmac(body, Array(key.utf8))), body: body)
        #expect(verdict.cause == .secret && verdict.reason == reason)
    }

    @Test func `a secret that was set with a newline, in hexadecimal, or with its prefix is found`() throws {
        let cases: [(String, [UInt8], String)] = [
            ("plain\\n", Array("plain".utf8), "The secret that is set here begins or ends with a blank or newline."),
            ("00ff", [0, 0xff], "The sender decoded the secret from hexadecimal digits."),
            ("whsec_c2VjcmV0", Array("c2VjcmV0".utf8), "The sender used the secret without whsec_."),
            (
                "whsec_c2VjcmV0", Array("secret".utf8),
                "The sender decoded the secret after whsec_ from Base64; the preset takes it as text."
            ),
        ]
        for (secret, key, reason) in cases {
            let verdict = try github("sha256=" + hexadecimal(hmac(body, key)), body: body, secret: secret)
            #expect(verdict.cause == .secret && verdict.reason == reason)
        }
    }

    @Test(arguments: ["whsec_c2VjcmV0", "c2VjcmV0"])
    func `a Base64 secret that was used as text is found`(key: String) throws {
        let code = hmac(Array("m.1700000000.{}".utf8), Array(key.utf8))
        let headers = [
            ("Webhook-Id", "m"), ("Webhook-Timestamp", "1700000000"),
            ("Webhook-Signature", "v1," + Base64.standard.encode(code)),
        ]
        let checked = try verification(#"{"preset": "standard-webhooks", "secret": "whsec_c2VjcmV0"}"#)
        let verdict = checked.verdict(on: request(headers, json: "{}"), now: time(1_700_000_000))
        #expect(verdict.cause == .secret)
        #expect(verdict.reason?.contains("as the key, not the bytes of its Base64.") == true)
    }

    // Each text is what the sender signed, for the body `{"b": "é/<", "a": [1, {}], "c": []}`.
    @Test(
        arguments: [
            (#"{"b":"é/<","a":[1,{}],"c":[]}"#, "without blanks"),
            (#"{"b": "\u00e9/<", "a": [1, {}], "c": []}"#, "by Python's json.dumps"),
            (#"{"b":"\u00e9\/<","a":[1,{}],"c":[]}"#, "by PHP's json_encode"),
            (#"{"a":[1,{}],"b":"é/\u003c","c":[]}"#, "by Go's json.Marshal"),
            (#"{"a": [1, {}], "b": "\u00e9/<", "c": []}"#, "by Python's json.dumps with sorted names"),
            (
                "{\n  \"b\": \"é/<\",\n  \"a\": [\n    1,\n    {}\n  ],\n  \"c\": []\n}",
                "with two blanks for each level"
            ),
        ])
    func `a body that was written again is found`(signed: String, how: String) throws {
        let verdict = try github("sha256=" + hexadecimal(hmac(Array(signed.utf8), key)), body: body)
        #expect(verdict.cause == .serialization)
        #expect(verdict.reason == "The sender signed the same JSON, written \(how).")
    }

    @Test func `newlines, compression and charsets are found`() throws {
        let latin: [UInt8] = [0x63, 0xe9]
        let cases: [(signed: [UInt8], sent: [UInt8], Verdict.Cause, String)] = [
            (
                Array("a".utf8), Array("a\n".utf8), .newline,
                "The sender signed the body without the newline at its end."
            ),
            (
                Array("a".utf8), Array("a\r\n".utf8), .newline,
                "The sender signed the body without the newline at its end."
            ),
            (
                Array("a\n".utf8), Array("a".utf8), .newline,
                "The sender signed the body with a newline at its end, which was not sent."
            ),
            (
                Array("a".utf8), Array("  a ".utf8), .newline,
                "The sender signed the body without the blanks at its ends."
            ),
            (
                Array("a\nb".utf8), Array("a\r\nb".utf8), .newline,
                "The sender signed the body with LF instead of CR LF."
            ),
            (Array("é".utf8), [0xe9], .charset, "The sender signed the body in UTF-8, from ISO-8859-1."),
            (latin, Array("cé".utf8), .charset, "The sender signed the body in ISO-8859-1 and sent UTF-8."),
            ([], Array("x".utf8), .body, "The sender signed an empty body."),
        ]
        for (signed, sent, cause, reason) in cases {
            let verdict = try github("sha256=" + hexadecimal(hmac(signed, key)), body: sent)
            #expect(verdict.cause == cause && verdict.reason == reason)
        }
        let compressed = try github("sha256=" + hexadecimal(hmac([0x1f, 0x8b], key)), body: body, wire: [0x1f, 0x8b])
        #expect(compressed.cause == .compressed && compressed.reason == "The sender signed the compressed bytes.")
    }

    @Test func `another algorithm, a plain digest and another form are found`() throws {
        let code = hmac(body, key)
        let base64 = try github("sha256=" + Base64.standard.encode(code), body: body)
        #expect(base64.cause == .encoding)
        #expect(base64.reason == "The signature is written in Base64, not in hexadecimal digits in lower case.")
        let upper = try github("sha256=" + hexadecimal(code).uppercased(), body: body)
        #expect(upper.reason == "The signature is written in upper case.")
        let twice = try github("sha256=" + Base64.standard.encode(hexadecimal(code).utf8), body: body)
        #expect(twice.reason == "The signature is the Base64 of the hexadecimal digits.")
        let sha1 = try github("sha256=" + hexadecimal(hmac(body, key, .sha1)), body: body)
        #expect(sha1.cause == .algorithm && sha1.reason == "The sender used SHA-1 instead of SHA-256.")
        let plain = try github("sha256=" + hexadecimal(DigestAlgorithm.sha256.digest(of: key + body)), body: body)
        #expect(plain.cause == .algorithm)
        #expect(plain.reason == "The sender made a plain SHA-256 of the secret and the text put together, not an HMAC.")
        let short = try github("sha256=" + String(repeating: "0", count: 40), body: body)
        #expect(short.cause == .algorithm)
        #expect(short.reason == "The signature has 40 characters, which is the length of SHA-1; 64 are expected.")
        #expect(try github("sha256=zz", body: body).reason == "The signature is not hexadecimal digits in lower case.")
    }

    @Test func `two faults together are found`() throws {
        let code = hexadecimal(hmac(body + [0x0a], Array("secret".utf8)))
        let verdict = try github("sha256=" + code, body: body)
        #expect(verdict.cause == .secret)
        #expect(
            verdict.reason
                == "The sender decoded the secret from Base64; the preset takes it as text, and the sender signed the "
                + "body with a newline at its end, which was not sent.")
    }

    @Test func `a header that is missing or malformed is named`() throws {
        let checked = try verification(#"{"preset": "github", "secret": "s"}"#)
        func reason(_ headers: [(String, String)]) -> String? {
            checked.verdict(on: request(headers, json: "{}"), now: time(0)).reason
        }
        #expect(reason([]) == "The header X-Hub-Signature-256 is missing.")
        #expect(
            reason([("X-Hub-Signature", "sha1=00")])
                == "The header X-Hub-Signature-256 is missing; there is only X-Hub-Signature, which is made with SHA-1."
        )
        #expect(
            reason([("Stripe-Signature", "t=1")])
                == "The header X-Hub-Signature-256 is missing; there is Stripe-Signature, as of the preset stripe.")
        #expect(reason([("X-Hub-Signature-256", "")]) == "The header X-Hub-Signature-256 is empty.")
        #expect(
            reason([("X-Hub-Signature-256", "sha1=00")])
                == "The header X-Hub-Signature-256 must begin with sha256=, but begins with sha1=.")
        #expect(reason([("X-Hub-Signature-256", "0011")]) == "The header X-Hub-Signature-256 must begin with sha256=.")
    }

    @Test func `the time of a signature that is malformed, in milliseconds or not signed is found`() throws {
        let checked = try verification(#"{"preset": "stripe", "secret": "s"}"#)
        func verdict(_ time: String, signed: String) -> Verdict {
            let code = hexadecimal(hmac(Array(signed.utf8), Array("s".utf8)))
            let sent = request([("Stripe-Signature", "t=\(time),v1=\(code)")], json: "{}")
            return checked.verdict(on: sent, now: CaptureRulesTests.time(1_700_000_000))
        }
        #expect(verdict("1700000000", signed: "1700000000.{}").isValid)
        #expect(verdict("1700000000000", signed: "1700000000000.{}").isValid)
        let slack = try verification(#"{"preset": "slack", "secret": "s"}"#)
        let code = hexadecimal(hmac(Array("v0:1700000000000:{}".utf8), Array("s".utf8)))
        let sent = request(
            [("X-Slack-Signature", "v0=" + code), ("X-Slack-Request-Timestamp", "1700000000000")], json: "{}")
        #expect(
            slack.verdict(on: sent, now: CaptureRulesTests.time(1_700_000_000)).reason
                == "The signature is right, but its time is in milliseconds; seconds since 1970 are expected.")
        #expect(
            verdict("now", signed: "now.{}").reason
                == "The signature is right, but its time is not a number of seconds since 1970.")
        let bare = verdict("1700000000", signed: "{}")
        #expect(bare.cause == .base && bare.reason == "The sender signed the body only, without the time.")
        // As stripe-python, which looks for old ones only.
        #expect(verdict("1700003600", signed: "1700003600.{}").isValid)
        #expect(verdict("1699996400", signed: "1699996400.{}").cause == .timestamp)
    }

    @Test func `another scheme or host of twilio's URL is found`() throws {
        let example = Published.examples[4]
        func verdict(_ url: String) throws -> Verdict {
            let sent = request(example.headers, body: Array(example.body.utf8), url: url)
            return try verification(example.settings).verdict(
                on: sent, now: time(0), origins: ["https://mycompany.com/"])
        }
        let scheme = try verdict("http://mycompany.com/myapp.php?foo=1&bar=2")
        #expect(scheme.cause == .url && scheme.reason == "The sender signed the URL with https://.")
        let host = try verdict("http://localhost:8080/myapp.php?foo=1&bar=2")
        #expect(host.cause == .url && host.reason == "The sender signed a URL that begins with https://mycompany.com.")
        let path = try verdict("https://mycompany.com/myapp.php/?foo=1&bar=2")
        #expect(path.reason == "The slash at the end of the path differs.")
    }

    @Test func `a hash of the body in twilio's URL must be right`() throws {
        let body = #"{"a": 1}"#
        for (hashed, cause) in [(body, nil), ("{}", Verdict.Cause.body)] as [(String, Verdict.Cause?)] {
            let query = "bodySHA256=" + hexadecimal(DigestAlgorithm.sha256.digest(of: hashed.utf8))
            let url = "https://example.org/webhook/id?\(query)"
            let code = Base64.standard.encode(hmac(Array(url.utf8), Array("s".utf8), .sha1))
            let sent = request(query: query, [("X-Twilio-Signature", code)], body: Array(body.utf8), url: url)
            let verdict = try verification(#"{"preset": "twilio", "secret": "s"}"#).verdict(on: sent, now: time(0))
            #expect(verdict.cause == cause)
        }
    }

    // As twilio-python, which compares the hash only with a body that is not a form.
    @Test(arguments: ["00", ""])
    func `the fields of a form are signed also if twilio's URL has a hash`(hash: String) throws {
        let url = "https://example.org/webhook/id?bodySHA256=\(hash)"
        func verdict(_ type: String, _ signed: String, _ body: String) throws -> Verdict {
            let code = Base64.standard.encode(hmac(Array((url + signed).utf8), Array("s".utf8), .sha1))
            let sent = request(
                query: "bodySHA256=\(hash)", [("Content-Type", type), ("X-Twilio-Signature", code)],
                body: Array(body.utf8), url: url)
            return try verification(#"{"preset": "twilio", "secret": "s"}"#).verdict(on: sent, now: time(0))
        }
        let form = "application/x-www-form-urlencoded"
        #expect(try verdict(form, "a1b2", "b=2&a=1").isValid)
        let bare = try verdict(form, "", "b=2&a=1")
        #expect(bare.reason == "The sender signed the URL only, without the fields of the form.")
        #expect(try verdict("application/json", "", "{}").cause == .body)
        #expect(try verdict("application/json", "", "").isValid == hash.isEmpty)
    }

    @Test func `a token that differs in blanks or is encoded is found, and never shown`() throws {
        let checked = try verification(#"{"preset": "gitlab", "secret": "c2VjcmV0"}"#)
        for (token, cause) in [
            ("c2VjcmV0 ", Verdict.Cause.secret), ("YzJWamNtVjA=", .secret), ("secret", .secret), ("other", .unknown),
        ] {
            let verdict = checked.verdict(on: request([("X-Gitlab-Token", token)], json: "{}"), now: time(0))
            #expect(verdict.cause == cause && verdict.expected == nil && verdict.received == nil)
        }
    }

    /// Without the bound, the indented texts of this body would have sixty megabytes each.
    @Test func `a diagnosis of a body that is nested deeply is bounded`() throws {
        let deep =
            String(repeating: "[", count: 999) + Array(repeating: "1", count: 15_000).joined(separator: ",")
            + String(repeating: "]", count: 999)
        let verdict = try github("sha256=" + String(repeating: "0", count: 64), body: Array(deep.utf8))
        #expect(verdict.cause == .unknown)
    }

    @Test func `a long body is tried with other secrets and newlines and as it was sent, but not written again`() throws
    {
        let long = Array("[\n \"".utf8) + [UInt8](repeating: 0x61, count: Diagnosis.bodyBytes) + Array("\"]".utf8)
        let windows = Array("[\r\n \"".utf8) + long.dropFirst(4)
        let cases: [(signed: [UInt8], key: [UInt8], Verdict.Cause)] = [
            (long, Array("secret".utf8), .secret), (long + [0x0a], key, .newline), (windows, key, .newline),
            (long.filter { $0 > 0x20 }, key, .unknown),
        ]
        for (signed, key, cause) in cases {
            let verdict = try github("sha256=" + hexadecimal(hmac(signed, key)), body: long)
            #expect(verdict.cause == cause)
            let isCut = verdict.reason?.hasSuffix("The body is too long to try everything.") == true
            #expect(isCut == (cause == .unknown))
        }
        for factor in [1, 16, 32] {
            let body = [UInt8](repeating: 0x61, count: factor * Diagnosis.bodyBytes + 1)
            let wire = [UInt8](repeating: 0x62, count: body.count / 2)
            let verdict = try github("sha256=" + hexadecimal(hmac(wire, key)), body: body, wire: wire)
            #expect(verdict.cause == .compressed)
        }
    }
}
