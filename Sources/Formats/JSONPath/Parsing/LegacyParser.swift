import JSON

/// Reads a query as jsonpath2 0.4.5 does, the library of the event routing that Postroom replaces.
///
/// Blanks are allowed between any two words. Escapes are decoded, which the original does not do.
struct LegacyParser: QueryParser {
    var scanner: TextScanner
    var builder = ProgramBuilder()
    private var functionCount = 0

    private static let keywords: Set<String> = ["and", "or", "not", "true", "false", "null"]

    init(_ text: [UInt8]) { scanner = TextScanner(text) }

    /// Reads the whole text.
    static func read(_ text: [UInt8]) throws(Fault) -> ProgramBuilder.Outcome {
        try read(text, skippingBlanks: true, expecting: "a subscript")
    }

    /// The next segment. Blanks are read even if no segment follows.
    mutating func segment() throws(Fault) -> ProgramBuilder.Segment? {
        scanner.skipBlanks()
        if scanner.isNext("[") { return .init(descends: false, selectors: try bracketed()) }
        if scanner.take("..") {
            scanner.skipBlanks()
            if scanner.isNext("[") { return .init(descends: true, selectors: try bracketed()) }
            return .init(descends: true, selectors: [try bareword()])
        }
        guard scanner.take(".") else { return nil }
        scanner.skipBlanks()
        return .init(descends: false, selectors: [try bareword()])
    }

    private mutating func bareword() throws(Fault) -> Reference {
        if scanner.take("*") { return builder.add(.wildcard) }
        let start = scanner.position
        guard let name = word() else { throw scanner.failure("expected a name or \"*\"") }
        scanner.skipBlanks()
        return scanner.isNext("(") ? try function(name, at: start) : builder.name(name)
    }

    /// A word that is not a keyword.
    private mutating func word() -> String? {
        let start = scanner.position
        guard let byte = scanner.next, byte.isWordByte, !byte.isDigit else { return nil }
        let word = scanner.run(while: \.isWordByte)
        guard !LegacyParser.keywords.contains(word) else {
            scanner.position = start
            return nil
        }
        return word
    }

    mutating func selector() throws(Fault) -> Reference {
        let start = scanner.position
        switch scanner.next {
        case UInt8(ascii: "\""): return builder.name(try scanner.quoted(allowsHalves: true))
        case UInt8(ascii: "*"):
            scanner.position += 1
            return builder.add(.wildcard)
        case UInt8(ascii: "?"):
            scanner.position += 1
            scanner.skipBlanks()
            try scanner.require("(")
            let expression = try nested { parser throws(Fault) in try parser.conjunction() }
            try scanner.require(")")
            return builder.add(.selfFilter(expression))
        case UInt8(ascii: "@"), UInt8(ascii: "$"):
            return builder.add(.lookup(try nested { parser throws(Fault) in try parser.query() }))
        default:
            guard let name = word() else { return try indexOrSlice() }
            scanner.skipBlanks()
            return try function(name, at: start)
        }
    }

    private mutating func indexOrSlice() throws(Fault) -> Reference {
        let start = try integer()
        scanner.skipBlanks()
        guard scanner.take(":") else {
            guard let start else { throw scanner.failure("expected a subscript") }
            return builder.add(.index(Int32(clamping: start)))
        }
        scanner.skipBlanks()
        let stop = try integer()
        scanner.skipBlanks()
        var step: Int64?
        if scanner.take(":") {
            scanner.skipBlanks()
            step = try integer()
        }
        return builder.slice(start, stop, step)
    }

    /// An integer of any size. One beyond 64 bits is clamped, as it is beyond every array too.
    private mutating func integer() throws(Fault) -> Int64? {
        let start = scanner.position
        guard let text = try scanner.integer() else { return nil }
        guard try scanner.fractionAndExponent(allowsZeros: false).isEmpty else {
            throw scanner.failure("expected an integer", at: start)
        }
        return Int64(text) ?? (text.utf8.first == UInt8(ascii: "-") ? .min : .max)
    }

    private mutating func function(_ name: String, at start: Int) throws(Fault) -> Reference {
        try scanner.require("(")
        guard let function = Program.SubscriptFunction(name: name) else {
            throw scanner.failure("unknown function", at: start)
        }
        // Each function may nest values one level deeper.
        functionCount += 1
        guard functionCount <= TextScanner.nestingLimit else {
            throw scanner.failure("more than \(TextScanner.nestingLimit) functions", at: start)
        }
        var arguments: [Reference] = []
        try scanner.descend()
        scanner.skipBlanks()
        if !scanner.isNext(")") {
            repeat {
                scanner.skipBlanks()
                arguments.append(try operand().reference)
                scanner.skipBlanks()
            } while scanner.take(",")
        }
        scanner.ascend()
        try scanner.require(")")
        return builder.add(.subscriptFunction(function, arguments: builder.list(arguments)))
    }
}

extension UInt8 {
    var isWordByte: Bool { isLetter || isDigit || self == UInt8(ascii: "_") }
}

extension Program.SubscriptFunction {
    var name: String { String(describing: self) }

    init?(name: String) {
        guard let function = Program.SubscriptFunction.allCases.first(where: { $0.name == name }) else { return nil }
        self = function
    }
}
