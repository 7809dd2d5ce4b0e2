internal import Encodings

/// The headers of a part of a multipart body, up to the empty line.
struct PartHeaders {
    private(set) var fields = FieldList()
    /// The name in `Content-Disposition`, as sent.
    private(set) var name: [UInt8]?
    private(set) var filename: [UInt8]?
    /// Whether the file name was given with its charset, and is in UTF-8 now.
    private(set) var isFilenameUTF8 = false
    private(set) var faults: [String] = []
    /// The index at which the content begins.
    private(set) var end: Int

    init(_ part: ArraySlice<UInt8>, maximumBytes: Int) {
        end = part.startIndex
        var isOver = false
        while !isOver {
            let line = part[end...].prefix { $0 != 0x0a }
            guard line.endIndex < part.endIndex else {
                faults.append("the empty line after the headers is missing")
                // Without an empty line the last line may be content, or a header that was cut off.
                end = part.endIndex
                break
            }
            end = line.endIndex + 1
            let field = line.last == 0x0d ? line.dropLast() : line
            isOver = field.isEmpty
            if end - part.startIndex > maximumBytes {
                faults.append("the headers have more than \(maximumBytes) bytes")
                break
            }
            if !isOver { take(field) }
        }
        readDisposition()
    }

    private mutating func take(_ line: ArraySlice<UInt8>) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), line[..<colon].allSatisfy(\.isTokenByte),
            colon > line.startIndex
        else {
            faults.append("a header is malformed")
            return
        }
        fields.append(name: line[..<colon], value: line[(colon + 1)...].withoutOuterBlanks)
    }

    private mutating func readDisposition() {
        guard let value = fields.firstValue(of: "content-disposition") else {
            faults.append("Content-Disposition is missing")
            return
        }
        for (parameter, value) in DispositionParameters.read(value) {
            switch parameter {
            case "name" where name == nil: name = value
            case "filename" where filename == nil: filename = value
            // RFC 6266: it has precedence. Forms should not have it (RFC 7578, section 4.2).
            case "filename*":
                guard let decoded = DispositionParameters.extended(value) else {
                    faults.append("filename* is malformed")
                    continue
                }
                (filename, isFilenameUTF8) = (decoded, true)
            default: break
            }
        }
        if name == nil { faults.append("Content-Disposition has no name") }
    }
}

/// The parameters of `Content-Disposition`, as browsers and curl write them.
enum DispositionParameters {
    /// The names in lower case, and the values.
    static func read(_ value: ArraySlice<UInt8>) -> [(name: String, value: [UInt8])] {
        var found: [(String, [UInt8])] = []
        var rest = value.drop { $0 != UInt8(ascii: ";") }
        while rest.first == UInt8(ascii: ";"), found.count < 20 {
            rest = rest.dropFirst().drop { $0.isFieldBlank }
            let name = rest.prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: ";") }
            rest = rest[name.endIndex...]
            guard rest.first == UInt8(ascii: "=") else { continue }
            rest = rest.dropFirst().drop { $0.isFieldBlank }
            let value: [UInt8]
            if rest.first == UInt8(ascii: "\"") {
                (value, rest) = quoted(rest.dropFirst())
            } else {
                let token = rest.prefix { $0 != UInt8(ascii: ";") }
                value = Array(token.withoutOuterBlanks)
                rest = rest[token.endIndex...]
            }
            found.append((String(decoding: name.withoutOuterBlanks, as: UTF8.self).lowercased(), value))
            rest = rest.drop { $0 != UInt8(ascii: ";") }
        }
        return found
    }

    /// A value after its opening quote, and what follows its closing quote.
    ///
    /// A backslash escapes a quote or a backslash only: old browsers send whole paths with plain backslashes. `%22`, `%0D`
    /// and `%0A` are how browsers and curl write a quote, CR and LF (html.spec.whatwg.org, "multipart/form-data encoding
    /// algorithm"); other percent signs are plain.
    private static func quoted(_ text: ArraySlice<UInt8>) -> ([UInt8], ArraySlice<UInt8>) {
        var value: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return (value, rest) }
            if byte == UInt8(ascii: "\\"), let next = rest.first, next == UInt8(ascii: "\"") || next == byte {
                value.append(next)
                rest = rest.dropFirst()
            } else if byte == UInt8(ascii: "%"), let plain = escapes.first(where: { rest.starts(with: $0.0.utf8) })?.1 {
                value.append(plain)
                rest = rest.dropFirst(2)
            } else {
                value.append(byte)
            }
        }
        return (value, rest)
    }

    private static let escapes: [(String, UInt8)] = [
        ("22", 0x22), ("0D", 0x0d), ("0d", 0x0d), ("0A", 0x0a), ("0a", 0x0a),
    ]

    /// The value of `filename*` in UTF-8 (RFC 8187): `UTF-8''na%C3%AFve.txt`; `nil` if it is malformed.
    static func extended(_ value: [UInt8]) -> [UInt8]? {
        let parts = value.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let charset = Charset(label: String(decoding: parts[0], as: UTF8.self)) else {
            return nil
        }
        var bytes: [UInt8] = []
        var rest = parts[2]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimalDigit),
                let low = rest.popFirst().flatMap(hexadecimalDigit)
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return charset.decode(bytes)
    }
}
