/// The parts that the two grammars have in common. Each grammar has its own segments and selectors, and its own rules
/// for blanks.
protocol QueryParser {
    typealias Fault = JSONPathError.Fault
    typealias Reference = Program.Reference

    var scanner: TextScanner { get set }
    var builder: ProgramBuilder { get set }

    init(_ text: [UInt8])
    /// The next segment and the blanks before it; `nil` if none follows.
    mutating func segment() throws(Fault) -> ProgramBuilder.Segment?
    mutating func selector() throws(Fault) -> Reference
}

extension QueryParser {
    /// Reads the whole text.
    /// - Parameter rest: what the error names as expected if the text goes on after the query.
    static func read(
        _ text: [UInt8], skippingBlanks: Bool, expecting rest: String
    ) throws(Fault) -> ProgramBuilder.Outcome {
        var parser = Self(text)
        if skippingBlanks { parser.scanner.skipBlanks() }
        guard parser.scanner.isNext("$") else { throw parser.scanner.failure("expected \"$\"") }
        let query = try parser.query()
        guard parser.scanner.isAtEnd else { throw parser.scanner.failure("expected \(rest)") }
        return parser.builder.finished(main: query)
    }

    /// A query, which begins with `$` or `@`.
    mutating func query() throws(Fault) -> Reference {
        let isAbsolute = scanner.take("$")
        if !isAbsolute { try scanner.require("@") }
        var segments: [ProgramBuilder.Segment] = []
        while let segment = try segment() { segments.append(segment) }
        return builder.query(isAbsolute: isAbsolute, segments)
    }

    /// Selectors in brackets.
    mutating func bracketed() throws(Fault) -> [Reference] {
        try scanner.require("[")
        var selectors: [Reference] = []
        repeat {
            scanner.skipBlanks()
            selectors.append(try selector())
            scanner.skipBlanks()
        } while scanner.take(",")
        try scanner.require("]")
        return selectors
    }

    /// Calls `read` one level of nesting deeper.
    mutating func nested<Result>(_ read: (inout Self) throws(Fault) -> Result) throws(Fault) -> Result {
        try scanner.descend()
        let result = try read(&self)
        scanner.ascend()
        return result
    }
}

extension TextScanner {
    /// A comparison operator.
    /// - Parameter equal: the grammar's operator for equality.
    mutating func takeComparison(equal: StaticString) -> Program.Comparison? {
        if take(equal) { return .equal }
        if take("!=") { return .notEqual }
        if take("<=") { return .lessOrEqual }
        if take(">=") { return .greaterOrEqual }
        if take("<") { return .less }
        return take(">") ? .greater : nil
    }
}
