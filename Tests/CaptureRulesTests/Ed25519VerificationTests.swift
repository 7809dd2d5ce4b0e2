import Cryptography
import Encodings
import JSON
import Testing
import Values

@testable import CaptureRules

@Suite struct Ed25519VerificationTests {
    private let key: SigningKey
    private let publicKey: String

    init() throws {
        key = try #require(SigningKey(ed25519Seed: [UInt8](repeating: 7, count: 32)))
        publicKey = "whpk_" + Base64.standard.encode(key.publicKeyBytes)
    }

    private func sign(_ text: String) throws -> String {
        Base64.standard.encode(try #require(key.sign(Array(text.utf8))))
    }

    @Test func `signatures of 3dverse are verified with the public key, in each of its forms`() throws {
        let headers = [
            ("X-3dverse-Signature", try sign("1700000000.{}")), ("X-3dverse-Signature-Timestamp", "1700000000"),
        ]
        let pem = key.publicKeyPEM.replacing("\n", with: "\\n")
        for form in [publicKey, String(publicKey.dropFirst(5)), pem] {
            let checked = try verification("{\"preset\": \"3dverse\", \"public_key\": \"\(form)\"}")
            let verdict = checked.verdict(on: request(headers, json: "{}"), now: time(1_700_000_000))
            #expect(verdict.isValid && verdict.expected == nil)
            let body = checked.verdict(on: request(headers, json: "{ }"), now: time(1_700_000_000))
            #expect(body.cause == .serialization)
            let other = checked.verdict(on: request(headers, json: "[]"), now: time(1_700_000_000))
            #expect(other.cause == .unknown)
        }
    }

    @Test func `a standard webhook may be signed by a secret or a key pair`() throws {
        let settings = "{\"preset\": \"standard-webhooks\", \"public_key\": \"\(publicKey)\"}"
        let headers = [
            ("Webhook-Id", "m"), ("Webhook-Timestamp", "1700000000"),
            ("Webhook-Signature", "v1,AAAA v1a,\(try sign("m.1700000000.{}"))"),
        ]
        let sent = request(headers, json: "{}")
        #expect(try verification(settings).verdict(on: sent, now: time(1_700_000_000)).isValid)
        let both = settings.dropLast() + ", \"secret\": \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"}"
        #expect(try verification(String(both)).verdict(on: sent, now: time(1_700_000_000)).isValid)
        // A signature by another key has the length that it should have.
        let wrong = [
            ("Webhook-Id", "m"), ("Webhook-Timestamp", "1700000000"), ("Webhook-Signature", "v1a,\(try sign("x"))"),
        ]
        let verdict = try verification(String(both)).verdict(on: request(wrong, json: "{}"), now: time(1_700_000_000))
        #expect(!verdict.isValid && verdict.cause == .unknown)
        let onlySecret = #"{"preset": "standard-webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#
        #expect(try !verification(onlySecret).verdict(on: sent, now: time(1_700_000_000)).isValid)
    }
}
