internal import Encodings
internal import HTTP
internal import HTTPTypes

extension EventSettings {
    /// The user who sent a request.
    func user(of request: Request) throws(EventError) -> String {
        let user: String
        switch userSource {
        case .none: return defaultUser
        case .header:
            guard let value = request.fields.joinedValue(of: userHeader) else { return defaultUser }
            user = try Self.text(value[...].withoutOuterBlanks)
        case .basic: user = try Self.found(request.user)
        case .certificate: user = try Self.found(request.user.flatMap(Self.unescaped))
        }
        try Self.check(user: user)
        return user
    }

    private static let maximumUserBytes = 255

    /// Refuses names that cannot be sent to the policy service: as a path segment, "." and ".." lead elsewhere even when
    /// escaped (RFC 3986, section 5.2.4).
    package static func check(user: String) throws(EventError) {
        guard user != ".", user != "..", user.utf8.count <= maximumUserBytes else {
            throw EventError(
                .badRequest,
                "The user name must have at most \(maximumUserBytes) bytes, and must not be \".\" or \"..\".")
        }
    }

    private static func found(_ name: String?) throws(EventError) -> String {
        guard let name, !name.isEmpty else { throw EventError(.forbidden, "The request has no authenticated user.") }
        return name
    }

    /// The unescaped value of an attribute in a distinguished name (RFC 4514, section 2.4); `nil` if it is not text.
    static func unescaped(_ value: String) -> String? {
        var rest = Array(value.utf8)[...]
        // `#` begins BER octets in hexadecimal instead of the value.
        guard rest.first != UInt8(ascii: "#") else { return nil }
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            guard let first = rest.popFirst() else { return nil }
            if let high = hexadecimalDigit(first) {
                guard let low = rest.popFirst().flatMap(hexadecimalDigit) else { return nil }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(first)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws(EventError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw EventError(.badRequest, "The user name is not UTF-8.")
        }
        return text
    }
}
