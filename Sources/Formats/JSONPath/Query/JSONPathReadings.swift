/// What each grammar makes of a text, and which of the two the rule of dialects takes (`JSONPath.init(parsing:)`).
package struct JSONPathReadings: Sendable {
    package typealias Reading = Result<JSONPath, JSONPathError.Fault>

    private var readings: [JSONPath.Dialect: Reading] = [:]
    /// The dialect of the query; `nil` if the text is not one.
    package let chosen: JSONPath.Dialect?

    /// - Parameter dialect: the only grammar to try; `nil` for both.
    package init(_ text: String, dialect: JSONPath.Dialect? = nil) {
        let text = QueryText(text)
        if dialect != .legacy {
            readings[.rfc9535] = Reading { () throws(JSONPathError.Fault) in
                JSONPath(.rfc9535, try text.asRFC9535(allowsBareName: dialect == nil))
            }
        }
        if dialect != .rfc9535 {
            readings[.legacy] = Reading { () throws(JSONPathError.Fault) in
                JSONPath(.legacy, try text.asLegacy())
            }
        }
        let standard = try? readings[.rfc9535]?.get()
        let legacy = try? readings[.legacy]?.get()
        if let standard, !standard.hasFilter || legacy == nil {
            chosen = .rfc9535
        } else {
            chosen = legacy?.dialect
        }
    }

    /// What the grammar of a dialect makes of the text; `nil` if it was not to be tried.
    package subscript(dialect: JSONPath.Dialect) -> Reading? { readings[dialect] }
}

/// The results of a query, as far as they were wanted and could be found.
package struct JSONPathFindings: Sendable {
    /// The first results.
    package private(set) var nodes: [JSONPathNode] = []
    /// How many results were found in all.
    package private(set) var count = 0
    /// Whether the evaluation came to its end. If not, its budget was spent.
    package private(set) var isComplete = false

    /// - Parameter limit: the most results that are kept. The others are only counted.
    init(_ program: Program, in document: JSONPathDocument, keeping limit: Int, budget: Int) {
        var evaluator = Evaluator(program, on: document, budget: budget)
        var walk = evaluator.begin(program.main, at: 0)
        do throws(JSONPathBudgetExceeded) {
            while let node = try evaluator.next(&walk) {
                count += 1
                guard nodes.count < limit else { continue }
                let path = evaluator.path(to: node)
                nodes.append(JSONPathNode(value: evaluator.json(node, in: document), path: path))
                try evaluator.budget.spend(16 + 8 * path.count)
            }
            isComplete = true
        } catch {
            // What was found until then counts.
        }
    }
}
