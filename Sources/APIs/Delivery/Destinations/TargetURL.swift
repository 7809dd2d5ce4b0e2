package import Values

/// A URL that can be called, parsed strictly by RFC 3986, so that two programs never see different hosts in it. Foundation's
/// `URL` is not used because it repairs invalid URLs.
package struct TargetURL: Hashable, Sendable {
    package enum Scheme: String, Sendable {
        case http, https

        fileprivate var prefix: String.UTF8View { "\(rawValue)://".utf8 }
        fileprivate var port: Int { self == .http ? 80 : 443 }
    }

    /// The error in a text, as one sentence that says where it is.
    package struct Problem: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// The URL as it was given.
    package let text: String
    package let scheme: Scheme
    /// In lower case; an IPv6 address without its brackets and zone.
    package let host: String
    package let port: Int
    /// The address to call, if the host is an address.
    package let address: IPAddress?

    package static var maximumBytes: Int { 16 << 10 }

    package init(_ text: String, httpsOnly: Bool = false) throws(Problem) {
        let bytes = Array(text.utf8)
        try Self.checkCharacters(text, bytes)

        let schemes = httpsOnly ? [Scheme.https] : [.http, .https]
        guard let scheme = schemes.first(where: { bytes.map(lowercase).starts(with: $0.prefix) }) else {
            throw Problem("the URL must begin with \(schemes.map(\.rawValue).joined(separator: ":// or "))://")
        }
        let rest = bytes[scheme.prefix.count...]

        let authority = rest.prefix { !"/?#".utf8.contains($0) }
        if let at = authority.firstIndex(of: UInt8(ascii: "@")) {
            throw Problem("the URL must not have a user name or password, but has an @", at: at)
        }
        if let hash = rest.firstIndex(of: UInt8(ascii: "#")) {
            throw Problem("the URL must not have a fragment, but has a #", at: hash)
        }
        let end: Int
        (host, address, end) = try Self.host(authority)
        port = try Self.port(authority[end...]) ?? scheme.port
        self.scheme = scheme
        self.text = text
    }

    private static func checkCharacters(_ text: String, _ bytes: [UInt8]) throws(Problem) {
        guard !bytes.isEmpty else { throw Problem("the URL is empty") }
        guard bytes.count <= maximumBytes else {
            throw Problem("the URL has \(bytes.count) bytes; at most \(maximumBytes) are allowed")
        }
        guard let index = bytes.firstIndex(where: { $0 <= 0x20 || $0 >= 0x7f }) else { return }
        switch bytes[index] {
        case 0x20: throw Problem("the URL has a blank", at: index)
        case 0x80...:
            throw Problem(
                "the URL has a character that is not ASCII (write it as %XX, in the host name as xn--…)", at: index)
        default: throw Problem("the URL has a control character", at: index)
        }
    }

    // MARK: - The host

    /// - Returns: the host, its address if it is one, and the index after it.
    private static func host(_ authority: ArraySlice<UInt8>) throws(Problem) -> (String, IPAddress?, Int) {
        if authority.first == UInt8(ascii: "[") { return try bracketed(authority) }
        let host = authority.prefix { $0 != UInt8(ascii: ":") }
        let text = String(decoding: host.map(lowercase), as: UTF8.self)
        guard !host.isEmpty else { throw Problem("the URL has no host", at: host.startIndex) }
        if let index = host.firstIndex(where: { !isNameByte($0) }) {
            let character = String(decoding: [host[index]], as: UTF8.self)
            throw Problem("the host name has an invalid character, \(character),", at: index)
        }
        // A complete name may end with a dot.
        let name = host.last == UInt8(ascii: ".") ? host.dropLast() : host
        let labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        // RFC 1035, section 2.3.4.
        guard name.count <= 253 else {
            throw Problem("the host name has \(name.count) characters, more than the 253 allowed,", at: host.startIndex)
        }
        for label in labels {
            guard !label.isEmpty else { throw Problem("the host name has an empty label", at: label.startIndex) }
            guard label.count <= 63 else {
                throw Problem(
                    "the host name has a label of \(label.count) characters, more than the 63 allowed,",
                    at: label.startIndex)
            }
        }
        // If we read the host as an address, a resolver must do so too (url.spec.whatwg.org, "ends in a number").
        guard let last = labels.last, isNumber(last) else { return (text, nil, host.endIndex) }
        guard let address = IPAddress.ipv4(inAnyNotation: text) else {
            throw Problem("the host name ends in a number but is not an IPv4 address", at: host.startIndex)
        }
        return (text, address, host.endIndex)
    }

    private static func bracketed(_ authority: ArraySlice<UInt8>) throws(Problem) -> (String, IPAddress?, Int) {
        guard let close = authority.firstIndex(of: UInt8(ascii: "]")) else {
            throw Problem("the host has a [ without a ]", at: authority.startIndex)
        }
        let inside = authority[(authority.startIndex + 1)..<close]
        let digits = inside.prefix { $0 != UInt8(ascii: "%") }
        // RFC 6874, section 2; with the bare % too, as the C library writes it.
        var zone = inside[digits.endIndex...]
        if zone.starts(with: "%25".utf8) { zone = zone.dropFirst(2) }
        let text = String(decoding: digits.map(lowercase), as: UTF8.self)
        guard text.contains(":"), let address = IPAddress(text),
            zone.isEmpty || zone.count > 1 && zone.dropFirst().allSatisfy(isNameByte)
        else { throw Problem("the host in brackets is not an IPv6 address", at: authority.startIndex) }
        return (text, address, close + 1)
    }

    /// The bytes of names in use: letters, digits, hyphen (RFC 1123, section 2.1), and the underscore of internal names.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "-._".utf8.contains(byte)
        }
    }

    /// Whether the label is decimal digits, or `0x` and any number of hexadecimal digits, even zero.
    private static func isNumber(_ label: ArraySlice<UInt8>) -> Bool {
        if label.allSatisfy(isDigit) { return true }
        return label.prefix(2).map(lowercase).elementsEqual("0x".utf8)
            && label.dropFirst(2).allSatisfy { isDigit($0) || (0x61...0x66).contains(lowercase($0)) }
    }

    // MARK: - The port

    private static func port(_ rest: ArraySlice<UInt8>) throws(Problem) -> Int? {
        guard let colon = rest.first else { return nil }
        guard colon == UInt8(ascii: ":") else {
            throw Problem("the URL has an unexpected character after the ]", at: rest.startIndex)
        }
        let digits = rest.dropFirst()
        guard !digits.isEmpty else { throw Problem("the URL has no port after the colon", at: rest.startIndex) }
        if let index = digits.firstIndex(where: { !isDigit($0) }) {
            throw Problem("the port is not a number", at: index)
        }
        let value = digits.reduce(0) { min(100_000, 10 * $0 + Int($1 - UInt8(ascii: "0"))) }
        guard (1...65535).contains(value) else {
            throw Problem("the port is not between 1 and 65535", at: digits.startIndex)
        }
        return value
    }
}

extension TargetURL.Problem {
    fileprivate init(_ what: String) { description = what }

    /// - Parameter index: counted from 0; the message counts from 1.
    fileprivate init(_ what: String, at index: Int) { description = "\(what) at character \(index + 1)" }
}

private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

/// ASCII.
private func lowercase(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
