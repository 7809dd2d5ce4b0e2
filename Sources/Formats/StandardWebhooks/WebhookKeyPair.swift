package import Cryptography
internal import Encodings

/// An Ed25519 key that makes `v1a` tokens (Standard Webhooks 1.0.0, "Signature scheme"). Only the sender has it;
/// receivers have its public half.
package struct WebhookKeyPair: Sendable, CustomStringConvertible {
    package static let publicPrefix = "whpk_"
    package static let secretPrefix = "whsk_"

    let key: SigningKey

    /// - Returns: `nil` for a key of another algorithm.
    package init?(_ key: SigningKey) {
        guard key.algorithm == .ed25519 else { return nil }
        self.key = key
    }

    /// Reads what `secretText` shows, or only its first half, the seed; padding may be left out.
    /// - Returns: `nil` also if the second half is not the public key of the first.
    package init?(_ text: String) {
        guard let bytes = keyBytes(text, after: Self.secretPrefix), bytes.count == 32 || bytes.count == 64,
            let key = SigningKey(ed25519Seed: Array(bytes.prefix(32))),
            bytes.count == 32 || key.publicKeyBytes.elementsEqual(bytes.suffix(32))
        else { return nil }
        self.key = key
    }

    /// The text that receivers get: `whpk_` and the base64 of the public key's 32 bytes.
    package var publicText: String { Self.publicPrefix + Base64.standard.encode(key.publicKeyBytes) }

    /// `whsk_` and the base64 of the seed and the public key, 64 bytes together.
    package var secretText: String {
        guard let seed = key.ed25519Seed else { preconditionFailure("an Ed25519 key has a seed") }
        return Self.secretPrefix + Base64.standard.encode(seed + key.publicKeyBytes)
    }

    /// Only the public half, as the private one must not reach a log.
    package var description: String { publicText }
}
