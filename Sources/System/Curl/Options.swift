internal import CCurl

/// The options that all requests of a `Multi` have in common.
@safe final class Options {
    let idleSeconds: Int
    let dnsSeconds: Int
    let authorities: String?
    /// Shares TLS sessions, up to 8 (share.c), so that a new connection can resume one without exchanging certificates.
    let share: OpaquePointer

    init(idleSeconds: Int, dnsSeconds: Int, authorities: String?) throws(CurlError) {
        self.idleSeconds = idleSeconds
        self.dnsSeconds = dnsSeconds
        self.authorities = authorities
        guard let share = unsafe curl_share_init() else {
            throw CurlError(function: "curl_share_init", code: 0, reason: "no memory")
        }
        unsafe self.share = share
        unsafe try check(postroom_curl_share(share, CURL_LOCK_DATA_SSL_SESSION), "curl_share_setopt")
    }

    deinit { unsafe curl_share_cleanup(share) }
}
