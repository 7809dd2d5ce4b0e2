/// Something that a document must have: a value at a path from the root, and possibly a certain string there. If the
/// path leads to many values, one of them is enough.
///
/// If members have the same name, the last one counts. Names and strings are equal if their scalars are.
package struct JSONPathRequirement: Equatable, Sendable {
    package enum Step: Equatable, Sendable {
        case member(String)
        /// Any member's value, or any element.
        case child
        /// The value itself, or anything in it, however deep. No path has two of these.
        case descendant
    }

    package let path: [Step]
    package let value: String?
}

/// Finds what a document must have for a query to have a result.
///
/// It follows selectors as far as their results are certain, and looks into filters. Where it is not certain, it
/// requires nothing.
struct Requirements {
    private let program: Program

    typealias Reference = Program.Reference
    private typealias Alternatives = [JSONPathRequirement]
    private typealias Path = [JSONPathRequirement.Step]

    /// More alternatives than this do not help an index.
    private static let limit = 32
    /// Longer paths do not help it either.
    private static let lengthLimit = 32

    init(_ program: Program) { self.program = program }

    func ofQuery() -> [JSONPathRequirement]? { of(query: program.main, at: nil) }

    /// The requirement for a query to have a node.
    ///
    /// - Parameter current: the path of the node that a filter tests, if it is certain.
    private func of(query reference: Reference, at current: Path?) -> Alternatives? {
        let query = program.query(reference)
        guard var path = query.isAbsolute ? [] : current else { return nil }
        var best: Alternatives?
        var next = query.first
        while next != Program.none {
            let segment = program.segment(next)
            guard segment.selectors.count == 1, let start = start(of: segment, at: path),
                let step = step(program.lists[Int(segment.selectors.first)], at: start)
            else { break }
            path = step.path
            best = better(best, step.alternatives)
            next = segment.next
        }
        if next != Program.none { best = better(best, ofAny(program.segment(next), at: path)) }
        return better(best, existence(at: path))
    }

    /// The requirement that there is a value at a path; `nil` for a path that every document has.
    private func existence(at path: Path) -> Alternatives? {
        path.isEmpty || path == [.descendant] ? nil : [.init(path: path, value: nil)]
    }

    /// The path at which a segment's selectors begin.
    private func start(of segment: Program.Segment, at path: Path) -> Path? {
        guard segment.descends else { return path }
        return path.contains(.descendant) ? nil : path + [.descendant]
    }

    /// The path that a selector leads to, and the requirement of its filter.
    private func step(_ selector: Reference, at path: Path) -> (path: Path, alternatives: Alternatives?)? {
        guard path.count < Requirements.lengthLimit else { return nil }
        switch program[selector] {
        case .name(let name): return (path + [.member(program.names[Int(name)])], nil)
        case .index, .slice, .wildcard: return (path + [.child], nil)
        case .selfFilter(let expression): return (path, of(expression: expression, at: path))
        case .filter(let expression):
            return (path + [.child], of(expression: expression, at: path + [.child]))
        default: return nil
        }
    }

    /// The requirement for one of several selectors to find something.
    private func ofAny(_ segment: Program.Segment, at path: Path) -> Alternatives? {
        guard let start = start(of: segment, at: path) else { return nil }
        return union(
            program.references(segment.selectors).map { selector in
                step(selector, at: start).flatMap { better($0.alternatives, existence(at: $0.path)) }
            })
    }

    private func of(expression reference: Reference, at current: Path?) -> Alternatives? {
        switch program[reference] {
        case .and(let operands):
            program.references(operands).reduce(nil) { better($0, of(expression: $1, at: current)) }
        case .or(let operands): union(program.references(operands).map { of(expression: $0, at: current) })
        case .exists(let query): of(query: query, at: current)
        case .comparison(.equal, let left, let right): ofEquality(left, right, at: current)
        case .anyComparison(let comparison, let left, let right):
            // Each side needs a value, or nothing is compared.
            better(
                comparison == .equal ? ofEquality(left, right, at: current) : nil,
                better(of(operand: left, at: current), of(operand: right, at: current)))
        default: nil
        }
    }

    private func of(operand: Reference, at current: Path?) -> Alternatives? {
        guard case .query = program[operand] else { return nil }
        return of(query: operand, at: current)
    }

    /// The requirement of an equality between a singular query and a string literal.
    private func ofEquality(_ left: Reference, _ right: Reference, at current: Path?) -> Alternatives? {
        for (query, literal) in [(left, right), (right, left)] {
            guard let path = path(query, at: current), case .constant(let node) = program[literal] else { continue }
            guard case .string(let text) = program.constants.nodes[Int(node)].value else { continue }
            return [.init(path: path, value: program.constants.string(text))]
        }
        return nil
    }

    private func path(_ reference: Reference, at current: Path?) -> Path? {
        guard case .query(let query) = program[reference], query.isSingular,
            var path = query.isAbsolute ? [] : current
        else { return nil }
        var next = query.first
        while next != Program.none {
            let segment = program.segment(next)
            guard segment.selectors.count == 1, let start = start(of: segment, at: path),
                let step = step(program.lists[Int(segment.selectors.first)], at: start)
            else { return nil }
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

    /// The one that probably fewer documents meet: requirements of strings before those of members only; among those of
    /// strings, fewer alternatives; among those of members, longer paths.
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
    /// Compares scalars: `==` would also accept canonically equivalent texts.
    fileprivate func isSame(as other: JSONPathRequirement) -> Bool {
        guard path.count == other.path.count else { return false }
        guard zip(path, other.path).allSatisfy({ $0.isSame(as: $1) }) else { return false }
        guard let value, let otherValue = other.value else { return value == nil && other.value == nil }
        return value.hasScalars(of: otherValue)
    }
}

extension JSONPathRequirement.Step {
    fileprivate func isSame(as other: Self) -> Bool {
        switch (self, other) {
        case (.member(let name), .member(let otherName)): name.hasScalars(of: otherName)
        default: self == other
        }
    }
}
