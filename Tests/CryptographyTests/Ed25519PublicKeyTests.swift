import Encodings
import Testing

@testable import Cryptography

@Suite struct Ed25519PublicKeyTests {
    /// RFC 8032, section 7.1, test 2.
    private let key = bytes(hexadecimal: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c") ?? []
    private let signature =
        bytes(
            hexadecimal: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00") ?? []

    @Test func `a signature is valid for its message only`() throws {
        let key = try #require(Ed25519PublicKey(bytes: key))
        #expect(key.isValid(signature, for: [0x72]))
        #expect(!key.isValid(signature, for: [0x73]))
        #expect(!key.isValid(Array(signature.dropLast()), for: [0x72]))
        #expect(!key.isValid([], for: [0x72]))
    }

    @Test func `a key has 32 bytes, and one that is not on the curve verifies nothing`() throws {
        #expect(Ed25519PublicKey(bytes: Array(key.dropLast())) == nil)
        let wrong = try #require(Ed25519PublicKey(bytes: [UInt8](repeating: 0xff, count: 32)))
        #expect(!wrong.isValid(signature, for: [0x72]))
    }

    @Test func `a key is read from its PEM text`() throws {
        let pair = try #require(SigningKey(generating: .ed25519))
        let key = try #require(Ed25519PublicKey(pem: pair.publicKeyPEM))
        #expect(key.bytes == pair.publicKeyBytes)
        #expect(key.isValid(try #require(pair.sign([1])), for: [1]))
        #expect(Ed25519PublicKey(pem: "-----BEGIN PUBLIC KEY-----") == nil)
    }
}
