/// A compiled query: instructions that refer to one another by number. It is small, as very many are kept in memory.
struct Program: Sendable {
    typealias Reference = UInt32

    var instructions: [Instruction] = []
    /// Runs of references to instructions: the selectors of a segment, the operands of an `and`.
    var lists: [Reference] = []
    /// The member names in the query.
    var names: [String] = []
    /// The values of literals.
    var constants = Tree()
    var expressions: [RegularExpression] = []
    /// The query itself.
    var main: Reference = 0

    struct List {
        var first: UInt32
        var count: UInt32
    }

    enum Instruction {
        case query(Query)
        case segment(Segment)

        // Selectors.
        case name(UInt32)
        case index(Int32)
        case slice(Slice)
        case wildcard
        /// Takes the children for which the expression holds.
        case filter(Reference)
        /// Takes the value itself if the expression holds for it.
        case selfFilter(Reference)
        /// Takes the children that the query's results name.
        case lookup(Reference)
        case subscriptFunction(SubscriptFunction, arguments: List)

        // Logical expressions.
        case or(List)
        case and(List)
        case not(Reference)
        case truth(Bool)
        case exists(Reference)
        /// A comparison of at most one value on each side, as in RFC 9535.
        case comparison(Comparison, Reference, Reference)
        /// A comparison of any number of values on each side, as in the legacy dialect.
        case anyComparison(Comparison, Reference, Reference)
        /// A match with a regular expression that is compiled in advance.
        case match(Reference, expression: UInt32)
        /// A match with a regular expression that is computed during the evaluation.
        case dynamicMatch(Reference, Reference, isSearch: Bool)

        // Values other than queries.
        case constant(UInt32)
        case length(Reference)
        case count(Reference)
        case value(Reference)
    }

    struct Query {
        /// Whether it starts at the root of the document. If not, it starts at the node that a filter tests.
        var isAbsolute: Bool
        /// Whether it has only names and indices, and so at most one node.
        var isSingular: Bool
        /// The first segment, or `none`.
        var first: Reference
    }

    struct Segment {
        var descends: Bool
        /// Whether a selector of the segment can find something in a value without children.
        var visitsLeaves: Bool
        var next: Reference
        var selectors: List
    }

    /// Bounds are clamped to 32 bits; no array is longer.
    struct Slice {
        var start: Int32
        var end: Int32
        var step: Int32

        static let absent = Int32.min
    }

    enum SubscriptFunction: UInt8, CaseIterable {
        case charAt, entries, keys, length, substring, values
    }

    enum Comparison: UInt8 {
        case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
    }

    static let none = Reference.max

    subscript(reference: Reference) -> Instruction { instructions[Int(reference)] }

    func references(_ list: List) -> ArraySlice<Reference> { lists[Int(list.first)..<Int(list.first + list.count)] }

    func query(_ reference: Reference) -> Query {
        guard case .query(let query) = self[reference] else { preconditionFailure("expected a query") }
        return query
    }

    func segment(_ reference: Reference) -> Segment {
        guard case .segment(let segment) = self[reference] else { preconditionFailure("expected a segment") }
        return segment
    }
}
