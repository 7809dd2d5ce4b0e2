internal import CCrypto

/// What of libcrypto every algorithm here comes from. It is never freed.
enum Library {
    /// A library context of our own: what a sender signs with is not for the machine's openssl.cnf to allow, and every
    /// algorithm used here is in the default provider (OSSL_PROVIDER-default(7)).
    ///
    /// libcrypto is told not to free itself in exit(3), where other threads may still use it.
    // Any thread may use an OSSL_LIB_CTX (openssl-threads(7)).
    nonisolated(unsafe) static let context: OpaquePointer? = {
        OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG), nil)
        return unsafe OSSL_LIB_CTX_new()
    }()
}
