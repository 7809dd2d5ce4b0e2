/// Why a text is not JSON, and where.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong, as the end of a sentence: "a value was expected".
    package let reason: String
    /// Bytes before the fault.
    package let offset: Int
    /// Counted from 1; columns are bytes.
    package let line: Int
    package let column: Int

    package var description: String { "line \(line), column \(column): \(reason)" }
}

extension JSON {
    /// Arrays and objects may be nested this deep; deeper ones are refused, as a reader that recurses must.
    package static var maximumDepth: Int { 512 }

    /// Reads one value and nothing after it but blanks. Strict RFC 8259, UTF-8 without a byte order mark.
    package init(parsing text: [UInt8]) throws(JSONError) {
        var parser = JSONParser(text)
        self = try parser.document()
    }
}

/// A reader by recursive descent, over bytes that it never leaves.
struct JSONParser {
    private let text: [UInt8]
    private var position = 0

    init(_ text: [UInt8]) { self.text = text }

    mutating func document() throws(JSONError) -> JSON {
        skipBlanks()
        let value = try value(depth: 0)
        skipBlanks()
        guard position == text.count else { throw failure("something follows the value") }
        return value
    }

    private func failure(_ reason: String, at place: Int? = nil) -> JSONError {
        let offset = place ?? position
        let before = text[..<min(offset, text.count)]
        let line = 1 + before.count { $0 == UInt8(ascii: "\n") }
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return JSONError(reason: reason, offset: offset, line: line, column: offset - lineStart + 1)
    }

    private var next: UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard next == byte.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSON {
        guard let byte = next else { throw failure("a value was expected, but the text ends") }
        switch byte {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw failure("a value was expected")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let bytes = Array(String(describing: word).utf8)
        guard text[position...].starts(with: bytes) else { throw failure("a value was expected") }
        position += bytes.count
        return value
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSON {
        guard depth < JSON.maximumDepth else { throw failure("nested deeper than \(JSON.maximumDepth) levels") }
        position += 1
        skipBlanks()
        if take("]") { return .array([]) }
        var values: [JSON] = []
        while true {
            skipBlanks()
            values.append(try value(depth: depth + 1))
            skipBlanks()
            if take("]") { return .array(values) }
            guard take(",") else { throw failure("\",\" or \"]\" was expected") }
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSON {
        guard depth < JSON.maximumDepth else { throw failure("nested deeper than \(JSON.maximumDepth) levels") }
        position += 1
        skipBlanks()
        if take("}") { return .object([]) }
        var members: [JSON.Member] = []
        while true {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw failure("a member's name in quotes was expected") }
            let name = try string()
            skipBlanks()
            guard take(":") else { throw failure("\":\" was expected") }
            skipBlanks()
            members.append(JSON.Member(name, try value(depth: depth + 1)))
            skipBlanks()
            if take("}") { return .object(members) }
            guard take(",") else { throw failure("\",\" or \"}\" was expected") }
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
        guard position > start else { throw failure("a digit was expected") }
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
                    throw failure("the string is not UTF-8", at: start)
                }
                return string
            case UInt8(ascii: "\\"):
                position += 1
                bytes += String(try escaped()).utf8
            case 0..<0x20:
                throw failure("a control character stands in a string unescaped")
            default:
                bytes.append(byte)
                position += 1
            }
        }
        throw failure("the string does not end", at: start)
    }

    /// What follows a backslash. Half a surrogate pair stands for no character and becomes U+FFFD.
    private mutating func escaped() throws(JSONError) -> Unicode.Scalar {
        guard let byte = next else { throw failure("the string does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw failure("unknown escape", at: position - 2)
        }
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        let resume = position
        guard first < 0xdc00, take("\\"), take("u") else {
            position = resume
            return "\u{fffd}"
        }
        let second = try hexadecimal()
        guard (0xdc00..<0xe000).contains(second) else {
            position = resume
            return "\u{fffd}"
        }
        return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)) ?? "\u{fffd}"
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        guard position + 4 <= text.count,
            text[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(String(decoding: text[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw failure("four hexadecimal digits were expected") }
        position += 4
        return value
    }
}
