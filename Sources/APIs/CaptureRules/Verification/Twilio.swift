internal import Cryptography
internal import Encodings
internal import HTTP

/// What Twilio signs after the URL: the fields of a form, sorted by name, each name followed by its value. If a name is
/// repeated, its different values follow one another, sorted (twilio-python, `RequestValidator`).
enum TwilioFields {
    static func signed(_ request: ReceivedRequest) -> [UInt8] {
        guard isForm(request), request.bodyByteCount <= ReceivedRequest.formBytes else { return [] }
        let fields = URLEncodedForm(request.body).fields
        let sorted = fields.sorted { left, right in
            left.name == right.name
                ? left.value.lexicographicallyPrecedes(right.value) : left.name.lexicographicallyPrecedes(right.name)
        }
        var signed: [UInt8] = []
        for (index, field) in sorted.enumerated() where index == 0 || sorted[index - 1] != field {
            signed += field.name + field.value
        }
        return signed
    }

    private static func isForm(_ request: ReceivedRequest) -> Bool {
        request.fields.mediaType?.name == "application/x-www-form-urlencoded"
    }

    /// Whether the body has the hash that the URL says as `bodySHA256`; true if it says none, and for a form, whose fields
    /// are signed themselves.
    static func hasRightHash(_ request: ReceivedRequest) -> Bool {
        let hashes = request.queryValues(of: "bodySHA256")
        guard !isForm(request), let hash = hashes.first(where: { !$0.isEmpty }) ?? hashes.first else { return true }
        // An empty hash is none, but a body that is not a form needs one.
        guard !hash.isEmpty else { return request.bodyByteCount == 0 }
        return hash.elementsEqual(hexadecimal(DigestAlgorithm.sha256.digest(of: request.body)).utf8)
    }
}

/// Other URLs that the sender may have called or signed.
struct URLVariations {
    private let scheme: String
    private let host: String
    private let port: String
    /// Path and query.
    private let rest: String

    /// - Returns: `nil` for a text that is not an absolute URL of http or https.
    init?(_ url: [UInt8]) {
        guard let text = String(validating: url, as: UTF8.self),
            let scheme = ["http", "https"].first(where: { text.hasPrefix("\($0)://") })
        else { return nil }
        let after = text.dropFirst(scheme.count + 3)
        let authority = after.prefix { $0 != "/" && $0 != "?" }
        rest = String(after[authority.endIndex...])
        self.scheme = scheme
        // The colons of an IPv6 address are inside brackets.
        let bracket = authority.lastIndex(of: "]") ?? authority.startIndex
        let colon = authority[bracket...].firstIndex(of: ":") ?? authority.endIndex
        host = String(authority[..<colon])
        port = String(authority[colon...])
    }

    /// The URL without a port, and with its port or the usual one. Twilio signs either.
    var withAndWithoutPort: [[UInt8]] {
        [("\(scheme)://\(host)\(rest)"), ("\(scheme)://\(host)\(port.isEmpty ? usualPort(scheme) : port)\(rest)")]
            .map { Array($0.utf8) }
    }

    private func usualPort(_ scheme: String) -> String { scheme == "https" ? ":443" : ":80" }

    /// - Parameter origins: schemes and hosts that may have been meant, such as `https://example.org`.
    func all(origins: [String]) -> [Variation<[UInt8]>] {
        let other = scheme == "https" ? "http" : "https"
        var found: [(String, String)] = [
            ("\(other)://\(host)\(rest)", "the sender signed the URL with \(other)://"),
            ("\(other)://\(host)\(port)\(rest)", "the sender signed the URL with \(other)://"),
        ]
        for origin in origins {
            let origin = origin.hasSuffix("/") ? String(origin.dropLast()) : origin
            found.append(("\(origin)\(rest)", "the sender signed a URL that begins with \(origin)"))
        }
        let path = String(rest.prefix { $0 != "?" })
        let query = String(rest.dropFirst(path.count))
        found.append(("\(scheme)://\(host)\(port)\(path)", "the sender signed the URL without its query"))
        let slashed = path.hasSuffix("/") ? String(path.dropLast()) : path + "/"
        found.append(("\(scheme)://\(host)\(port)\(slashed)\(query)", "the slash at the end of the path differs"))
        return found.map { Variation(value: Array($0.0.utf8), cause: .url, reason: $0.1) }
    }
}
