import JSON

// The expressions of the legacy dialect's filters. `or` binds tighter than `and`; `not` applies to what follows it.
extension LegacyParser {
    /// A query or a literal.
    struct Operand {
        var reference: Reference
        var literal: JSON?
    }

    mutating func conjunction() throws(Fault) -> Reference {
        var operands: [Reference] = []
        repeat { operands.append(try disjunction()) } while takeKeyword("and")
        return builder.joined(operands, by: Program.Instruction.and)
    }

    private mutating func disjunction() throws(Fault) -> Reference {
        var operands: [Reference] = []
        repeat { operands.append(try negation()) } while takeKeyword("or")
        return builder.joined(operands, by: Program.Instruction.or)
    }

    private mutating func negation() throws(Fault) -> Reference {
        var isNegated = false
        while takeKeyword("not") { isNegated.toggle() }
        let expression = try primary()
        return isNegated ? builder.add(.not(expression)) : expression
    }

    /// Takes a keyword that is not the beginning of a longer word, and the blanks around it.
    private mutating func takeKeyword(_ keyword: StaticString) -> Bool {
        scanner.skipBlanks()
        let start = scanner.position
        guard scanner.take(keyword) else { return false }
        if let byte = scanner.next, byte.isWordByte {
            scanner.position = start
            return false
        }
        scanner.skipBlanks()
        return true
    }

    private mutating func primary() throws(Fault) -> Reference {
        scanner.skipBlanks()
        if scanner.take("(") {
            let expression = try nested { parser throws(Fault) in try parser.conjunction() }
            scanner.skipBlanks()
            try scanner.require(")")
            scanner.skipBlanks()
            return expression
        }
        let left = try operand()
        guard let comparison = takeComparison() else {
            guard let literal = left.literal else { return builder.add(.exists(left.reference)) }
            return builder.add(.truth(literal.isTrue))
        }
        let right = try operand()
        return builder.add(.anyComparison(comparison, left.reference, right.reference))
    }

    private mutating func takeComparison() -> Program.Comparison? {
        scanner.skipBlanks()
        let comparison = scanner.takeComparison(equal: "=")
        scanner.skipBlanks()
        return comparison
    }

    /// A query or a literal, and the blanks after it.
    mutating func operand() throws(Fault) -> Operand {
        if scanner.isNext("@") || scanner.isNext("$") {
            return Operand(reference: try nested { parser throws(Fault) in try parser.query() })
        }
        let literal = try literal()
        scanner.skipBlanks()
        return Operand(reference: builder.constant(literal), literal: literal)
    }

    private mutating func literal() throws(Fault) -> JSON {
        switch scanner.next {
        case UInt8(ascii: "\""): return .string(try scanner.quoted(allowsHalves: true))
        case UInt8(ascii: "["): return try nested { parser throws(Fault) in try parser.array() }
        case UInt8(ascii: "{"): return try nested { parser throws(Fault) in try parser.object() }
        default: break
        }
        if takeKeyword("true") { return .bool(true) }
        if takeKeyword("false") { return .bool(false) }
        if takeKeyword("null") { return .null }
        guard let whole = try scanner.integer() else { throw scanner.failure("expected a query or a value") }
        return .number(whole + (try scanner.fractionAndExponent(allowsZeros: false)))
    }

    private mutating func array() throws(Fault) -> JSON {
        try scanner.require("[")
        scanner.skipBlanks()
        if scanner.take("]") { return .array([]) }
        var values: [JSON] = []
        repeat {
            scanner.skipBlanks()
            values.append(try literal())
            scanner.skipBlanks()
        } while scanner.take(",")
        try scanner.require("]")
        return .array(values)
    }

    private mutating func object() throws(Fault) -> JSON {
        try scanner.require("{")
        scanner.skipBlanks()
        if scanner.take("}") { return .object([]) }
        var members: [JSON.Member] = []
        repeat {
            scanner.skipBlanks()
            guard scanner.isNext("\"") else { throw scanner.failure("expected a member name in double quotes") }
            let name = try scanner.quoted(allowsHalves: true)
            scanner.skipBlanks()
            try scanner.require(":")
            scanner.skipBlanks()
            members.append(JSON.Member(name, try literal()))
            scanner.skipBlanks()
        } while scanner.take(",")
        try scanner.require("}")
        return .object(members)
    }
}

extension JSON {
    /// Whether Python takes the value as true.
    fileprivate var isTrue: Bool {
        switch self {
        case .null: false
        case .bool(let value): value
        case .number(let text):
            switch Value(number: text) {
            case .integer(0, _), .double(0): false
            default: true
            }
        case .string(let text): !text.isEmpty
        case .array(let values): !values.isEmpty
        case .object(let members): !members.isEmpty
        }
    }
}
