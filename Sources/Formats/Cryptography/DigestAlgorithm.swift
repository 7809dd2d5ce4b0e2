internal import CCrypto

/// A digest algorithm: SHA (FIPS 180-4), or BLAKE2 at its full length and without a key (RFC 7693).
package enum DigestAlgorithm: String, CaseIterable, Sendable {
    case sha1, sha224, sha256, sha384, sha512, blake2b, blake2s

    package var byteCount: Int { implementation.byteCount }

    package func digest(of bytes: some Collection<UInt8>) -> [UInt8] {
        let digest = bytes.withContiguousStorageIfAvailable { buffer in unsafe implementation.digest(of: buffer) }
        return digest ?? self.digest(of: Array(bytes))
    }

    /// The message's HMAC (RFC 2104). A key that is longer than a block of the digest is replaced by its own digest.
    package func authenticationCode(of message: [UInt8], key: [UInt8]) -> [UInt8] {
        implementation.authenticationCode(of: message, key: key)
    }

    private var implementation: Implementation {
        switch self {
        case .sha1: .sha1
        case .sha224: .sha224
        case .sha256: .sha256
        case .sha384: .sha384
        case .sha512: .sha512
        case .blake2b: .blake2b
        case .blake2s: .blake2s
        }
    }
}

/// libcrypto's implementation of a digest. It is fetched once, as that takes longer than digesting a short message
/// (crypto(7), "Performance"), and is never freed.
// @unchecked: an EVP_MD and an OSSL_LIB_CTX may be used from any thread (openssl-threads(7)).
@safe private struct Implementation: @unchecked Sendable {
    let name: String
    let byteCount: Int
    private let handle: OpaquePointer

    // The names are libcrypto's (EVP_MD-SHA1(7) and similar pages).
    static let sha1 = Implementation("SHA1")
    static let sha224 = Implementation("SHA2-224")
    static let sha256 = Implementation("SHA2-256")
    static let sha384 = Implementation("SHA2-384")
    static let sha512 = Implementation("SHA2-512")
    static let blake2b = Implementation("BLAKE2B-512")
    static let blake2s = Implementation("BLAKE2S-256")

    private init(_ name: String) {
        guard let handle = unsafe EVP_MD_fetch(Library.context, name, nil) else {
            preconditionFailure("libcrypto was built without \(name)")
        }
        self.name = name
        unsafe self.handle = handle
        byteCount = Int(unsafe EVP_MD_get_size(handle))
    }

    func digest(of bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        let code = unsafe EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, handle, nil)
        precondition(code == 1, "a digest fails only where memory is short")
        return digest
    }

    func authenticationCode(of message: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: byteCount)
        // An empty array is passed as a pointer that is not null, as an empty key must be (EVP_MAC_init(3)).
        let end = unsafe EVP_Q_mac(
            Library.context, "HMAC", nil, name, nil, key, key.count, message, message.count, &code, byteCount, nil)
        precondition(unsafe end != nil, "a code fails only where memory is short")
        return code
    }
}
