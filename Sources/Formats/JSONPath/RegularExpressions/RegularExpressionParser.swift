/// Reads an I-Regexp by the grammar of RFC 9485.
struct RegularExpressionParser {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var nesting = 0

    init(_ pattern: String) { scalars = Array(pattern.unicodeScalars) }

    /// The whole pattern, or `nil` if it is not valid or its parentheses are nested too deep.
    mutating func expression() -> RegularExpressionNode? {
        guard let node = alternatives(), position == scalars.count else { return nil }
        return node
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    private mutating func alternatives() -> RegularExpressionNode? {
        var branches: [RegularExpressionNode] = []
        repeat {
            guard let branch = branch() else { return nil }
            branches.append(branch)
        } while take("|")
        return branches.count == 1 ? branches[0] : .alternatives(branches)
    }

    private mutating func branch() -> RegularExpressionNode? {
        var pieces: [RegularExpressionNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            guard let atom = atom(), let piece = quantified(atom) else { return nil }
            pieces.append(piece)
        }
        return pieces.count == 1 ? pieces[0] : .sequence(pieces)
    }

    private mutating func atom() -> RegularExpressionNode? {
        guard let scalar = next else { return nil }
        position += 1
        switch scalar {
        case "(":
            guard nesting < TextScanner.nestingLimit else { return nil }
            nesting += 1
            defer { nesting -= 1 }
            guard let inner = alternatives(), take(")") else { return nil }
            return inner
        case "^": return .beginning
        case "$": return .end
        case ".": return .scalarClass(.dot)
        case "[": return scalarClass().map { .scalarClass($0) }
        case "\\":
            if let categories = categories() { return .scalarClass(.init(categories: categories)) }
            return escaped().map { .scalar($0) }
        case "*", "+", "?", ")", "]", "{", "}", "|": return nil
        default: return .scalar(scalar)
        }
    }

    private mutating func quantified(_ atom: RegularExpressionNode) -> RegularExpressionNode? {
        if take("*") { return .repetition(atom, atLeast: 0, atMost: nil) }
        if take("+") { return .repetition(atom, atLeast: 1, atMost: nil) }
        if take("?") { return .repetition(atom, atLeast: 0, atMost: 1) }
        guard take("{") else { return atom }
        guard let least = quantity() else { return nil }
        var most: Int? = least
        if take(",") { most = next == "}" ? nil : quantity() }
        guard scalars[position - 1] != "," || next == "}", take("}"), least <= most ?? least else { return nil }
        return .repetition(atom, atLeast: least, atMost: most)
    }

    /// A number of repetitions, clamped to a bound that is too large anyway.
    private mutating func quantity() -> Int? {
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar) {
            value = min((value ?? 0) * 10 + Int(scalar.value - 0x30), 1_000_000_000)
            position += 1
        }
        return value
    }

    /// The scalar of an escape, after the backslash; `nil` if it is not an escape for one scalar.
    private mutating func escaped() -> Unicode.Scalar? {
        guard let scalar = next else { return nil }
        position += 1
        switch scalar {
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "("..."+", "-", ".", "?", "["..."^", "{"..."}": return scalar
        default: return nil
        }
    }

    /// `p{…}` or `P{…}` after a backslash.
    private mutating func categories() -> UInt32? {
        guard let letter = next, letter == "p" || letter == "P", position + 1 < scalars.count,
            scalars[position + 1] == "{", let end = scalars[position...].firstIndex(of: "}")
        else { return nil }
        let name = scalars[(position + 2)..<end].reduce(into: "") { $0.unicodeScalars.append($1) }
        guard let mask = GeneralCategories.mask(of: name) else { return nil }
        position = end + 1
        return letter == "p" ? mask : ~mask
    }

    /// A character class, after its opening bracket.
    private mutating func scalarClass() -> ScalarClass? {
        let isNegated = take("^")
        var ranges: [ClosedRange<UInt32>] = []
        var mask: UInt32 = 0
        if take("-") { ranges.append(0x2d...0x2d) }
        while let scalar = next, scalar != "]" {
            if scalar == "-" {
                position += 1
                guard next == "]" else { return nil }
                ranges.append(0x2d...0x2d)
                break
            }
            if scalar == "\\" {
                position += 1
                if let categories = categories() {
                    mask |= categories
                    continue
                }
                position -= 1
            }
            guard let range = range() else { return nil }
            ranges.append(range)
        }
        guard take("]"), !ranges.isEmpty || mask != 0 else { return nil }
        return ScalarClass(ranges: ranges, categories: mask, isNegated: isNegated)
    }

    /// One scalar of a class, or a range of scalars.
    private mutating func range() -> ClosedRange<UInt32>? {
        guard let first = classScalar() else { return nil }
        guard next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
            return first.value...first.value
        }
        position += 1
        guard let last = classScalar(), first <= last else { return nil }
        return first.value...last.value
    }

    private mutating func classScalar() -> Unicode.Scalar? {
        guard let scalar = next else { return nil }
        position += 1
        switch scalar {
        case "\\": return escaped()
        case "-", "[", "]": return nil
        default: return scalar
        }
    }
}
