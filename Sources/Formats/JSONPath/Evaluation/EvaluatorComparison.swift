// Comparing values.
extension Evaluator {
    /// Compares as RFC 9535 does (2.3.5.2.2); `nil` is Nothing.
    mutating func compare(
        _ left: Value?, _ comparison: Program.Comparison, _ right: Value?
    ) throws(Exceeded) -> Bool {
        switch comparison {
        case .equal: try isEqual(left, right)
        case .notEqual: try !isEqual(left, right)
        case .less: try isLess(left, right)
        case .greater: try isLess(right, left)
        case .lessOrEqual: try isLess(left, right) ? true : isEqual(left, right)
        case .greaterOrEqual: try isLess(right, left) ? true : isEqual(left, right)
        }
    }

    private mutating func isEqual(_ left: Value?, _ right: Value?) throws(Exceeded) -> Bool {
        guard let left, let right else { return left == nil && right == nil }
        return try areEqual(left, right, booleansAreNumbers: false)
    }

    private mutating func isLess(_ left: Value?, _ right: Value?) throws(Exceeded) -> Bool {
        guard let left, let right else { return false }
        if case .string(let left) = left, case .string(let right) = right {
            try budget.spend(bytes: Int(min(left.count, right.count)))
            return bytes(of: left).lexicographicallyPrecedes(bytes(of: right))
        }
        return Value.order(left, right) == .ascending
    }

    /// Compares as the legacy dialect does: truth values are the numbers 1 and 0, and only numbers have an order.
    mutating func compareLegacy(
        _ left: Value, _ comparison: Program.Comparison, _ right: Value
    ) throws(Exceeded) -> Bool {
        try budget.spend(1)
        switch comparison {
        case .equal: return try areEqual(left, right, booleansAreNumbers: true)
        case .notEqual: return try !areEqual(left, right, booleansAreNumbers: true)
        default: break
        }
        guard let order = Value.order(left.numeric, right.numeric) else { return false }
        return switch comparison {
        case .less: order == .ascending
        case .lessOrEqual: order != .descending
        case .greater: order == .descending
        default: order != .ascending
        }
    }

    /// Deep equality; the recursion is as deep as the shallower of the two values.
    private mutating func areEqual(
        _ left: Value, _ right: Value, booleansAreNumbers: Bool
    ) throws(Exceeded) -> Bool {
        let (left, right) = booleansAreNumbers ? (left.numeric, right.numeric) : (left, right)
        try budget.spend(1)
        switch (left, right) {
        case (.null, .null): return true
        case (.boolean(let left), .boolean(let right)): return left == right
        case (.string(let left), .string(let right)):
            guard left.count == right.count else { return false }
            try budget.spend(bytes: Int(left.count))
            return bytes(of: left) == bytes(of: right)
        case (.array(let left), .array(let right)):
            guard left.count == right.count else { return false }
            for offset in 0..<left.count {
                let left = node(left.first + offset, in: left.pool).value
                let right = node(right.first + offset, in: right.pool).value
                guard try areEqual(left, right, booleansAreNumbers: booleansAreNumbers) else { return false }
            }
            return true
        case (.object(let left), .object(let right)):
            return try areEqual(left, right, booleansAreNumbers: booleansAreNumbers)
        default: return Value.order(left, right) == .same
        }
    }

    /// Compares members in any order. Each is first looked for at the same position.
    private mutating func areEqual(
        _ left: Value.Children, _ right: Value.Children, booleansAreNumbers: Bool
    ) throws(Exceeded) -> Bool {
        guard left.count == right.count else { return false }
        for offset in 0..<left.count {
            let member = node(left.first + offset, in: left.pool)
            guard let partner = try partner(of: member, left.pool, in: right, nearby: offset) else { return false }
            guard try areEqual(member.value, partner.value, booleansAreNumbers: booleansAreNumbers) else {
                return false
            }
        }
        return true
    }

    /// The member of the same name.
    ///
    /// - Parameter offset: the position where the search begins.
    private mutating func partner(
        of member: Tree.Node, _ pool: Value.Pool, in members: Value.Children, nearby offset: UInt32
    ) throws(Exceeded) -> Tree.Node? {
        for distance in 0..<members.count {
            try budget.spend(1)
            let candidate = node(members.first + (offset + distance) % members.count, in: members.pool)
            if hasSameName(member.key, pool, candidate.key, members.pool) { return candidate }
        }
        return nil
    }

    private func node(_ number: UInt32, in pool: Value.Pool) -> Tree.Node {
        switch pool {
        case .document: node(number)
        case .constants: program.constants.nodes[Int(number)]
        }
    }

    private func hasSameName(_ left: UInt32, _ leftPool: Value.Pool, _ right: UInt32, _ rightPool: Value.Pool) -> Bool {
        if leftPool == rightPool { return left == right }
        return bytes(of: name(left, in: leftPool)) == bytes(of: name(right, in: rightPool))
    }

    private func name(_ number: UInt32, in pool: Value.Pool) -> Value.Text {
        pool == .document ? document.names[Int(number)] : program.constants.names[Int(number)]
    }
}

extension Value {
    enum Order {
        case ascending, same, descending
    }

    /// The order of two numbers: exact between whole numbers of 64 bits, else that of the nearest doubles. `nil` if one
    /// is not a number.
    static func order(_ left: Value, _ right: Value) -> Order? {
        if case .integer(let left, _) = left, case .integer(let right, _) = right {
            return left < right ? .ascending : left == right ? .same : .descending
        }
        guard let left = left.double, let right = right.double else { return nil }
        return left < right ? .ascending : left == right ? .same : .descending
    }

    private var double: Double? {
        switch self {
        case .integer(let value, _): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// A truth value as a number; any other value as it is.
    var numeric: Value {
        guard case .boolean(let value) = self else { return self }
        return .integer(value ? 1 : 0, isPlain: true)
    }
}
