package import JSON

/// A JSONPath query, compiled: of RFC 9535, or of the legacy dialect of jsonpath2.
package struct JSONPath: Sendable {
    package let dialect: Dialect
    /// Whether the query has a filter.
    let hasFilter: Bool
    private let compiled: Compiled

    package enum Dialect: String, Sendable, CaseIterable {
        case legacy
        case rfc9535
    }

    /// A class, so that a query is cheap to pass on.
    private final class Compiled: Sendable {
        let program: Program

        init(_ program: Program) { self.program = program }
    }

    /// The longest text of a query, in bytes. Longer ones are refused.
    package static let lengthLimit = 65536

    /// The default number of steps that an evaluation may take; `DESIGN.md` says how much time that is.
    package static let defaultBudget = 5_000_000

    /// Reads a query.
    ///
    /// - Parameter dialect: `nil` takes the grammar that accepts the text. If both do, it takes the legacy dialect for a
    ///   query with a filter, as the meanings differ there and stored queries rely on theirs, and RFC 9535 for any other
    ///   query. Unless RFC 9535 is given, a leading name means a member of the root: `data` is `$.data`.
    package init(parsing text: String, dialect: Dialect? = nil) throws(JSONPathError) {
        let text = QueryText(text)
        switch dialect {
        case .rfc9535:
            do { self.init(.rfc9535, try text.asRFC9535(allowsBareName: false)) } catch {
                throw JSONPathError(legacy: nil, rfc9535: error)
            }
        case .legacy:
            do { self.init(.legacy, try text.asLegacy()) } catch { throw JSONPathError(legacy: error, rfc9535: nil) }
        case nil: self = try JSONPath.choosing(text)
        }
    }

    private static func choosing(_ text: QueryText) throws(JSONPathError) -> JSONPath {
        let fault: JSONPathError.Fault
        do {
            let standard = try text.asRFC9535(allowsBareName: true)
            if standard.hasFilter, let legacy = try? text.asLegacy() { return JSONPath(.legacy, legacy) }
            return JSONPath(.rfc9535, standard)
        } catch {
            fault = error
        }
        do { return JSONPath(.legacy, try text.asLegacy()) } catch {
            throw JSONPathError(legacy: error, rfc9535: fault)
        }
    }

    init(_ dialect: Dialect, _ outcome: ProgramBuilder.Outcome) {
        self.dialect = dialect
        hasFilter = outcome.hasFilter
        compiled = Compiled(outcome.program)
    }

    /// Whether the query has a result. Evaluation stops at the first one.
    package func matches(
        _ document: JSONPathDocument, budget: Int = defaultBudget
    ) throws(JSONPathBudgetExceeded) -> Bool {
        var evaluator = Evaluator(compiled.program, on: document, budget: budget)
        var walk = evaluator.begin(compiled.program.main, at: 0)
        return try evaluator.next(&walk) != nil
    }

    /// The query's first result; `nil` if it has none.
    /// - Parameter steps: the budget that this evaluation shares with others. The steps that it takes are subtracted.
    package func firstValue(
        in document: JSONPathDocument, spending steps: inout Int
    ) throws(JSONPathBudgetExceeded) -> JSON? {
        var evaluator = Evaluator(compiled.program, on: document, budget: steps)
        defer { steps = evaluator.budget.left }
        var walk = evaluator.begin(compiled.program.main, at: 0)
        return try evaluator.next(&walk).map { evaluator.json($0, in: document) }
    }

    /// The query's results, in its order, repetitions included.
    package func values(
        in document: JSONPathDocument, budget: Int = defaultBudget
    ) throws(JSONPathBudgetExceeded) -> [JSON] {
        var values: [JSON] = []
        try forEachResult(in: document, budget) { evaluator, node throws(JSONPathBudgetExceeded) in
            try evaluator.budget.spend(4)
            values.append(evaluator.json(node, in: document))
        }
        return values
    }

    /// The query's results and their paths.
    package func nodes(
        in document: JSONPathDocument, budget: Int = defaultBudget
    ) throws(JSONPathBudgetExceeded) -> [JSONPathNode] {
        var nodes: [JSONPathNode] = []
        try forEachResult(in: document, budget) { evaluator, node throws(JSONPathBudgetExceeded) in
            let path = evaluator.path(to: node)
            try evaluator.budget.spend(16 + 8 * path.count)
            nodes.append(JSONPathNode(value: evaluator.json(node, in: document), path: path))
        }
        return nodes
    }

    /// The query's first results and their paths, and the number of all.
    package func findings(
        in document: JSONPathDocument, keeping limit: Int, budget: Int = defaultBudget
    ) -> JSONPathFindings {
        JSONPathFindings(compiled.program, in: document, keeping: limit, budget: budget)
    }

    private func forEachResult(
        in document: JSONPathDocument, _ budget: Int,
        _ take: (inout Evaluator, UInt32) throws(JSONPathBudgetExceeded) -> Void
    ) throws(JSONPathBudgetExceeded) {
        var evaluator = Evaluator(compiled.program, on: document, budget: budget)
        var walk = evaluator.begin(compiled.program.main, at: 0)
        while let node = try evaluator.next(&walk) { try take(&evaluator, node) }
    }

    /// Alternatives of which every document meets at least one if the query has a result in it; `nil` if none are known.
    package var requirement: [JSONPathRequirement]? { Requirements(compiled.program).ofQuery() }
}

/// The text of a query, for both grammars.
struct QueryText {
    private let text: [UInt8]
    /// Whether the text begins with a name, which means that `$.` is to be added before it.
    private let isBare: Bool

    init(_ text: String) {
        self.text = Array(text.utf8)
        isBare = self.text.first.map { $0.isLetter || $0 == UInt8(ascii: "_") || $0 >= 0x80 } ?? false
    }

    func asLegacy() throws(JSONPathError.Fault) -> ProgramBuilder.Outcome {
        try read(isBare, LegacyParser.read)
    }

    func asRFC9535(allowsBareName: Bool) throws(JSONPathError.Fault) -> ProgramBuilder.Outcome {
        try read(isBare && allowsBareName, RFC9535Parser.read)
    }

    private func read(
        _ isBare: Bool, _ parse: ([UInt8]) throws(JSONPathError.Fault) -> ProgramBuilder.Outcome
    ) throws(JSONPathError.Fault) -> ProgramBuilder.Outcome {
        guard text.count <= JSONPath.lengthLimit else {
            throw JSONPathError.Fault("longer than \(JSONPath.lengthLimit) bytes", at: JSONPath.lengthLimit, in: text)
        }
        let prefix: [UInt8] = isBare ? [UInt8(ascii: "$"), UInt8(ascii: ".")] : []
        do { return try parse(prefix + text) } catch {
            guard isBare else { throw error }
            throw JSONPathError.Fault(error.reason, at: max(error.offset - prefix.count, 0), in: text)
        }
    }
}
