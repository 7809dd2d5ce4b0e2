/// A media type, as a field Content-Type has it (RFC 9110, section 8.3.1). Any text is accepted, so `name` may not be a
/// valid media type.
package struct MediaType: Equatable, Sendable {
    /// Type and subtype with the slash between them, in lower case and without blanks.
    package let name: String
    /// The text as it was written.
    private let bytes: ArraySlice<UInt8>

    package init(_ text: some StringProtocol) { self.init(bytes: Array(text.utf8)[...]) }

    package init(bytes: ArraySlice<UInt8>) {
        var name: [UInt8] = []
        name.reserveCapacity(bytes.count)
        for byte in bytes {
            if byte == UInt8(ascii: ";") { break }
            if byte.isFieldBlank { continue }
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            name.append(isUpper ? byte | 0x20 : byte)
        }
        self.name = String(decoding: name, as: UTF8.self)
        self.bytes = bytes
    }

    /// Whether the name ends in `/json` or `+json` (RFC 6839, section 3.1).
    package var isJSON: Bool { name.hasSuffix("/json") || name.hasSuffix("+json") }

    package var isText: Bool { name.hasPrefix("text/") }

    package var isForm: Bool { name == "application/x-www-form-urlencoded" || name.hasPrefix("multipart/") }

    /// The first parameter of a name, unquoted; `nil` if there is no such parameter.
    /// - Parameter name: in lower case.
    package func parameter(_ name: String) -> String? {
        guard bytes.contains(UInt8(ascii: ";")) else { return nil }
        for parameter in parts.dropFirst() {
            guard let equals = parameter.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let found = String(decoding: parameter[..<equals].withoutOuterBlanks, as: UTF8.self)
            guard found.lowercased() == name else { continue }
            var value = parameter[(equals + 1)...].withoutOuterBlanks
            if value.count >= 2, value.first == UInt8(ascii: "\""), value.last == UInt8(ascii: "\"") {
                value = value.dropFirst().dropLast()
            }
            return String(decoding: value.filter { $0 != UInt8(ascii: "\\") }, as: UTF8.self)
        }
        return nil
    }

    /// Whether a text has a valid type and subtype. Its parameters are not checked.
    package static func isWellFormed(_ text: String) -> Bool {
        let parts = text.prefix { $0 != ";" }.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                let name = part.utf8.drop { $0 == 0x20 }.reversed().drop { $0 == 0x20 }
                return !name.isEmpty
                    && name.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"()<>@,;:\\\"[]?=".utf8.contains($0) }
            }
    }

    /// The parts between semicolons that are not in quotes; at least one.
    private var parts: [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var start = bytes.startIndex
        var isQuoted = false
        var index = start
        while index < bytes.endIndex {
            switch bytes[index] {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\") where isQuoted: index += 1
            case UInt8(ascii: ";") where !isQuoted:
                parts.append(bytes[start..<index])
                start = index + 1
            default: break
            }
            index += 1
        }
        return parts + [bytes[start...]]
    }
}

extension FieldList {
    /// The media type of the body; `nil` without a field Content-Type.
    package var mediaType: MediaType? { firstValue(of: "content-type").map { MediaType(bytes: $0) } }
}
