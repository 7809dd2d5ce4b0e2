internal import CCrypto

/// AES with a key of 256 bits in Galois/Counter Mode (NIST SP 800-38D), as libcrypto computes it.
enum AES256GCM {
    static let keyByteCount = 32
    static let nonceByteCount = 12
    static let tagByteCount = 16

    /// The ciphertext, as long as the plain text, followed by the tag.
    /// - Parameter nonce: must never be used again with this key.
    static func encrypt(_ plain: [UInt8], key: [UInt8], nonce: [UInt8], authenticating: [UInt8]) -> [UInt8] {
        precondition(key.count == keyByteCount && nonce.count == nonceByteCount)
        let context = unsafe EVP_CIPHER_CTX_new()
        defer { unsafe EVP_CIPHER_CTX_free(context) }
        var cipher = [UInt8](repeating: 0, count: plain.count)
        var tag = [UInt8](repeating: 0, count: tagByteCount)
        var count: CInt = 0
        let isDone =
            unsafe EVP_EncryptInit_ex2(context, algorithm, key, nonce, nil) == 1
            && EVP_EncryptUpdate(context, nil, &count, authenticating, CInt(authenticating.count)) == 1
            && EVP_EncryptUpdate(context, &cipher, &count, plain, CInt(plain.count)) == 1
            && EVP_EncryptFinal_ex(context, nil, &count) == 1
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CInt(tagByteCount), &tag) == 1
        precondition(isDone, "encrypting fails only where memory is short")
        return cipher + tag
    }

    /// - Returns: `nil` if the tag does not match: the bytes, the key or the nonce are not those of `encrypt`.
    static func decrypt(_ sealed: [UInt8], key: [UInt8], nonce: [UInt8], authenticating: [UInt8]) -> [UInt8]? {
        precondition(key.count == keyByteCount && nonce.count == nonceByteCount)
        guard sealed.count >= tagByteCount else { return nil }
        let cipher = Array(sealed.dropLast(tagByteCount))
        var tag = Array(sealed.suffix(tagByteCount))
        let context = unsafe EVP_CIPHER_CTX_new()
        defer { unsafe EVP_CIPHER_CTX_free(context) }
        var plain = [UInt8](repeating: 0, count: cipher.count)
        var count: CInt = 0
        let isBegun =
            unsafe EVP_DecryptInit_ex2(context, algorithm, key, nonce, nil) == 1
            && EVP_DecryptUpdate(context, nil, &count, authenticating, CInt(authenticating.count)) == 1
            && EVP_DecryptUpdate(context, &plain, &count, cipher, CInt(cipher.count)) == 1
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CInt(tagByteCount), &tag) == 1
        precondition(isBegun, "decrypting fails before the tag is compared only where memory is short")
        return unsafe EVP_DecryptFinal_ex(context, nil, &count) == 1 ? plain : nil
    }

    // Any thread may use an EVP_CIPHER (openssl-threads(7)).
    private nonisolated(unsafe) static let algorithm: OpaquePointer = {
        guard let algorithm = unsafe EVP_CIPHER_fetch(Library.context, "AES-256-GCM", nil) else {
            preconditionFailure("libcrypto was built without AES-256-GCM")
        }
        return unsafe algorithm
    }()
}
