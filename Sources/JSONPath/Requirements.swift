/// Something that a document has: a member at a path of names from the root, and perhaps a string there.
///
/// Of members of one name the last counts, and names and strings are equal where their scalars are.
package struct JSONPathRequirement: Equatable, Sendable {
    package let path: [String]
    package let value: String?
}

/// Finds what a document must have for a query to have a result.
///
/// It follows names as far as they are sure, and looks into filters. What it does not know, it says nothing of.
struct Requirements {
    private let program: Program

    typealias Reference = Program.Reference
    private typealias Alternatives = [JSONPathRequirement]

    /// More alternatives than these are no help to an index.
    private static let limit = 32
    /// Nor are longer paths.
    private static let lengthLimit = 32

    init(_ program: Program) { self.program = program }

    func ofQuery() -> [JSONPathRequirement]? { of(query: program.main, at: nil) }

    /// What it takes for a query to have a node.
    ///
    /// - Parameter current: where the node is that a filter looks at, if that is sure.
    private func of(query reference: Reference, at current: [String]?) -> Alternatives? {
        let query = program.query(reference)
        guard var path = query.isAbsolute ? [] : current else { return nil }
        var best: Alternatives?
        var next = query.first
        while next != Program.none {
            let segment = program.segment(next)
            guard !segment.descends, let step = step(segment, at: path) else { break }
            path = step.path
            best = better(best, step.alternatives)
            next = segment.next
        }
        if next != Program.none { best = better(best, ofAny(program.segment(next), at: path)) }
        return better(best, path.isEmpty ? nil : [.init(path: path, value: nil)])
    }

    /// Where a segment of one selector leads, if that is one place.
    private func step(
        _ segment: Program.Segment, at path: [String]
    ) -> (path: [String], alternatives: Alternatives?)? {
        guard segment.selectors.count == 1, path.count < Requirements.lengthLimit else { return nil }
        switch program[program.lists[Int(segment.selectors.first)]] {
        case .name(let name): return (path + [program.names[Int(name)]], nil)
        case .selfFilter(let expression): return (path, of(expression: expression, at: path))
        default: return nil
        }
    }

    /// What it takes for one of several selectors to find something, or for one that leads to many places.
    private func ofAny(_ segment: Program.Segment, at path: [String]) -> Alternatives? {
        guard !segment.descends else { return nil }
        return union(
            program.references(segment.selectors).map { selector in
                switch program[selector] {
                case .name(let name): [.init(path: path + [program.names[Int(name)]], value: nil)]
                case .selfFilter(let expression): of(expression: expression, at: path)
                case .filter(let expression): of(expression: expression, at: nil)
                default: nil
                }
            })
    }

    private func of(expression reference: Reference, at current: [String]?) -> Alternatives? {
        switch program[reference] {
        case .and(let operands):
            program.references(operands).reduce(nil) { better($0, of(expression: $1, at: current)) }
        case .or(let operands): union(program.references(operands).map { of(expression: $0, at: current) })
        case .exists(let query): of(query: query, at: current)
        case .comparison(.equal, let left, let right): ofEquality(left, right, at: current)
        case .anyComparison(let comparison, let left, let right):
            // Without a value on either side there is nothing that compares.
            better(
                comparison == .equal ? ofEquality(left, right, at: current) : nil,
                better(of(operand: left, at: current), of(operand: right, at: current)))
        default: nil
        }
    }

    private func of(operand: Reference, at current: [String]?) -> Alternatives? {
        guard case .query = program[operand] else { return nil }
        return of(query: operand, at: current)
    }

    /// Names that lead to one place, and a string literal.
    private func ofEquality(_ left: Reference, _ right: Reference, at current: [String]?) -> Alternatives? {
        for (query, literal) in [(left, right), (right, left)] {
            guard let path = path(query, at: current), case .constant(let node) = program[literal] else { continue }
            guard case .string(let text) = program.constants.nodes[Int(node)].value else { continue }
            return [.init(path: path, value: program.constants.string(text))]
        }
        return nil
    }

    private func path(_ reference: Reference, at current: [String]?) -> [String]? {
        guard case .query(let query) = program[reference], query.isSingular,
            var path = query.isAbsolute ? [] : current
        else { return nil }
        var next = query.first
        while next != Program.none {
            let segment = program.segment(next)
            guard let step = step(segment, at: path) else { return nil }
            path = step.path
            next = segment.next
        }
        return path.isEmpty ? nil : path
    }

    private func union(_ parts: [Alternatives?]) -> Alternatives? {
        var union: Alternatives = []
        for part in parts {
            guard let part else { return nil }
            for requirement in part where !union.contains(where: { $0.isSame(as: requirement) }) {
                union.append(requirement)
            }
            guard union.count <= Requirements.limit else { return nil }
        }
        return union
    }

    /// The one that fewer documents meet, as far as can be guessed: strings before mere members; of strings fewer
    /// alternatives, of members longer paths.
    private func better(_ left: Alternatives?, _ right: Alternatives?) -> Alternatives? {
        guard let left else { return right }
        guard let right else { return left }
        func rank(_ alternatives: Alternatives) -> (Int, Int, Int) {
            let shortness = -(alternatives.map(\.path.count).min() ?? 0)
            guard alternatives.allSatisfy({ $0.value != nil }) else { return (1, shortness, alternatives.count) }
            return (0, alternatives.count, shortness)
        }
        return rank(right) < rank(left) ? right : left
    }
}

extension JSONPathRequirement {
    /// `==` would also take canonically equivalent texts for the same.
    fileprivate func isSame(as other: JSONPathRequirement) -> Bool {
        guard path.count == other.path.count else { return false }
        guard zip(path, other.path).allSatisfy({ $0.hasScalars(of: $1) }) else { return false }
        guard let value, let otherValue = other.value else { return value == nil && other.value == nil }
        return value.hasScalars(of: otherValue)
    }
}
