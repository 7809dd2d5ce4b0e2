internal import CCrypto

/// Whether the bytes are the same. The time that this takes depends only on their number (CRYPTO_memcmp(3)).
package func isEqualInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    return unsafe CRYPTO_memcmp(left, right, left.count) == 0
}
