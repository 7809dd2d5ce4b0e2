/// The headers of each answer at the inspector's addresses.
///
/// Captured requests are shown there, and some of them are hostile: only the page's own files may be loaded, run and called, and
/// nothing may be put into the page as HTML. The URL of an endpoint is its only secret, so no other site gets it as a referrer.
enum NginxPageHeaders {
    private static let policy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]

    private static let all = [
        ("Content-Security-Policy", policy.joined(separator: "; ")),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-cache"),
        ("X-Robots-Tag", "noindex"),
    ]

    /// The directives that add them.
    static var lines: String {
        all.map { "add_header \($0.0) \"\($0.1)\" always;" }.joined(separator: "\n    ")
    }
}
