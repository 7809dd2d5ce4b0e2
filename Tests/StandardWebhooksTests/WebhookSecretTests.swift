import Testing

@testable import StandardWebhooks

@Suite struct WebhookSecretTests {
    @Test(arguments: [(23, false), (24, true), (32, true), (64, true), (65, false), (0, false)])
    func `a secret has 24 to 64 bytes`(count: Int, isSecret: Bool) throws {
        let bytes = (0..<count).map { UInt8($0) }
        let secret = WebhookSecret(bytes: bytes)
        #expect((secret != nil) == isSecret)
        guard let secret else { return }
        #expect(WebhookSecret(secret.text)?.bytes == bytes)
        #expect(WebhookSecret(secret.text.replacing("=", with: ""))?.bytes == bytes)
    }

    @Test(arguments: [
        "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec-MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_shorter=",
        "whsec_é", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAB=",
    ])
    func `a text that is not a secret is refused`(text: String) {
        #expect(WebhookSecret(text) == nil)
    }

    @Test func `new secrets differ, and their texts can be read`() {
        var random = SystemRandomNumberGenerator()
        let secrets = (0..<100).map { _ in WebhookSecret(random: &random) }
        #expect(Set(secrets.map(\.text)).count == 100)
        #expect(secrets.allSatisfy { $0.bytes.count == 32 && WebhookSecret($0.text)?.bytes == $0.bytes })
    }

    @Test func `printing a secret does not reveal it`() {
        #expect("\(WebhookSecret(bytes: [UInt8](repeating: 0, count: 32))!)" == "whsec_…")
    }
}
