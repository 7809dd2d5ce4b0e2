import JSON

// The expressions of filters (RFC 9535, 2.3.5) and functions (2.4).
extension RFC9535Parser {
    /// A part of an expression that is compared, tested or passed to a function.
    private struct Operand {
        var reference: Reference
        var kind: Kind
        var start: Int

        enum Kind: Equatable {
            case literal
            case query(isSingular: Bool)
            case function(ResultType)
        }

        /// Whether the operand is of ValueType, or can be converted to it.
        var isValue: Bool { kind == .literal || kind == .query(isSingular: true) || kind == .function(.value) }
    }

    private enum ResultType {
        case value, logical
    }

    mutating func disjunction() throws(Fault) -> Reference {
        var operands = [try conjunction()]
        while takeOperator("||") { operands.append(try conjunction()) }
        return builder.joined(operands, by: Program.Instruction.or)
    }

    private mutating func conjunction() throws(Fault) -> Reference {
        var operands = [try basic()]
        while takeOperator("&&") { operands.append(try basic()) }
        return builder.joined(operands, by: Program.Instruction.and)
    }

    private mutating func takeOperator(_ text: StaticString) -> Bool {
        let start = scanner.position
        scanner.skipBlanks()
        if scanner.take(text) {
            scanner.skipBlanks()
            return true
        }
        scanner.position = start
        return false
    }

    private mutating func basic() throws(Fault) -> Reference {
        let isNegated = scanner.take("!")
        if isNegated { scanner.skipBlanks() }
        let expression: Reference
        if scanner.take("(") {
            scanner.skipBlanks()
            expression = try nested { parser throws(Fault) in try parser.disjunction() }
            scanner.skipBlanks()
            try scanner.require(")")
        } else {
            let left = try operand()
            if !isNegated, let comparison = takeComparison() {
                let right = try operand()
                for side in [left, right] where !side.isValue {
                    throw scanner.failure("must be a single value to be compared", at: side.start)
                }
                return builder.add(.comparison(comparison, left.reference, right.reference))
            }
            expression = try test(left)
        }
        return isNegated ? builder.add(.not(expression)) : expression
    }

    private mutating func test(_ operand: Operand) throws(Fault) -> Reference {
        switch operand.kind {
        case .query: return builder.add(.exists(operand.reference))
        case .function(.logical): return operand.reference
        case .function(.value): throw scanner.failure("the result of this function must be compared", at: operand.start)
        case .literal: throw scanner.failure("a literal is not a condition: it must be compared", at: operand.start)
        }
    }

    private mutating func takeComparison() -> Program.Comparison? {
        let start = scanner.position
        scanner.skipBlanks()
        let comparison = scanner.takeComparison(equal: "==")
        if comparison == nil { scanner.position = start } else { scanner.skipBlanks() }
        return comparison
    }

    private mutating func operand() throws(Fault) -> Operand {
        let start = scanner.position
        switch scanner.next {
        case UInt8(ascii: "@"), UInt8(ascii: "$"):
            let query = try query()
            let isSingular = builder.program.query(query).isSingular
            return Operand(reference: query, kind: .query(isSingular: isSingular), start: start)
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            return literal(.string(try scanner.quoted(allowsHalves: false)), at: start)
        case let byte? where byte.isLowercaseLetter: return try word()
        default:
            guard let whole = try scanner.integer() else { throw scanner.failure("expected a query or a value") }
            return literal(.number(whole + (try scanner.fractionAndExponent())), at: start)
        }
    }

    private mutating func literal(_ value: JSON, at start: Int) -> Operand {
        Operand(reference: builder.constant(value), kind: .literal, start: start)
    }

    /// `true`, `false`, `null` or a function.
    private mutating func word() throws(Fault) -> Operand {
        let start = scanner.position
        let name = scanner.run { $0.isLowercaseLetter || $0.isDigit || $0 == UInt8(ascii: "_") }
        guard scanner.take("(") else {
            switch name {
            case "true": return literal(.bool(true), at: start)
            case "false": return literal(.bool(false), at: start)
            case "null": return literal(.null, at: start)
            default: throw scanner.failure("expected a query or a value", at: start)
            }
        }
        return try nested { parser throws(Fault) in try parser.function(name, at: start) }
    }

    private mutating func function(_ name: String, at start: Int) throws(Fault) -> Operand {
        let function: (reference: Reference, type: ResultType)
        switch name {
        case "length": function = (builder.add(.length(try valueArgument(isFirst: true))), .value)
        case "count": function = (builder.add(.count(try nodesArgument())), .value)
        case "value": function = (builder.add(.value(try nodesArgument())), .value)
        case "match", "search": function = (try match(isSearch: name == "search"), .logical)
        default: throw scanner.failure("unknown function", at: start)
        }
        scanner.skipBlanks()
        try scanner.require(")")
        return Operand(reference: function.reference, kind: .function(function.type), start: start)
    }

    private mutating func valueArgument(isFirst: Bool) throws(Fault) -> Reference {
        scanner.skipBlanks()
        if !isFirst {
            try scanner.require(",")
            scanner.skipBlanks()
        }
        let operand = try operand()
        guard operand.isValue else { throw scanner.failure("the argument must be a single value", at: operand.start) }
        return operand.reference
    }

    private mutating func nodesArgument() throws(Fault) -> Reference {
        scanner.skipBlanks()
        guard scanner.isNext("@") || scanner.isNext("$") else { throw scanner.failure("expected a query") }
        return try query()
    }

    private mutating func match(isSearch: Bool) throws(Fault) -> Reference {
        let value = try valueArgument(isFirst: true)
        scanner.skipBlanks()
        let comma = scanner.position
        let pattern = try valueArgument(isFirst: false)
        guard let text = builder.string(pattern) else {
            return builder.add(.dynamicMatch(value, pattern, isSearch: isSearch))
        }
        do {
            return try builder.match(value, text, isSearch: isSearch)
        } catch {
            throw scanner.failure("the regular expression is too large", at: comma + 1)
        }
    }
}
