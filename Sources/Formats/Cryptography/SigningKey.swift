internal import CCrypto
internal import Encodings

/// A signature algorithm.
package enum SignatureAlgorithm: String, CaseIterable, Sendable {
    /// PureEdDSA over edwards25519 (RFC 8032): 64 bytes, the same each time.
    case ed25519
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2): as many bytes as the key has, the same each time.
    case rsaSHA256 = "rsa-sha256"
    /// ECDSA over P-256 with SHA-256 (FIPS 186-5), as a DER sequence of r and s (RFC 3279, section 2.2.3): 70 to 72
    /// bytes as a rule, different each time.
    case ecdsaP256SHA256 = "ecdsa-p256-sha256"
}

/// A private signing key and its public half.
///
/// Keep a key while it is used: reading one takes as long as ten signatures with Ed25519.
// @unchecked: an object may be used from any thread as long as it is not modified (openssl-threads(7)), and a key is not
// modified after it is made. Each signature has its own context; libcrypto locks what RSA caches in a key.
@safe package final class SigningKey: @unchecked Sendable, CustomStringConvertible {
    package let algorithm: SignatureAlgorithm
    private let handle: OpaquePointer

    /// Takes ownership of the handle. It is freed also if it is not a key that this program signs with.
    private init?(_ handle: OpaquePointer?) {
        defer { ERR_clear_error() }
        guard let handle = unsafe handle else { return nil }
        guard let algorithm = unsafe SignatureAlgorithm(of: handle) else {
            unsafe EVP_PKEY_free(handle)
            return nil
        }
        self.algorithm = algorithm
        unsafe self.handle = handle
    }

    deinit { unsafe EVP_PKEY_free(handle) }

    /// Makes a new key from libcrypto's random numbers. An RSA key has 2048 bits, and takes a tenth of a second or
    /// longer.
    /// - Returns: `nil` if the system cannot provide random numbers.
    package convenience init?(generating algorithm: SignatureAlgorithm) {
        unsafe self.init(Self.generate(algorithm))
    }

    /// - Parameter der: PKCS#8 in DER (RFC 5208), as `privateKey` returns it, from a trusted source: its numbers are not
    ///   checked.
    /// - Returns: `nil` also for a key of another algorithm or curve, for RSA below 2048 bits, and if bytes are left
    ///   over.
    package convenience init?(privateKey der: [UInt8]) {
        unsafe self.init(Self.decode(der))
    }

    /// The Ed25519 key of a seed of 32 bytes, which RFC 8032 calls the private key (section 5.1.5).
    package convenience init?(ed25519Seed seed: [UInt8]) {
        unsafe self.init(EVP_PKEY_new_raw_private_key_ex(Library.context, "ED25519", nil, seed, seed.count))
    }

    /// Not the key, which must not reach a log.
    package var description: String { "SigningKey(\(algorithm.rawValue))" }

    /// - Returns: `nil` if the key's numbers are invalid and cannot make a signature.
    package func sign(_ message: [UInt8]) -> [UInt8]? {
        let context = unsafe EVP_MD_CTX_new()
        defer { unsafe EVP_MD_CTX_free(context) }
        // Ed25519 does its own digest.
        let digest = algorithm == .ed25519 ? nil : "SHA2-256"
        var signature = [UInt8](repeating: 0, count: Int(unsafe EVP_PKEY_get_size(handle)))
        var count = signature.count
        guard unsafe EVP_DigestSignInit_ex(context, nil, digest, Library.context, nil, handle, nil) == 1,
            unsafe EVP_DigestSign(context, &signature, &count, message, message.count) == 1
        else {
            ERR_clear_error()
            return nil
        }
        return Array(signature.prefix(count))
    }
}

// MARK: Stored and shown forms of a key

extension SigningKey {
    /// PKCS#8 in DER, not encrypted. If several threads write the same elliptic curve key at once, the curve's
    /// parameters may be in the result twice (libcrypto 3.0 sets a flag in the key itself to leave them out); it is
    /// still the same key.
    package var privateKey: [UInt8] {
        let information = unsafe EVP_PKEY2PKCS8(handle)
        defer { unsafe PKCS8_PRIV_KEY_INFO_free(information) }
        return unsafe Self.bytes { end in unsafe i2d_PKCS8_PRIV_KEY_INFO(information, end) }
    }

    /// The 32 bytes from which an Ed25519 key is made; `nil` for the other algorithms.
    package var ed25519Seed: [UInt8]? {
        guard algorithm == .ed25519 else { return nil }
        var seed = [UInt8](repeating: 0, count: 32)
        var count = seed.count
        let code = unsafe EVP_PKEY_get_raw_private_key(handle, &seed, &count)
        precondition(code == 1 && count == 32, "an Ed25519 key has a seed of 32 bytes")
        return seed
    }

    /// The 32 bytes of Ed25519 (RFC 8032); for the other algorithms their SubjectPublicKeyInfo in DER.
    package var publicKeyBytes: [UInt8] {
        algorithm == .ed25519 ? unsafe rawPublicKey(of: handle) : subjectPublicKeyInfo
    }

    /// SubjectPublicKeyInfo (RFC 7468, section 13); each line ends with a line feed.
    package var publicKeyPEM: String {
        var text = "-----BEGIN PUBLIC KEY-----\n"
        var rest = Base64.standard.encode(subjectPublicKeyInfo)[...]
        while !rest.isEmpty {
            text += rest.prefix(64) + "\n"
            rest = rest.dropFirst(64)
        }
        return text + "-----END PUBLIC KEY-----\n"
    }

    /// The members of the public key as a JSON Web Key, without its name (`kid`).
    package var jwk: [(String, String)] { unsafe jsonWebKey(of: handle, algorithm) }

    private var subjectPublicKeyInfo: [UInt8] {
        unsafe Self.bytes { end in unsafe i2d_PUBKEY(handle, end) }
    }

    /// The bytes that one of libcrypto's `i2d` functions writes. The function is called twice: first with a null
    /// pointer, to get the length, then to write, which moves the pointer past the bytes (i2d_X509(3)).
    private static func bytes(
        _ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> CInt
    ) -> [UInt8] {
        let count = Int(write(nil))
        precondition(count > 0, "a key is encoded unless memory is short")
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            var end = buffer.baseAddress
            written = unsafe Int(write(&end))
            precondition(written == count, "a key does not change between two looks")
        }
    }
}

// MARK: Making handles

extension SigningKey {
    private static func generate(_ algorithm: SignatureAlgorithm) -> OpaquePointer? {
        let name =
            switch algorithm {
            case .ed25519: "ED25519"
            case .rsaSHA256: "RSA"
            case .ecdsaP256SHA256: "EC"
            }
        let context = unsafe EVP_PKEY_CTX_new_from_name(Library.context, name, nil)
        defer { unsafe EVP_PKEY_CTX_free(context) }
        guard unsafe EVP_PKEY_keygen_init(context) == 1 else { return nil }
        switch algorithm {
        case .ed25519: break
        case .rsaSHA256: guard unsafe EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048) == 1 else { return nil }
        case .ecdsaP256SHA256: guard unsafe EVP_PKEY_CTX_set_group_name(context, "P-256") == 1 else { return nil }
        }
        var handle: OpaquePointer?
        guard unsafe EVP_PKEY_generate(context, &handle) == 1 else { return nil }
        return unsafe handle
    }

    private static func decode(_ der: [UInt8]) -> OpaquePointer? {
        unsafe der.withUnsafeBufferPointer { buffer in
            var end = buffer.baseAddress
            let information = unsafe d2i_PKCS8_PRIV_KEY_INFO(nil, &end, buffer.count)
            defer { unsafe PKCS8_PRIV_KEY_INFO_free(information) }
            guard unsafe information != nil, unsafe end == buffer.baseAddress?.advanced(by: buffer.count) else {
                return nil
            }
            return unsafe EVP_PKCS82PKEY_ex(information, Library.context, nil)
        }
    }
}
