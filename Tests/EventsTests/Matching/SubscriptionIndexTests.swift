import HTTP
import JSON
import JSONPath
import TestSupport
import Testing
import Values

@testable import Events

@Suite struct SubscriptionIndexTests {
    private func index(_ expressions: [String], dialect: JSONPath.Dialect? = nil) -> SubscriptionIndex {
        let index = SubscriptionIndex()
        for (number, text) in expressions.enumerated() {
            index.set(Expression(text: text, dialect: dialect), of: UInt64(number))
        }
        return index
    }

    private func match(_ index: SubscriptionIndex, _ event: String) throws -> [UInt64] {
        index.match(try parsed(event)).matched
    }

    @Test func `subscriptions are found in ascending order, whatever their expressions are`() throws {
        let index = index([
            "$.a", "$.b", "$[?(@.a = 1)]", "$..c", "$.a", "$", "data", #"$[?(@["eventType"] = "t")]"#, "$.a.b",
        ])
        #expect(try match(index, #"{"a": 1}"#) == [0, 2, 4, 5])
        #expect(try match(index, #"{"a": {"b": null, "c": 0}}"#) == [0, 3, 4, 5, 8])
        #expect(try match(index, #"{"data": false, "eventType": "t"}"#) == [5, 6, 7])
        #expect(try match(index, "{}") == [5])
        #expect(try match(index, "[]") == [5])
        #expect(index.count == 9)
    }

    @Test func `a subscription matches by its last expression, and not at all once it is removed`() throws {
        let index = self.index(["$.a", "$.a"])
        index.set(Expression(text: "$.b", dialect: nil), of: 0)
        #expect(try match(index, #"{"a": 1}"#) == [1] && match(index, #"{"b": 1}"#) == [0])
        index.set(Expression(text: "$.b", dialect: nil), of: 0)
        #expect(try match(index, #"{"b": 1}"#) == [0])
        index.remove(1)
        index.remove(7)
        #expect(try match(index, #"{"a": 1, "b": 1}"#) == [0] && index.count == 1)
        index.remove(0)
        #expect(try match(index, #"{"a": 1, "b": 1}"#) == [] && index.count == 0)
        index.set(Expression(text: "$.a", dialect: nil), of: 0)
        #expect(try match(index, #"{"a": 1}"#) == [0])
    }

    @Test func `an invalid expression matches nothing, and replaces the previous one`() throws {
        let index = self.index(["$.a", "$["])
        #expect(try match(index, #"{"a": 1}"#) == [0] && index.count == 1)
        index.set(Expression(text: "$[", dialect: nil), of: 0)
        #expect(try match(index, #"{"a": 1}"#) == [] && index.count == 0)
    }

    @Test func `one text in two dialects is two expressions`() throws {
        let index = SubscriptionIndex()
        let text = "$.list[?(@.a)]"
        for (number, dialect) in [nil, JSONPath.Dialect.legacy, .rfc9535].enumerated() {
            index.set(Expression(text: text, dialect: dialect), of: UInt64(number))
        }
        #expect(try match(index, #"{"list": {"a": 1}}"#) == [0, 1])
        #expect(try match(index, #"{"list": [{"a": 1}]}"#) == [2])
    }

    @Test func `names and strings that only look the same are different`() throws {
        let index = index(
            [
                "$[\"e\u{301}\"]", "$[\"\u{e9}\"]", "$[?@ == \"e\u{301}\"]", "$[?@ == \"\u{e9}\"]",
            ], dialect: .rfc9535)
        #expect(try match(index, "{\"\u{e9}\": 1}") == [1])
        #expect(try match(index, "{\"e\u{301}\": 1}") == [0])
        #expect(try match(index, "{\"a\": \"\u{e9}\"}") == [3])
        #expect(try match(index, "{\"a\": \"e\u{301}\"}") == [2])
    }

    @Test func `an expression that takes too long is reported, and delays no other`() throws {
        let slow = "$" + String(repeating: "..*", count: 12)
        let index = index(["$.a", slow, "$.b"])
        let event = String(repeating: "[", count: 60) + "1" + String(repeating: "]", count: 60)
        let outcome = index.match(try parsed("{\"a\": \(event), \"b\": [\(event), \(event)]}"))
        // A first node is found soon; a filter that never holds has to visit all.
        #expect(outcome.matched.contains(0) && outcome.matched.contains(2))
        let never = self.index(["$.a", slow + "[?(@ = \"never\")]", "$.b"])
        let all = never.match(try parsed("{\"a\": \(event), \"b\": [\(event), \(event)]}"))
        #expect(all.matched == [0, 2] && all.exceeded == [1])
    }

    @Test func `an expression that takes too long again and again is paused for ten seconds`() throws {
        let index = index(["$" + String(repeating: "..*", count: 12) + "[?(@ = \"never\")]", "$.a"])
        let value = String(repeating: "[", count: 60) + "1" + String(repeating: "]", count: 60)
        let event = try parsed("{\"a\": \(value), \"b\": \(value)}")
        for seconds in [0, 1, 2] as [Double] { #expect(index.match(event, at: seconds).exceeded == [0]) }
        for seconds in [2, 11.9] { #expect(index.match(event, at: seconds).exceeded == []) }
        #expect(index.match(event, at: 12).exceeded == [0])
        #expect(index.match(event, at: 13).matched == [1])
    }

    @Test func `a paused expression is still compared with smaller events`() throws {
        let index = index(["$" + String(repeating: "..*", count: 12) + "[?(@ = \"here\")]"])
        let value = String(repeating: "[", count: 60) + "1" + String(repeating: "]", count: 60)
        let large = try parsed("{\"a\": \(value), \"b\": \(value)}")
        for _ in 0..<3 { #expect(index.match(large).exceeded == [0]) }
        let deep = String(repeating: "[", count: 13) + "\"here\"" + String(repeating: "]", count: 13)
        #expect(index.match(try parsed(deep), at: 1).matched == [0])
        // It is still paused.
        #expect(index.match(large, at: 2).exceeded == [])
    }

    @Test func `the number of visits to branches is limited, and no match is missed`() throws {
        // Each node is reached by many branches.
        let expressions = (0..<8).flatMap { first in
            (0..<8).map { second in
                "$\(String(repeating: ".*", count: first))..\(String(repeating: "*.", count: second))here"
            }
        }
        let deep = String(repeating: "[", count: 20) + "{\"here\": 0}" + String(repeating: "]", count: 20)
        let list = (0..<20).map { _ in deep }.joined(separator: ",")
        let event = try parsed("{\"a\": [\(list)]}")
        let document = JSONPathDocument(event)
        for limit in [0, 100, 2000, 1_000_000] {
            let index = index(expressions + ["$.a", "$.b"])
            let matching = index.begin(event, visits: limit)
            while !matching.isOver { index.goOn(matching, at: Timestamp(microseconds: 0)) }
            let wanted = try expressions.indices.filter { try JSONPath(parsing: expressions[$0]).matches(document) }
            #expect(matching.matched == (wanted + [expressions.count]).map { UInt64($0) })
            #expect(wanted.count > 3)
            // All branches, and those begun before the limit.
            if limit < 10_000 { #expect(matching.visits <= limit + 3 * document.count + 20 * expressions.count) }
        }
    }

    @Test func `an expression that matches many nodes is found once`() throws {
        let index = index((0..<200).map { "$..[?@ == 'x' && @ != \($0)]" }, dialect: .rfc9535)
        let event = try parsed("[\((0..<2000).map { _ in "\"x\"" }.joined(separator: ","))]")
        #expect(index.match(event).matched == Array(0..<200))
    }

    // MARK: Soundness

    @Test(arguments: 0..<60)
    func `the index finds the same as evaluating every expression`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let index = SubscriptionIndex()
        var expressions: [UInt64: Expression] = [:]
        for _ in 0..<150 {
            let number = UInt64.random(in: 0..<80, using: &random)
            if Int.random(in: 0..<6, using: &random) == 0 {
                index.remove(number)
                expressions[number] = nil
            } else {
                let dialect = [nil, nil, JSONPath.Dialect.legacy, .rfc9535].randomElement(using: &random)!
                let expression = Expression(text: RandomJSON.expression(using: &random), dialect: dialect)
                index.set(expression, of: number)
                expressions[number] = expression
            }
        }
        let queries = expressions.compactMapValues { try? JSONPath(parsing: $0.text, dialect: $0.dialect) }
        #expect(index.count == queries.count)
        var hits = 0
        for _ in 0..<60 {
            let event = RandomJSON.value(depth: 4, using: &random)
            let document = JSONPathDocument(event)
            let wanted = try queries.filter { try $0.value.matches(document) }.keys.sorted()
            let outcome = index.match(event)
            #expect(outcome.exceeded == [])
            if outcome.matched != wanted {
                let different = Set(outcome.matched).symmetricDifference(wanted)
                Issue.record("\(different.map { expressions[$0]?.text ?? "" }) on \(event)")
            }
            hits += wanted.count
        }
        // With too few matches the comparison would show nothing.
        #expect(hits > 100 && queries.count > 30)
    }
}

extension SubscriptionIndex {
    /// Compares an event with all expressions that it may match.
    /// - Parameter seconds: the time.
    fileprivate func match(_ event: JSON, at seconds: Double = 0) -> Matching {
        let matching = begin(event)
        while !matching.isOver { goOn(matching, at: Timestamp(microseconds: Int64(seconds * 1e6))) }
        return matching
    }
}

/// Random documents and expressions with few names and values, so that many match.
enum RandomJSON {
    private static let names = ["a", "b", "c", "eventType"]
    private static let texts = ["x", "y", "a"]

    static func value(depth: Int, using random: inout SeededGenerator) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 10 : 5), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .number(["0", "1", "2", "1.0"].randomElement(using: &random)!)
        case 3, 4: return .string(texts.randomElement(using: &random)!)
        case 5, 6:
            return .array(
                (0..<Int.random(in: 0..<4, using: &random)).map { _ in value(depth: depth - 1, using: &random) })
        default:
            // Names may be repeated.
            return .object(
                (0..<Int.random(in: 0..<5, using: &random)).map { _ in
                    JSON.Member(names.randomElement(using: &random)!, value(depth: depth - 1, using: &random))
                })
        }
    }

    /// Of either dialect; some are invalid.
    static func expression(using random: inout SeededGenerator) -> String {
        let segments = (0..<Int.random(in: 0..<4, using: &random)).map { _ in segment(using: &random) }
        return "$" + segments.joined()
    }

    private static func segment(using random: inout SeededGenerator) -> String {
        let name = names.randomElement(using: &random)!
        switch Int.random(in: 0..<12, using: &random) {
        case 0...3: return ".\(name)"
        case 4: return "[\"\(name)\"]"
        case 5: return ["[0]", "[*]", ".*", "[-1]", "[0:2]"].randomElement(using: &random)!
        case 6: return "..\(name)"
        case 7: return "[\"\(name)\", \"\(names.randomElement(using: &random)!)\"]"
        case 8: return "[?\(condition(using: &random))]"
        default: return "[?(\(condition(using: &random)))]"
        }
    }

    private static func condition(using random: inout SeededGenerator) -> String {
        let isLegacy = Bool.random(using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return "\(condition(using: &random)) \(isLegacy ? "and" : "&&") \(condition(using: &random))"
        case 1: return "\(condition(using: &random)) \(isLegacy ? "or" : "||") \(condition(using: &random))"
        case 2: return isLegacy ? "not \(condition(using: &random))" : "!(\(condition(using: &random)))"
        case 3: return operand(using: &random)
        default:
            let sign = isLegacy ? ["=", "!=", "<", ">="] : ["==", "!=", "<", ">="]
            let literal = ["\"x\"", "\"y\"", "1", "null", "true", operand(using: &random)].randomElement(
                using: &random)!
            let sides = [operand(using: &random), literal].shuffled(using: &random)
            return "\(sides[0]) \(sign.randomElement(using: &random)!) \(sides[1])"
        }
    }

    private static func operand(using random: inout SeededGenerator) -> String {
        let name = names.randomElement(using: &random)!
        return ["@.\(name)", "@[\"\(name)\"]", "$.\(name)", "@", "@.\(name).b", "@.*"].randomElement(using: &random)!
    }
}
