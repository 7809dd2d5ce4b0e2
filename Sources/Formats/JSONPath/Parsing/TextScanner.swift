internal import JSON

/// Reads a query's text byte by byte; both grammars are built on it.
struct TextScanner {
    let text: [UInt8]
    var position = 0
    /// How deep parentheses, filters, functions and literals may be nested.
    static let nestingLimit = 64
    private var nesting = 0

    typealias Fault = JSONPathError.Fault

    init(_ text: [UInt8]) { self.text = text }

    var next: UInt8? { position < text.count ? text[position] : nil }

    var isAtEnd: Bool { position == text.count }

    func failure(_ reason: String, at offset: Int? = nil) -> Fault {
        Fault(reason, at: offset ?? position, in: text)
    }

    mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
    }

    func isNext(_ word: StaticString) -> Bool {
        var index = position
        for scalar in word.description.unicodeScalars {
            guard index < text.count, text[index] == UInt8(ascii: scalar) else { return false }
            index += 1
        }
        return true
    }

    mutating func take(_ word: StaticString) -> Bool {
        guard isNext(word) else { return false }
        position += word.utf8CodeUnitCount
        return true
    }

    mutating func require(_ word: StaticString) throws(Fault) {
        guard take(word) else { throw failure("expected \"\(word)\"") }
    }

    /// Takes bytes as long as `fits` accepts them.
    mutating func run(while fits: (UInt8) -> Bool) -> String {
        let start = position
        while let byte = next, fits(byte) { position += 1 }
        return String(decoding: text[start..<position], as: UTF8.self)
    }

    /// Enters one level of nesting.
    mutating func descend() throws(Fault) {
        guard nesting < TextScanner.nestingLimit else {
            throw failure("nested deeper than \(TextScanner.nestingLimit) levels")
        }
        nesting += 1
    }

    mutating func ascend() { nesting -= 1 }
}

// Strings and numbers.
extension TextScanner {
    /// Reads a text in quotes, and decodes its escapes.
    ///
    /// - Parameter allowsHalves: whether half a surrogate pair becomes U+FFFD instead of being refused.
    mutating func quoted(allowsHalves: Bool) throws(Fault) -> String {
        let start = position
        let quote = text[position]
        position += 1
        var bytes: [UInt8] = []
        while let byte = next {
            switch byte {
            case quote:
                position += 1
                return String(decoding: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                position += 1
                bytes += try String(escaped(in: quote, allowsHalves: allowsHalves)).utf8
            case 0..<0x20: throw failure("unescaped control character in a string")
            default:
                bytes.append(byte)
                position += 1
            }
        }
        throw failure("unterminated string", at: start)
    }

    private mutating func escaped(in quote: UInt8, allowsHalves: Bool) throws(Fault) -> Unicode.Scalar {
        let start = position - 1
        guard let byte = next else { throw failure("unterminated string") }
        position += 1
        switch byte {
        case quote, UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw failure("unknown escape in a string", at: start)
        }
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        let resume = position
        if UTF16.isLeadSurrogate(first), take("\\u") {
            let second = try codeUnit()
            if UTF16.isTrailSurrogate(second) {
                return UTF16.decode(UTF16.EncodedScalar([first, second]))
            }
        }
        guard allowsHalves else { throw failure("unpaired surrogate in a string", at: start) }
        position = resume
        return "\u{fffd}"
    }

    private mutating func codeUnit() throws(Fault) -> UInt16 {
        guard let unit = escapedCodeUnit(in: text, at: position) else {
            throw failure("expected four hexadecimal digits")
        }
        position += 4
        return unit
    }

    /// Reads a whole number without leading zeros; `nil` if there is none.
    mutating func integer() throws(Fault) -> String? {
        let start = position
        let isNegative = take("-")
        let digits = run(while: \.isDigit)
        guard !digits.isEmpty else {
            guard isNegative else { return nil }
            throw failure("expected a digit")
        }
        guard digits == "0" || digits.utf8.first != UInt8(ascii: "0") else {
            throw failure("a number must not begin with 0", at: start)
        }
        return (isNegative ? "-" : "") + digits
    }

    /// Reads the fraction and the exponent of a JSON number; the text is empty if it has neither.
    ///
    /// - Parameter allowsZeros: whether the exponent may have leading zeros.
    mutating func fractionAndExponent(allowsZeros: Bool = true) throws(Fault) -> String {
        let start = position
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            let exponent = position
            try digits()
            guard allowsZeros || text[exponent] != UInt8(ascii: "0") || position == exponent + 1 else {
                throw failure("an exponent must not begin with 0", at: exponent)
            }
        }
        return String(decoding: text[start..<position], as: UTF8.self)
    }

    private mutating func digits() throws(Fault) {
        let digits = run(while: \.isDigit)
        guard !digits.isEmpty else { throw failure("expected a digit") }
    }
}

extension UInt8 {
    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    var isLowercaseLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
    var isLetter: Bool { isLowercaseLetter || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
}
