internal import HTTP
internal import JSON
internal import Values

/// The rules for the names of an answer's headers.
enum AnswerHeaders {
    /// Headers that the web server sets, that concern one connection, or by which a response controls the web server; in
    /// lower case.
    private static let reserved: Set<String> = [
        "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer",
        "upgrade", "status", "date", "server", "refresh", "x-content-type-options", "content-security-policy",
    ]
    /// Headers by which an answer would change what browsers do with the whole host of this service: passwords and
    /// cookies are asked and kept for a host, not for an endpoint.
    private static let hostWide: Set<String> = [
        "set-cookie", "set-cookie2", "clear-site-data", "strict-transport-security", "service-worker-allowed",
        "alt-svc", "www-authenticate", "proxy-authenticate", "public-key-pins", "public-key-pins-report-only",
        "expect-ct", "nel", "report-to", "reporting-endpoints", "set-login", "secure-session-registration",
    ]

    /// Why a name cannot be used, as the rest of a sentence.
    static func fault(_ name: String) -> String? {
        guard (1...RuleLimits.headerNameBytes).contains(name.utf8.count), name.utf8.allSatisfy(\.isTokenByte) else {
            return "must be a header name of at most \(RuleLimits.headerNameBytes) characters: letters, digits and "
                + "!#$%&'*+-.^_`|~"
        }
        let folded = String(name.lowercased().map { $0 == "_" ? "-" : $0 })
        if reserved.contains(folded) || folded.hasPrefix("x-accel-") {
            return "this header is reserved for the service"
        }
        return hostWide.contains(folded) ? "this header would apply to the whole host of the service" : nil
    }
}
