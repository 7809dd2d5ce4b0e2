import Cryptography
import Testing

@Suite struct PublicKeyTests {
    private static let ed25519 = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
        -----END PUBLIC KEY-----

        """
    private static let p256 = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESi9IwCDefdMWIvlF+WatWsnMq4iH
        Z4UxUmCu1h+lF7OjPzXTWCuVasPkCqlL0zQqTkd/m6syXaFgN0U6Cdppsg==
        -----END PUBLIC KEY-----
        """
    private static let p384 = """
        -----BEGIN PUBLIC KEY-----
        MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE7pU/6NP/2WitzDMUXVqbxE9q9u2+Kw9j
        M/8V3xJb7lxtT31JaUQe20lIZ0ZNYy5tS62Obk1U0KW1JRu2cqdVbJNpwJgZ9Aur
        LmOXZQW6LEnXGcnnPbOUxssgda/0kHko
        -----END PUBLIC KEY-----
        """
    private static let rsa = """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0Tz5mKdubYPwYGsXRAN7
        txocYGyKgaoJgZBUiRXerPWki5fhByI9u2UFN6ORK+XwYh5TtdPmd7Ek2PWrW3ud
        h+wJLXRYNBmQOXeTNTEY2Ey31iLcotaaGkE7XS2VgpNDCehIJqItwU5XAnws4vuS
        ixeqlfwxcL+Zdw17oJPNQI/HHGBaAeqpWpJNuAmaC0Ynd0GiZ5o4FCyRnwbZZgWk
        i/rXJjMblCng6oFdTbIM7o2oXaHi5lC2QwVK1KeZcx8TQKji3H2v2vzZTJLaf3Mx
        bMQEj6Io1WFTcBQOVPDZSvtbtEyMXVoimzHvbI+4m/QwoeFZot0pY9SJihSRhAeU
        qwIDAQAB
        -----END PUBLIC KEY-----
        """

    // Keys and numbers were written by openssl(1).
    @Test(
        arguments: [
            (ed25519, ["kty OKP", "crv Ed25519", "x Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"]),
            (
                p256,
                [
                    "kty EC", "crv P-256", "x Si9IwCDefdMWIvlF-WatWsnMq4iHZ4UxUmCu1h-lF7M",
                    "y oz8101grlWrD5AqpS9M0Kk5Hf5urMl2hYDdFOgnaabI",
                ]
            ),
            (
                rsa,
                [
                    "kty RSA",
                    "n 0Tz5mKdubYPwYGsXRAN7txocYGyKgaoJgZBUiRXerPWki5fhByI9u2UFN6ORK-XwYh5TtdPmd7Ek2PWrW3udh-wJLXRYNBmQ"
                        + "OXeTNTEY2Ey31iLcotaaGkE7XS2VgpNDCehIJqItwU5XAnws4vuSixeqlfwxcL-Zdw17oJPNQI_HHGBaAeqpWpJNuAma"
                        + "C0Ynd0GiZ5o4FCyRnwbZZgWki_rXJjMblCng6oFdTbIM7o2oXaHi5lC2QwVK1KeZcx8TQKji3H2v2vzZTJLaf3MxbMQE"
                        + "j6Io1WFTcBQOVPDZSvtbtEyMXVoimzHvbI-4m_QwoeFZot0pY9SJihSRhAeUqw",
                    "e AQAB",
                ]
            ),
        ])
    func `a public key has the members of its JSON Web Key`(pem: String, members: [String]) throws {
        #expect(try #require(PublicKey(pem: pem)).jwk.map { "\($0.0) \($0.1)" } == members)
    }

    @Test(arguments: [
        "", p384, "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMIQAAAAA\n-----END PUBLIC KEY-----",
        p256.replacing("PUBLIC", with: "PRIVATE"),
    ])
    func `a text that is not a supported public key is refused`(pem: String) {
        #expect(PublicKey(pem: pem) == nil)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `a new signing key and its public key have the same JSON Web Key`(algorithm: SignatureAlgorithm) throws {
        let key = try #require(SigningKey(generating: algorithm))
        let publicKey = try #require(PublicKey(pem: key.publicKeyPEM))
        #expect(publicKey.algorithm == algorithm && "\(publicKey.jwk)" == "\(key.jwk)")
    }

    @Test func `a truncated key is refused`() {
        let lines = Self.rsa.split(separator: "\n").map(String.init)
        for count in 1..<lines.count - 2 {
            #expect(PublicKey(pem: (lines.prefix(count + 1) + lines.suffix(1)).joined(separator: "\n")) == nil)
        }
    }
}
