internal import CCrypto
internal import Encodings

/// The public half of a signing key.
package struct PublicKey: Sendable {
    package let algorithm: SignatureAlgorithm
    /// The members of the key's JSON Web Key, without its name (`kid`).
    package let jwk: [(String, String)]

    /// - Parameter pem: SubjectPublicKeyInfo (RFC 7468, section 13).
    /// - Returns: `nil` also for a key of another algorithm or curve, for RSA below 2048 bits, and if bytes are left
    ///   over.
    package init?(pem: String) {
        let lines = pem.split(whereSeparator: \.isNewline)
        guard lines.first == "-----BEGIN PUBLIC KEY-----", lines.last == "-----END PUBLIC KEY-----", lines.count > 2,
            let der = Base64.standard.decode(lines.dropFirst().dropLast().joined().utf8)
        else { return nil }
        let handle = unsafe Self.decode(der)
        defer {
            unsafe EVP_PKEY_free(handle)
            ERR_clear_error()
        }
        guard let handle = unsafe handle, let algorithm = unsafe SignatureAlgorithm(of: handle) else { return nil }
        self.algorithm = algorithm
        jwk = unsafe jsonWebKey(of: handle, algorithm)
    }

    private static func decode(_ der: [UInt8]) -> OpaquePointer? {
        unsafe der.withUnsafeBufferPointer { buffer in
            var end = buffer.baseAddress
            let handle = unsafe d2i_PUBKEY_ex(nil, &end, buffer.count, Library.context, nil)
            guard unsafe end == buffer.baseAddress?.advanced(by: buffer.count) else {
                unsafe EVP_PKEY_free(handle)
                return nil
            }
            return unsafe handle
        }
    }
}

extension SignatureAlgorithm {
    /// The algorithm of a key; `nil` for one that this program does not sign with.
    init?(of handle: OpaquePointer) {
        if unsafe EVP_PKEY_is_a(handle, "ED25519") == 1 {
            self = .ed25519
        } else if unsafe EVP_PKEY_is_a(handle, "RSA") == 1 {
            guard unsafe EVP_PKEY_get_bits(handle) >= 2048 else { return nil }
            self = .rsaSHA256
        } else {
            guard unsafe EVP_PKEY_is_a(handle, "EC") == 1 else { return nil }
            var name = [CChar](repeating: 0, count: 32)
            var count = 0
            // libcrypto's name for P-256.
            guard unsafe EVP_PKEY_get_group_name(handle, &name, name.count, &count) == 1,
                name.prefix(count).elementsEqual("prime256v1".utf8.map { CChar($0) })
            else { return nil }
            self = .ecdsaP256SHA256
        }
    }
}

/// The members of a public key as a JSON Web Key (RFC 7517), without its name (`kid`): `x` of Ed25519 (RFC 8037), `x` and `y`
/// of P-256, `n` and `e` of RSA (RFC 7518, section 6).
func jsonWebKey(of handle: OpaquePointer, _ algorithm: SignatureAlgorithm) -> [(String, String)] {
    func number(_ name: String, byteCount: Int? = nil) -> String {
        Base64.url.encode(unsafe keyNumber(of: handle, name, byteCount: byteCount))
    }
    return switch algorithm {
    case .ed25519:
        [("kty", "OKP"), ("crv", "Ed25519"), ("x", Base64.url.encode(unsafe rawPublicKey(of: handle)))]
    case .ecdsaP256SHA256:
        [
            ("kty", "EC"), ("crv", "P-256"), ("x", number(OSSL_PKEY_PARAM_EC_PUB_X, byteCount: 32)),
            ("y", number(OSSL_PKEY_PARAM_EC_PUB_Y, byteCount: 32)),
        ]
    case .rsaSHA256:
        [("kty", "RSA"), ("n", number(OSSL_PKEY_PARAM_RSA_N)), ("e", number(OSSL_PKEY_PARAM_RSA_E))]
    }
}

/// The 32 public bytes of an Ed25519 key (RFC 8032).
func rawPublicKey(of handle: OpaquePointer) -> [UInt8] {
    var key = [UInt8](repeating: 0, count: 32)
    var count = key.count
    let code = unsafe EVP_PKEY_get_raw_public_key(handle, &key, &count)
    precondition(code == 1 && count == 32, "an Ed25519 key has 32 public bytes")
    return key
}

/// A number of a key in big-endian order, in `byteCount` bytes, or in as few as it needs.
private func keyNumber(of handle: OpaquePointer, _ name: String, byteCount: Int?) -> [UInt8] {
    var number: OpaquePointer?
    let code = unsafe EVP_PKEY_get_bn_param(handle, name, &number)
    precondition(code == 1, "a key of its kind has the number \(name)")
    defer { unsafe BN_free(number) }
    let byteCount = byteCount ?? Int(unsafe BN_num_bits(number) + 7) / 8
    var bytes = [UInt8](repeating: 0, count: byteCount)
    let written = unsafe BN_bn2binpad(number, &bytes, CInt(byteCount))
    precondition(Int(written) == byteCount, "a coordinate is not longer than its field")
    return bytes
}
