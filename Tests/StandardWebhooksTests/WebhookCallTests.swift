import Cryptography
import Encodings
import Testing

@testable import StandardWebhooks

@Suite struct WebhookCallTests {
    /// Examples of the standard, which the tests of all its libraries use.
    private static let v1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    private static let v1a =
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

    private let call: WebhookCall
    private let secret: WebhookSecret
    private let pair: WebhookKeyPair

    init() throws {
        call = try #require(
            WebhookCall(
                id: "msg_p5jXN8AQM9LWM0D4loKWxJek", seconds: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8)))
        secret = try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        pair = try #require(WebhookKeyPair(WebhookKeyPairTests.secretText))
    }

    @Test func `tokens equal the examples of the standard`() {
        #expect(call.token(secret) == Self.v1)
        #expect(call.token(pair) == Self.v1a)
        #expect(
            call.signedContent
                == Array(#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#.utf8))
        #expect(call.timestamp == "1614265330")
    }

    @Test func `the signature field has a token for each key`() throws {
        var random = SystemRandomNumberGenerator()
        let oldSecret = WebhookSecret(random: &random)
        let oldPair = try #require(SigningKey(generating: .ed25519).flatMap { WebhookKeyPair($0) })
        let (old, oldA) = (call.token(oldSecret), try #require(call.token(oldPair)))
        #expect(call.signatures(secrets: [secret], keyPairs: []) == Self.v1)
        #expect(call.signatures(secrets: [], keyPairs: [pair]) == Self.v1a)
        #expect(
            call.signatures(secrets: [secret, oldSecret], keyPairs: [pair, oldPair])
                == "\(Self.v1) \(old) \(Self.v1a) \(oldA)")
        #expect(call.signatures(secrets: [], keyPairs: []) == nil)
        // The standard's libraries split the field at each space and each comma.
        for token in [old, oldA] {
            #expect(token.filter { $0 == "," || $0 == " " } == ",")
            #expect(Base64.standard.decode(token.drop { $0 != "," }.dropFirst().utf8) != nil)
        }
    }

    @Test func `a different id, time or body gives a different token`() throws {
        let others = [("msg_p5jXN8AQM9LWM0D4loKWxJel", 0, "x"), ("msg", 1, "x"), ("msg", 0, "y"), ("msg", 0, "")]
        let tokens = try others.map { id, seconds, body in
            try #require(WebhookCall(id: id, seconds: Int64(seconds), body: Array(body.utf8))).token(secret)
        }
        #expect(Set(tokens).count == others.count)
    }

    @Test(arguments: ["", ".", "a.b", "a b", "a\n", "a\0", "\u{7f}", "é"])
    func `an id that is empty, or has a dot or anything but visible ASCII, is refused`(id: String) {
        #expect(WebhookCall(id: id, seconds: 0, body: []) == nil)
    }

    @Test func `bodies are signed byte for byte`() throws {
        let body: [UInt8] = [0, 0xff, 0x2e, 0x0d, 0x0a, 0xc3]
        let call = try #require(WebhookCall(id: "1", seconds: 2, body: body))
        #expect(call.signedContent == Array("1.2.".utf8) + body)
    }

    @Test func `the signature of time and body does not cover the id`() throws {
        let key = try #require(SigningKey(generating: .ed25519))
        let message = Array(#"1614265330.{"test": 2432232314}"#.utf8)
        #expect(call.bodySignature(by: key) == key.sign(message).map { Base64.standard.encode($0) })
        let other = try #require(
            WebhookCall(id: "other", seconds: call.seconds, body: Array(#"{"test": 2432232314}"#.utf8)))
        #expect(other.bodySignature(by: key) == call.bodySignature(by: key))
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `every algorithm signs time and body`(algorithm: SignatureAlgorithm) throws {
        let key = try #require(SigningKey(generating: algorithm))
        let signature = try #require(call.bodySignature(by: key))
        let bytes = try #require(Base64.standard.decode(signature.utf8))
        switch algorithm {
        case .ed25519: #expect(bytes.count == 64)
        case .rsaSHA256: #expect(bytes.count == 256)
        case .ecdsaP256SHA256: #expect((8...72).contains(bytes.count) && bytes.first == 0x30)
        }
    }
}
