/// Why a text is not JSON, and where.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong, as the end of a sentence: "expected a value".
    package let reason: String
    /// Bytes before the fault.
    package let offset: Int
    /// Counted from 1; columns are bytes.
    package let line: Int
    package let column: Int

    package var description: String { "line \(line), column \(column): \(reason)" }
}

extension JSON {
    /// Arrays and objects may be nested this deep. Deeper ones are refused, as the parser recurses.
    package static var maximumDepth: Int { 1000 }

    /// Reads one value; only blanks may follow it. Strict RFC 8259, UTF-8 without a byte order mark.
    /// - Parameters:
    ///   - maximumValues: how many values there may be in all; each takes some fifty bytes, however short its text.
    ///   - depth: how deep the text will be nested in another text, which must be readable too.
    package init(parsing text: [UInt8], maximumValues: Int = .max, depth: Int = 0) throws(JSONError) {
        var parser = JSONParser(text, maximumValues: maximumValues)
        self = try parser.document(depth: depth)
    }
}

/// A recursive descent parser over bytes.
struct JSONParser {
    private let text: [UInt8]
    private var position = 0
    private let allowsComments: Bool
    private let recordsExtents: Bool
    private let maximumValues: Int
    private var values = 0
    /// The position of each value, in the order in which they begin; empty if positions are not recorded.
    private(set) var extents: [JSONExtent] = []

    init(
        _ text: [UInt8], allowsComments: Bool = false, recordsExtents: Bool = false, maximumValues: Int = .max
    ) {
        self.maximumValues = maximumValues
        self.text = text
        self.allowsComments = allowsComments
        self.recordsExtents = recordsExtents
    }

    mutating func document(depth: Int = 0) throws(JSONError) -> JSON {
        // A file that people edit may begin with a byte order mark.
        if allowsComments, text.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
        try skipBlanks()
        let value = try placedValue(depth: depth)
        try skipBlanks()
        guard position == text.count else { throw failure("unexpected text after the value") }
        return value
    }

    private func failure(_ reason: String, at start: Int? = nil) -> JSONError {
        let offset = start ?? position
        let position = TextPosition(of: offset, in: text)
        return JSONError(reason: reason, offset: offset, line: position.line, column: position.column)
    }

    private var next: UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipBlanks() throws(JSONError) {
        skipPlainBlanks()
        guard allowsComments else { return }
        while try skipComment() { skipPlainBlanks() }
    }

    private mutating func skipPlainBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
    }

    /// Skips a comment, and returns whether there was one. A single slash is not skipped.
    private mutating func skipComment() throws(JSONError) -> Bool {
        guard next == UInt8(ascii: "/"), position + 1 < text.count else { return false }
        let inside = position + 2
        switch text[position + 1] {
        case UInt8(ascii: "/"):
            position = text[inside...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
        case UInt8(ascii: "*"):
            guard let end = (inside..<text.count).first(where: { text[$0...].starts(with: "*/".utf8) }) else {
                throw failure("unterminated comment")
            }
            position = end + 2
        default: return false
        }
        return true
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard next == byte.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSON {
        guard let byte = next else { throw failure("expected a value, but the text ends") }
        values += 1
        guard values <= maximumValues else { throw failure("more than \(maximumValues) values") }
        switch byte {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw failure("expected a value")
        }
    }

    /// Reads a value and records its extent, if extents are recorded.
    ///
    /// - Parameter name: the range of the name before the value, if there is one.
    private mutating func placedValue(depth: Int, name: Range<Int> = 0..<0) throws(JSONError) -> JSON {
        guard recordsExtents else { return try value(depth: depth) }
        let start = position
        let index = extents.count
        extents.append(JSONExtent(range: start..<start, nameRange: name, next: index))
        let value = try value(depth: depth)
        extents[index].range = start..<position
        extents[index].next = extents.count
        return value
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let bytes = Array(String(describing: word).utf8)
        guard text[position...].starts(with: bytes) else { throw failure("expected a value") }
        position += bytes.count
        return value
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSON {
        guard depth < JSON.maximumDepth else { throw failure("nested deeper than \(JSON.maximumDepth) levels") }
        position += 1
        try skipBlanks()
        if take("]") { return .array([]) }
        var values: [JSON] = []
        while true {
            try skipBlanks()
            values.append(try placedValue(depth: depth + 1))
            try skipBlanks()
            if take("]") { return .array(values) }
            guard take(",") else { throw failure("expected \",\" or \"]\"") }
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSON {
        guard depth < JSON.maximumDepth else { throw failure("nested deeper than \(JSON.maximumDepth) levels") }
        position += 1
        try skipBlanks()
        if take("}") { return .object([]) }
        var members: [JSON.Member] = []
        while true {
            try skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw failure("expected a member name in double quotes") }
            let nameStart = position
            let name = try string()
            let nameRange = nameStart..<position
            try skipBlanks()
            guard take(":") else { throw failure("expected \":\"") }
            try skipBlanks()
            members.append(JSON.Member(name, try placedValue(depth: depth + 1, name: nameRange)))
            try skipBlanks()
            if take("}") { return .object(members) }
            guard take(",") else { throw failure("expected \",\" or \"}\"") }
        }
    }

    private mutating func number() throws(JSONError) -> String {
        let start = position
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if !take("+") { _ = take("-") }
            try digits()
        }
        return String(decoding: text[start..<position], as: UTF8.self)
    }

    private mutating func digits() throws(JSONError) {
        let start = position
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        guard position > start else { throw failure("expected a digit") }
    }

    private mutating func string() throws(JSONError) -> String {
        let start = position
        position += 1
        var bytes: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let string = String(validating: bytes, as: UTF8.self) else {
                    throw failure("invalid UTF-8 in a string", at: start)
                }
                return string
            case UInt8(ascii: "\\"):
                position += 1
                bytes += String(try escaped()).utf8
            case 0..<0x20:
                throw failure("unescaped control character in a string")
            default:
                bytes.append(byte)
                position += 1
            }
        }
        throw failure("unterminated string", at: start)
    }

    /// Reads what follows a backslash. Half a surrogate pair is not a character and becomes U+FFFD.
    private mutating func escaped() throws(JSONError) -> Unicode.Scalar {
        guard let byte = next else { throw failure("unterminated string") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw failure("unknown escape in a string", at: position - 2)
        }
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        let resume = position
        guard first < 0xdc00, take("\\"), take("u") else {
            position = resume
            return "\u{fffd}"
        }
        let second = try codeUnit()
        guard (0xdc00..<0xe000).contains(second) else {
            position = resume
            return "\u{fffd}"
        }
        return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)) ?? "\u{fffd}"
    }

    private mutating func codeUnit() throws(JSONError) -> UInt32 {
        guard let unit = escapedCodeUnit(in: text, at: position) else {
            throw failure("expected four hexadecimal digits")
        }
        position += 4
        return UInt32(unit)
    }
}
