import JSON

/// Reads a query by the grammar of RFC 9535, and refuses one that is not well-typed (2.4.3).
struct RFC9535Parser: QueryParser {
    var scanner: TextScanner
    var builder = ProgramBuilder()

    /// The largest integer that is exact in I-JSON (RFC 9535, 2.1).
    private static let integerLimit: Int64 = 1 << 53 - 1

    init(_ text: [UInt8]) { scanner = TextScanner(text) }

    /// Reads the whole text.
    static func read(_ text: [UInt8]) throws(Fault) -> ProgramBuilder.Outcome {
        try read(text, skippingBlanks: false, expecting: "a segment")
    }

    /// The next segment. Blanks are not read if no segment follows them.
    mutating func segment() throws(Fault) -> ProgramBuilder.Segment? {
        let start = scanner.position
        scanner.skipBlanks()
        if scanner.isNext("[") { return .init(descends: false, selectors: try bracketed()) }
        if scanner.take("..") {
            if scanner.isNext("[") { return .init(descends: true, selectors: try bracketed()) }
            return .init(descends: true, selectors: [try shorthand()])
        }
        if scanner.take(".") { return .init(descends: false, selectors: [try shorthand()]) }
        scanner.position = start
        return nil
    }

    /// A wildcard or a name after a dot.
    private mutating func shorthand() throws(Fault) -> Reference {
        if scanner.take("*") { return builder.add(.wildcard) }
        guard let byte = scanner.next, byte.isNameByte, !byte.isDigit else {
            throw scanner.failure("expected a name or \"*\"")
        }
        return builder.name(scanner.run(while: \.isNameByte))
    }

    mutating func selector() throws(Fault) -> Reference {
        switch scanner.next {
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            return builder.name(try scanner.quoted(allowsHalves: false))
        case UInt8(ascii: "*"):
            scanner.position += 1
            return builder.add(.wildcard)
        case UInt8(ascii: "?"):
            scanner.position += 1
            scanner.skipBlanks()
            return builder.add(.filter(try nested { parser throws(Fault) in try parser.disjunction() }))
        default: return try indexOrSlice()
        }
    }

    private mutating func indexOrSlice() throws(Fault) -> Reference {
        let start = try boundedInteger()
        let end = scanner.position
        scanner.skipBlanks()
        guard scanner.take(":") else {
            guard let start else { throw scanner.failure("expected a selector") }
            scanner.position = end
            return builder.add(.index(Int32(clamping: start)))
        }
        scanner.skipBlanks()
        let stop = try boundedInteger()
        let afterStop = scanner.position
        scanner.skipBlanks()
        guard scanner.take(":") else {
            scanner.position = afterStop
            return builder.slice(start, stop, nil)
        }
        scanner.skipBlanks()
        return builder.slice(start, stop, try boundedInteger())
    }

    private mutating func boundedInteger() throws(Fault) -> Int64? {
        let start = scanner.position
        guard let text = try scanner.integer() else { return nil }
        let limit = RFC9535Parser.integerLimit
        guard text != "-0", let value = Int64(text), (-limit...limit).contains(value) else {
            throw scanner.failure("the integer is out of range", at: start)
        }
        return value
    }
}

extension UInt8 {
    /// Whether a name after a dot may have the byte. All bytes beyond ASCII are allowed.
    fileprivate var isNameByte: Bool { isLetter || isDigit || self == UInt8(ascii: "_") || self >= 0x80 }
}
