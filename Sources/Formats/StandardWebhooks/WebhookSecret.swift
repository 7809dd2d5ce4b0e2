internal import Encodings
internal import Values

/// The secret that the sender and the receiver of a webhook share, and that makes `v1` tokens: 24 to 64 bytes, shown as
/// `whsec_` and their base64 (Standard Webhooks 1.0.0, "Signature scheme").
package struct WebhookSecret: Sendable, CustomStringConvertible {
    package static let prefix = "whsec_"

    package let bytes: [UInt8]

    /// - Returns: `nil` unless there are 24 to 64 bytes.
    package init?(bytes: [UInt8]) {
        guard (24...64).contains(bytes.count) else { return nil }
        self.bytes = bytes
    }

    /// Makes a new secret of 32 bytes, the length of its HMAC.
    package init(random: inout some RandomNumberGenerator) {
        bytes = [UInt8](randomCount: 32, using: &random)
    }

    /// Reads what `text` shows; padding may be left out. A text without the prefix is refused, as a key of another kind
    /// could be taken for a secret.
    package init?(_ text: String) {
        guard let bytes = keyBytes(text, after: Self.prefix) else { return nil }
        self.init(bytes: bytes)
    }

    package var text: String { Self.prefix + Base64.standard.encode(bytes) }

    /// Not the secret, which must not reach a log.
    package var description: String { Self.prefix + "…" }
}

/// The bytes of the base64 after a prefix, with padding or without.
func keyBytes(_ text: String, after prefix: String) -> [UInt8]? {
    guard text.hasPrefix(prefix) else { return nil }
    var digits = Array(text.utf8.dropFirst(prefix.utf8.count))
    if !digits.contains(UInt8(ascii: "=")) {
        while digits.count % 4 != 0 { digits.append(UInt8(ascii: "=")) }
    }
    return Base64.standard.decode(digits)
}
