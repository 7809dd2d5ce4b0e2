import JSON
import JSONPath

/// Random queries and documents with few names and values, so that many match.
struct RandomQueries {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

    private mutating func number(_ limit: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state >> 33) % limit
    }

    private mutating func one(of choices: [String]) -> String { choices[number(choices.count)] }

    mutating func query() -> (text: String, dialect: JSONPath.Dialect) {
        let dialect = number(2) == 0 ? JSONPath.Dialect.legacy : .rfc9535
        return ("$" + segments(1 + number(3), dialect, depth: 0), dialect)
    }

    mutating func document() -> JSON { .object(members(depth: 0)) }

    private mutating func members(depth: Int) -> [JSON.Member] {
        (0..<number(4)).map { _ in JSON.Member(one(of: ["a", "b", "c"]), value(depth: depth + 1)) }
    }

    private mutating func value(depth: Int) -> JSON {
        switch number(depth > 3 ? 5 : 9) {
        case 0, 1: .string(one(of: ["x", "y", ""]))
        case 2: .number(one(of: ["0", "1"]))
        case 3: .bool(number(2) == 0)
        case 4: .null
        case 5: .array((0..<number(3)).map { _ in value(depth: depth + 1) })
        default: .object(members(depth: depth))
        }
    }

    private mutating func segments(_ count: Int, _ dialect: JSONPath.Dialect, depth: Int) -> String {
        (0..<count).reduce(into: "") { text, _ in text += segment(dialect, depth: depth) }
    }

    private mutating func segment(_ dialect: JSONPath.Dialect, depth: Int) -> String {
        switch number(8) {
        case 0...3: ".\(one(of: ["a", "b", "c"]))"
        case 4: one(of: ["[\"a\",\"b\"]", "[0]", "[*]", "..a", "..*", "[0,\"c\"]", "[:1]"])
        case 5 where dialect == .legacy && depth < 2:
            one(of: [".keys()", ".values()", ".length()", ".entries()"]) + (number(2) == 0 ? "[*]" : "")
        case 6 where dialect == .legacy && depth < 2: "[$\(segments(1, dialect, depth: depth + 1))]"
        default: depth < 3 ? "[?(\(expression(dialect, depth: depth + 1)))]" : ".a"
        }
    }

    private mutating func expression(_ dialect: JSONPath.Dialect, depth: Int) -> String {
        let isLegacy = dialect == .legacy
        switch number(6) {
        case 0 where depth < 4:
            return expression(dialect, depth: depth + 1) + (isLegacy ? " and " : " && ")
                + expression(dialect, depth: depth + 1)
        case 1 where depth < 4:
            return expression(dialect, depth: depth + 1) + (isLegacy ? " or " : " || ")
                + expression(dialect, depth: depth + 1)
        case 2: return (isLegacy ? "not " : "!") + "(" + expression(dialect, depth: depth + 1) + ")"
        case 3: return one(of: ["@", "$"]) + segments(number(3), dialect, depth: depth)
        default:
            let comparison = one(of: isLegacy ? ["=", "=", "!=", "<", ">="] : ["==", "==", "!=", "<", ">="])
            let (left, right) = (operand(dialect, depth: depth), operand(dialect, depth: depth))
            return "\(left) \(comparison) \(right)"
        }
    }

    private mutating func operand(_ dialect: JSONPath.Dialect, depth: Int) -> String {
        guard number(5) < 3 else { return one(of: ["\"x\"", "\"x\"", "\"y\"", "1", "true", "null"]) }
        let start = one(of: ["@", "@", "$"])
        guard dialect == .rfc9535 else { return start + segments(number(3), dialect, depth: depth) }
        return start + (0..<number(3)).reduce(into: "") { text, _ in text += one(of: [".a", ".b", ".c", "[0]"]) }
    }
}
