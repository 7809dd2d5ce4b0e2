internal import Values

/// A key that secrets are sealed under where they are kept.
///
/// A sealed value says nothing of what is in it but its length, and opens only as it was sealed and only where it belongs.
/// Nonces are random, so that no counter has to survive a crash: that is safe for 2³² seals under one key (NIST
/// SP 800-38D, section 8.3).
package struct SealingKey: Sendable, CustomStringConvertible {
    package static let byteCount = AES256GCM.keyByteCount
    /// How much longer a sealed value is than the plain one.
    package static let overheadBytes = 1 + AES256GCM.nonceByteCount + AES256GCM.tagByteCount

    /// AES-256-GCM, and the layout that `seal` writes.
    private static let version: UInt8 = 1

    private let bytes: [UInt8]

    /// - Returns: `nil` unless there are exactly 32 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Another secret of 32 bytes, that says nothing of this one.
    /// - Parameter purpose: what it is for; another purpose has another secret.
    package func derived(for purpose: [UInt8]) -> [UInt8] {
        DigestAlgorithm.sha256.authenticationCode(of: purpose, key: bytes)
    }

    /// Not the key, which must not reach a log.
    package var description: String { "SealingKey" }

    /// A version byte, the nonce, the ciphertext, the tag.
    /// - Parameter context: what names the place that the value is for, such as its record and field. It is authenticated
    ///   and not stored: copied to another place, a sealed value does not open.
    package func seal(
        _ plain: [UInt8], for context: [UInt8], random: inout some RandomNumberGenerator
    ) -> [UInt8] {
        let nonce = [UInt8](randomCount: AES256GCM.nonceByteCount, using: &random)
        let cipher = AES256GCM.encrypt(plain, key: bytes, nonce: nonce, authenticating: [Self.version] + context)
        return [Self.version] + nonce + cipher
    }

    /// - Returns: `nil` where the value was not sealed under this key, for this context, and so.
    package func open(_ sealed: [UInt8], for context: [UInt8]) -> [UInt8]? {
        guard sealed.count >= Self.overheadBytes, sealed[0] == Self.version else { return nil }
        let nonce = Array(sealed[1...AES256GCM.nonceByteCount])
        return AES256GCM.decrypt(
            Array(sealed[(1 + AES256GCM.nonceByteCount)...]), key: bytes, nonce: nonce,
            authenticating: [Self.version] + context)
    }
}
