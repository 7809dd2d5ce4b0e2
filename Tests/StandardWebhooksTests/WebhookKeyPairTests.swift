import Cryptography
import Encodings
import Testing

@testable import StandardWebhooks

@Suite struct WebhookKeyPairTests {
    /// From Svix's own test (svix-server, worker.rs, test_asymmetric_key_signing).
    static let secretText =
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    static let publicText = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="

    @Test(arguments: [
        secretText, secretText.replacing("=", with: ""), "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=",
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc",
    ])
    func `a key pair is read from seed and public key, or from the seed alone`(text: String) throws {
        let pair = try #require(WebhookKeyPair(text))
        #expect(pair.secretText == Self.secretText && pair.publicText == Self.publicText)
        #expect("\(pair)" == Self.publicText)
    }

    @Test(arguments: [
        "", "whsk_", publicText, secretText.replacing("whsk_", with: "whpk_"), String(secretText.dropFirst(5)),
        secretText.replacing("6Xb", with: "7Xb"), secretText.replacing("Kvg", with: "Kvk"), secretText + "=",
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMQ==",
    ])
    func `a text that is not a key pair is refused`(text: String) {
        #expect(WebhookKeyPair(text) == nil)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `only an Ed25519 key makes a key pair`(algorithm: SignatureAlgorithm) throws {
        let key = try #require(SigningKey(generating: algorithm))
        let pair = WebhookKeyPair(key)
        #expect((pair != nil) == (algorithm == .ed25519))
        guard let pair else { return }
        #expect(WebhookKeyPair(pair.secretText)?.publicText == pair.publicText)
        #expect(pair.publicText == "whpk_" + Base64.standard.encode(key.publicKeyBytes))
    }
}
