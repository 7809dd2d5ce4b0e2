/// A query as it is evaluated: instructions that refer to one another by number. It is small, since very many are kept.
struct Program: Sendable {
    typealias Reference = UInt32

    var instructions: [Instruction] = []
    /// Runs of references to instructions: the selectors of a segment, the operands of an `and`.
    var lists: [Reference] = []
    /// Member names that are asked for.
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
        /// Of at most one value on each side, as RFC 9535 compares.
        case comparison(Comparison, Reference, Reference)
        /// Of any number of values on each side, as the legacy dialect compares.
        case anyComparison(Comparison, Reference, Reference)
        /// A regular expression known beforehand.
        case match(Reference, expression: UInt32)
        /// A regular expression that the document or a literal gives.
        case dynamicMatch(Reference, Reference, isSearch: Bool)

        // Values beside queries.
        case constant(UInt32)
        case length(Reference)
        case count(Reference)
        case value(Reference)
    }

    struct Query {
        /// From the root of the document, or else from the node that a filter looks at.
        var isAbsolute: Bool
        /// Names and indices alone: at most one node.
        var isSingular: Bool
        /// The first segment, or `none`.
        var first: Reference
    }

    struct Segment {
        var descends: Bool
        /// Selectors are among its own that find something in a value that holds nothing.
        var visitsLeaves: Bool
        var next: Reference
        var selectors: List
    }

    /// Bounds are held within 32 bits, which no array exceeds.
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
        guard case .query(let query) = self[reference] else { preconditionFailure("a query was expected") }
        return query
    }

    func segment(_ reference: Reference) -> Segment {
        guard case .segment(let segment) = self[reference] else { preconditionFailure("a segment was expected") }
        return segment
    }
}
