// Expressions of filters.
extension Evaluator {
    mutating func holds(_ reference: Reference, at current: UInt32) throws(Exceeded) -> Bool {
        try budget.spend(1)
        switch program[reference] {
        case .truth(let value): return value
        case .not(let operand): return try !holds(operand, at: current)
        case .or(let operands):
            for operand in program.references(operands) where try holds(operand, at: current) { return true }
            return false
        case .and(let operands):
            for operand in program.references(operands) where try !holds(operand, at: current) { return false }
            return true
        case .exists(let query): return try exists(query, at: current)
        case .comparison(let comparison, let left, let right):
            let left = try operand(left, at: current)
            let right = try operand(right, at: current)
            return try compare(left, comparison, right)
        case .anyComparison(let comparison, let left, let right):
            return try compareAny(left, comparison, right, at: current)
        case .match(let operand, let expression):
            guard case .string(let text)? = try self.operand(operand, at: current) else { return false }
            return try matches(program.expressions[Int(expression)], text)
        case .dynamicMatch(let operand, let pattern, let isSearch):
            guard case .string(let text)? = try self.operand(operand, at: current),
                case .string(let pattern)? = try self.operand(pattern, at: current)
            else { return false }
            return try matches(pattern: pattern, isSearch: isSearch, text)
        default: preconditionFailure("no logical expression")
        }
    }

    private mutating func exists(_ reference: Reference, at current: UInt32) throws(Exceeded) -> Bool {
        let query = program.query(reference)
        if query.isSingular { return try singleNode(query, at: current) != nil }
        var walk = begin(reference, at: current)
        let exists = try next(&walk) != nil
        end(walk)
        return exists
    }

    /// A pattern that is not valid or too large matches nothing.
    private mutating func matches(
        pattern: Value.Text, isSearch: Bool, _ text: Value.Text
    ) throws(Exceeded) -> Bool {
        guard pattern.count <= JSONPath.lengthLimit else { return false }
        // Reading a pattern costs far more for each byte than comparing one.
        try budget.spend(16 + 8 * Int(pattern.count))
        let pattern = String(decoding: bytes(of: pattern), as: UTF8.self)
        guard let expression = try? RegularExpression(pattern, isSearch: isSearch) else { return false }
        try budget.spend(4 * expression.size)
        return try matches(expression, text)
    }

    /// The one value of an operand, or `nil` for Nothing (RFC 9535, 2.4.1).
    private mutating func operand(_ reference: Reference, at current: UInt32) throws(Exceeded) -> Value? {
        switch program[reference] {
        case .constant(let node): return program.constants.nodes[Int(node)].value
        case .query(let query): return try singleNode(query, at: current).map { value($0) }
        case .length(let operand): return try length(of: self.operand(operand, at: current))
        case .count(let query):
            var count: Int64 = 0
            var walk = begin(query, at: current)
            while try next(&walk) != nil { count += 1 }
            end(walk)
            return .integer(count, isPlain: true)
        case .value(let query):
            var walk = begin(query, at: current)
            let first = try next(&walk)
            let isOnly = try next(&walk) == nil
            end(walk)
            return isOnly ? first.map { value($0) } : nil
        default: preconditionFailure("no value")
        }
    }

    private mutating func length(of value: Value?) throws(Exceeded) -> Value? {
        switch value {
        case .string(let text): .integer(Int64(try scalarCount(of: text)), isPlain: true)
        case .array(let children), .object(let children): .integer(Int64(children.count), isPlain: true)
        default: nil
        }
    }

    /// The number of Unicode scalars: counts all bytes that do not continue a scalar.
    mutating func scalarCount(of text: Value.Text) throws(Exceeded) -> Int {
        try budget.spend(bytes: Int(text.count))
        return bytes(of: text).count { $0 & 0xc0 != 0x80 }
    }

    /// The legacy dialect's comparison: it holds if it holds for one pair of values. If the right side is a query, only
    /// the first value on the left is compared, as in the original.
    private mutating func compareAny(
        _ left: Reference, _ comparison: Program.Comparison, _ right: Reference, at current: UInt32
    ) throws(Exceeded) -> Bool {
        guard case .query = program[left] else {
            guard let value = try operand(left, at: current) else { return false }
            return try compareAny(value, comparison, right, at: current)
        }
        var walk = begin(left, at: current)
        var holds = false
        while !holds, let node = try next(&walk) {
            holds = try compareAny(value(node), comparison, right, at: current)
            if case .query = program[right] { break }
        }
        end(walk)
        return holds
    }

    private mutating func compareAny(
        _ left: Value, _ comparison: Program.Comparison, _ right: Reference, at current: UInt32
    ) throws(Exceeded) -> Bool {
        guard case .query = program[right] else {
            guard let value = try operand(right, at: current) else { return false }
            return try compareLegacy(left, comparison, value)
        }
        var walk = begin(right, at: current)
        var holds = false
        while !holds, let node = try next(&walk) { holds = try compareLegacy(left, comparison, value(node)) }
        end(walk)
        return holds
    }
}
