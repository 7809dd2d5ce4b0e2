internal import Values

/// A key that encrypts stored secrets.
///
/// A sealed value reveals only the length of its content. It can be opened only if it is unchanged, and only for the
/// context it was sealed for. Nonces are random, so that no counter has to survive a crash; that is safe for 2³² seals
/// under one key (NIST SP 800-38D, section 8.3).
package struct SealingKey: Sendable, CustomStringConvertible {
    package static let byteCount = AES256GCM.keyByteCount
    /// How much longer a sealed value is than the plain one.
    package static let overheadBytes = 1 + AES256GCM.nonceByteCount + AES256GCM.tagByteCount

    /// Stands for AES-256-GCM and the layout that `seal` writes.
    private static let version: UInt8 = 1

    private let bytes: [UInt8]

    /// - Returns: `nil` unless there are exactly 32 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// A derived secret of 32 bytes, from which this key cannot be computed.
    /// - Parameter purpose: what the secret is for; each purpose has a different secret.
    package func derived(for purpose: [UInt8]) -> [UInt8] {
        DigestAlgorithm.sha256.authenticationCode(of: purpose, key: bytes)
    }

    /// Not the key, which must not reach a log.
    package var description: String { "SealingKey" }

    /// Encrypts a value. The result is a version byte, the nonce, the ciphertext and the tag.
    /// - Parameter context: identifies where the value is stored, such as its record and field. It is authenticated and
    ///   not stored in the result: copied to another record or field, a sealed value cannot be opened.
    package func seal(
        _ plain: [UInt8], for context: [UInt8], random: inout some RandomNumberGenerator
    ) -> [UInt8] {
        let nonce = [UInt8](randomCount: AES256GCM.nonceByteCount, using: &random)
        let cipher = AES256GCM.encrypt(plain, key: bytes, nonce: nonce, authenticating: [Self.version] + context)
        return [Self.version] + nonce + cipher
    }

    /// - Returns: `nil` if the value was not sealed under this key and for this context, or was changed.
    package func open(_ sealed: [UInt8], for context: [UInt8]) -> [UInt8]? {
        guard sealed.count >= Self.overheadBytes, sealed[0] == Self.version else { return nil }
        let nonce = Array(sealed[1...AES256GCM.nonceByteCount])
        return AES256GCM.decrypt(
            Array(sealed[(1 + AES256GCM.nonceByteCount)...]), key: bytes, nonce: nonce,
            authenticating: [Self.version] + context)
    }
}
