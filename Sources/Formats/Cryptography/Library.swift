internal import CCrypto

/// The library context of libcrypto that all algorithms here use. It is never freed.
enum Library {
    /// A separate library context: the machine's openssl.cnf must not restrict what a sender signs with, and every
    /// algorithm used here is in the default provider (OSSL_PROVIDER-default(7)).
    ///
    /// OPENSSL_INIT_NO_ATEXIT keeps libcrypto from freeing itself in exit(3), when other threads may still use it.
    // Any thread may use an OSSL_LIB_CTX (openssl-threads(7)).
    nonisolated(unsafe) static let context: OpaquePointer? = {
        OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG), nil)
        return unsafe OSSL_LIB_CTX_new()
    }()
}
