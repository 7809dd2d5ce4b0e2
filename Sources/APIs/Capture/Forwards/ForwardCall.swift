package import HTTP
internal import Values

/// The request by which a notification is sent on: as it was captured, without what belongs to a hop.
package struct ForwardCall: Equatable, Sendable {
    package let method: String
    package let url: String
    package let fields: FieldList
    package let body: [UInt8]
    /// Whether the length of the body is sent, also if it is 0.
    package let hasBody: Bool

    /// The field that counts how often a request was forwarded, which ends loops.
    package static let hopField = "Postroom-Forward"

    package init(_ notification: Notification, to target: String) {
        method = notification.method
        url = Self.url(target, path: notification.path, query: notification.query)
        body = notification.body
        let captured = notification.fields
        let saysLength =
            captured.firstValue(of: "content-length") != nil || captured.firstValue(of: "transfer-encoding") != nil
        // libcurl sends no body with HEAD, and no length either.
        hasBody = !body.isEmpty || saysLength && method != "HEAD"
        let left = Self.leftOut(captured)
        var fields = FieldList()
        for index in 0..<captured.count where !left.contains(Self.lowercased(captured.name(at: index))) {
            fields.append(name: captured.name(at: index), value: captured.value(at: index))
        }
        fields.append(name: Self.hopField.utf8, value: String((Self.hops(of: captured) ?? ForwardLimits.hops) + 1).utf8)
        self.fields = fields
    }

    /// How often a request was forwarded before, as its fields say; `nil` if one of them is not a number of at most 9 digits.
    /// Several values may have been joined to one.
    package static func hops(of fields: FieldList) -> Int? {
        var most = 0
        for field in fields.values(of: hopField) {
            for value in field.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                let digits = value.withoutOuterBlanks
                guard digits.count <= 9, digits.allSatisfy({ (0x30...0x39).contains($0) }),
                    let number = Int(String(decoding: digits, as: UTF8.self))
                else { return nil }
                most = max(most, number)
            }
        }
        return most
    }

    /// The fields of a connection (RFC 9110, section 7.6.1), those that are made anew for each request, and the count of hops.
    private static let hopFields: Set<String> = [
        "connection", "expect", "http2-settings", "keep-alive", "proxy-authorization", "proxy-connection", "te",
        "trailer",
        "transfer-encoding", "upgrade", "host", "content-length", hopField.lowercased(),
    ]

    private static func leftOut(_ fields: FieldList) -> Set<String> {
        var names = hopFields
        for value in fields.values(of: "connection") {
            for name in value.split(separator: UInt8(ascii: ",")) { names.insert(lowercased(name.withoutOuterBlanks)) }
        }
        return names
    }

    private static func lowercased(_ name: ArraySlice<UInt8>) -> String {
        String(decoding: name, as: UTF8.self).lowercased()
    }

    /// The path is appended to that of the target, and the query to its query.
    static func url(_ target: String, path: [UInt8], query: [UInt8]?) -> String {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var url = String(parts[0])
        let authority = url.firstRange(of: "://")?.upperBound ?? url.startIndex
        let hasPath = url[authority...].contains("/")
        if !path.isEmpty {
            if hasPath, url.hasSuffix("/") { url.removeLast() }
            url += escaped(path)
        } else if !hasPath {
            url += "/"
        }
        let queries = [parts.count > 1 ? String(parts[1]) : nil, query.map(escaped)].compactMap { $0 }
        guard !queries.isEmpty else { return url }
        return url + "?" + queries.filter { !$0.isEmpty }.joined(separator: "&")
    }

    /// With escapes for the bytes that a URL cannot have.
    private static func escaped(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            guard byte <= 0x20 || byte >= 0x7f || byte == UInt8(ascii: "#") else {
                text.append(byte)
                continue
            }
            text.append(UInt8(ascii: "%"))
            for digit in [byte >> 4, byte & 15] { text.append(digit + (digit < 10 ? 48 : 55)) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
