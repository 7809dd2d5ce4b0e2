import JSON
import JSONPath
import Testing

/// Hostile queries end when their budget is spent, independent of time. The documents have some 100 kB, and the budget
/// is a tenth of the default, which is meant for 1 MB, so that the tests are quick.
@Suite struct BudgetTests {
    private enum Document: String, CaseIterable {
        case zeros, empties, deep, objects, members, text, parts

        func made() -> JSONPathDocument {
            switch self {
            case .zeros: JSONPathDocument(.array(Array(repeating: .number("0"), count: 50_000)))
            case .empties: JSONPathDocument(.array(Array(repeating: .array([]), count: 33_300)))
            case .deep:
                JSONPathDocument(
                    .array(Array(repeating: (0..<510).reduce(.null) { inner, _ in .array([inner]) }, count: 97)))
            case .objects:
                JSONPathDocument(
                    .array((0..<3_100).map { .object([.init("a", .number("\($0)")), .init("b", .string("x\($0)"))]) }))
            case .members:
                JSONPathDocument(
                    .array(
                        [Array(0..<3_700), (0..<3_700).reversed()].map { numbers in
                            .object(numbers.map { .init("k\($0)", .number("\($0)")) })
                        }))
            case .parts:
                JSONPathDocument(
                    .object([
                        .init("text", .string(String(repeating: "a", count: 99_000))),
                        .init("parts", .array(Array(repeating: .null, count: 18))),
                    ]))
            case .text: JSONPathDocument(.array([.string(String(repeating: "a", count: 99_000))]))
            }
        }
    }

    private static let budget = JSONPath.defaultBudget / 10
    private static let documents = Document.allCases.reduce(into: [:]) { $0[$1] = $1.made() }

    @Test(
        arguments: [
            ("$[?count($[*]) == 0]", .zeros), ("$..[?count($..*) == 1]", .empties), ("$..[?count(@..*) > 600]", .deep),
            ("$..[?@..[?@..[?@..a]]]", .deep), ("$..*..*..*..x", .deep),
            ("$[?@ == $[1] && @.x]", .members), ("$[?(@[0] = @[1])]", .members),
            ("$[0][?$[0].x == $[1].x && @ == $[0].k3699 && 1 == 2]", .members),
            ("$[?search(@, '(a{1,30}){1,25}b')]", .text), ("$[?match(@, '(.*)*b')]", .text),
            ("$[?search(@, '[^\\\\p{Ll}]')]", .text), ("$[?search(@.b, '(x?[0-9]?){60}y')]", .objects),
            ("$.entries()[*].length()", .zeros), ("$.values().values().values().values()[0].x", .zeros),
            ("$.parts[*][?($.text.charAt(-1) = 1)]", .parts),
            ("$..[?@.b == value($..x)]", .objects),
        ] as [(String, Document)])
    private func `a query that exceeds the budget is given up`(query: String, document: Document) throws {
        let document = try #require(BudgetTests.documents[document])
        let query = try JSONPath(parsing: query)
        #expect(throws: JSONPathBudgetExceeded.self) { try query.matches(document, budget: BudgetTests.budget) }
    }

    @Test(
        arguments: [
            ("$..*", .zeros), ("$[-9007199254740991:9007199254740991:1]", .zeros), ("$..[?@.a == 1]", .zeros),
            ("$..[?(@ = 1)]", .zeros), ("$[?@ == 0.5]", .zeros), ("$..[?@.a]", .empties), ("$..[?@ == $]", .empties),
            ("$..[?@[0][0][0] == 1]", .deep), ("$..*", .deep), ("$[?@.b == 'x3099']", .objects),
            ("$[?match(@.b, 'x[0-9]+9')]", .objects), ("$[*][?(@.b = \"x3099\")]", .objects), ("$..k3699", .members),
            ("$[?@ == $[0]]", .members), ("$[?search(@, 'b')]", .text), ("$[?length(@) == 99000]", .text),
            ("$[0].substring(5).length()", .text), ("$[?@ == $[0]]", .text),
        ] as [(String, Document)])
    private func `a single pass over a document stays within the budget`(query: String, document: Document) throws {
        let document = try #require(BudgetTests.documents[document])
        _ = try JSONPath(parsing: query).matches(document, budget: BudgetTests.budget)
    }

    @Test func `matching stops at the first match`() throws {
        let document = try #require(BudgetTests.documents[.zeros])
        #expect(try JSONPath(parsing: "$..*").matches(document, budget: 10))
        #expect(throws: JSONPathBudgetExceeded.self) { try JSONPath(parsing: "$..*").values(in: document, budget: 10) }
        #expect(throws: JSONPathBudgetExceeded.self) { try JSONPath(parsing: "$..*").nodes(in: document, budget: 10) }
        #expect(throws: JSONPathBudgetExceeded.self) { try JSONPath(parsing: "$").matches(document, budget: 0) }
    }

    @Test func `a query has one cost, and every larger budget is enough`() throws {
        let document = try JSONPathTests.document(#"{"a": [{"b": 1}, {"b": 2}], "c": "text"}"#)
        let query = try JSONPath(parsing: "$..[?@.b > 1 || match(@, 't+.*')]")
        func isEnough(_ budget: Int) -> Bool { (try? query.values(in: document, budget: budget)) != nil }
        let least = try #require((0..<1000).first(where: isEnough))
        #expect((least..<1000).allSatisfy(isEnough))
        #expect(least > 20)
    }
}
