internal import CCrypto
internal import Encodings

/// A public key that verifies signatures of Ed25519 (RFC 8032).
package struct Ed25519PublicKey: Hashable, Sendable {
    /// 32 bytes.
    package let bytes: [UInt8]

    /// - Returns: `nil` unless there are 32 bytes. Whether they are a point of the curve is not checked; if not, no
    ///   signature is valid.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// - Parameter pem: SubjectPublicKeyInfo (RFC 7468, section 13).
    package init?(pem: String) {
        guard let key = PublicKey(pem: pem), key.algorithm == .ed25519,
            let text = key.jwk.first(where: { $0.0 == "x" })?.1, let bytes = Base64.url.decode(text.utf8)
        else { return nil }
        self.init(bytes: bytes)
    }

    package func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        let handle = unsafe EVP_PKEY_new_raw_public_key_ex(Library.context, "ED25519", nil, bytes, bytes.count)
        let context = unsafe EVP_MD_CTX_new()
        defer {
            unsafe EVP_MD_CTX_free(context)
            unsafe EVP_PKEY_free(handle)
            ERR_clear_error()
        }
        guard unsafe handle != nil,
            unsafe EVP_DigestVerifyInit_ex(context, nil, nil, Library.context, nil, handle, nil) == 1
        else { return false }
        return unsafe EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}
