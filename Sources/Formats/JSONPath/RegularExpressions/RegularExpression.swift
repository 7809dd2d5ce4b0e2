/// An I-Regexp (RFC 9485), compiled for a simulation that needs time linear in the text.
///
/// `^` and `$` mean the beginning and the end of the text, though in the grammar they are ordinary characters: the
/// compliance suite expects this, as do the engines that I-Regexps are translated to (RFC 9485, 5).
struct RegularExpression: Sendable {
    var steps: [Step] = []
    var classes: [ScalarClass] = []
    /// Whether it is enough if a part of the text matches.
    let isSearch: Bool

    /// The most steps of one expression, or of all literal expressions of one query together.
    static let sizeLimit = 4096
    struct TooLarge: Error {}

    enum Step {
        case scalar(UInt32)
        case scalarClass(UInt32)
        /// Continues only at the beginning of the text; `end`, only at its end.
        case beginning
        case end
        /// Continues at both steps.
        case split(UInt32, UInt32)
        case jump(UInt32)
        case accept
    }

    /// Compiles a pattern; `nil` if it is not valid.
    ///
    /// - Parameter limit: the most steps that the expression may have.
    init?(_ pattern: String, isSearch: Bool, limit: Int = sizeLimit) throws(TooLarge) {
        self.isSearch = isSearch
        var parser = RegularExpressionParser(pattern)
        guard let node = parser.expression() else { return nil }
        guard node.size(within: limit) < limit else { throw TooLarge() }
        add(node)
        steps.append(.accept)
    }

    /// The size of the compiled expression, in steps.
    var size: Int { steps.count + classes.reduce(0) { $0 + $1.ranges.count } }
}

// Compiling the tree to steps.
extension RegularExpression {
    private var here: UInt32 { UInt32(steps.count) }

    private mutating func add(_ node: RegularExpressionNode) {
        switch node {
        case .scalar(let scalar): steps.append(.scalar(scalar.value))
        case .beginning: steps.append(.beginning)
        case .end: steps.append(.end)
        case .scalarClass(let scalarClass):
            classes.append(scalarClass)
            steps.append(.scalarClass(UInt32(classes.count - 1)))
        case .sequence(let nodes): for node in nodes { add(node) }
        case .alternatives(let nodes): add(alternatives: nodes)
        case .repetition(let node, let least, let most): add(node, atLeast: least, atMost: most)
        }
    }

    private mutating func add(alternatives nodes: [RegularExpressionNode]) {
        var jumps: [Int] = []
        for (index, node) in nodes.enumerated() {
            let split = steps.count
            let isLast = index == nodes.count - 1
            if !isLast { steps.append(.split(here + 1, 0)) }
            add(node)
            guard !isLast else { break }
            jumps.append(steps.count)
            steps.append(.jump(0))
            steps[split] = .split(UInt32(split) + 1, here)
        }
        for jump in jumps { steps[jump] = .jump(here) }
    }

    private mutating func add(_ node: RegularExpressionNode, atLeast least: Int, atMost most: Int?) {
        for _ in 0..<least { add(node) }
        guard let most else {
            let split = here
            steps.append(.split(split + 1, 0))
            add(node)
            steps.append(.jump(split))
            steps[Int(split)] = .split(split + 1, here)
            return
        }
        var splits: [Int] = []
        for _ in 0..<max(most - least, 0) {
            splits.append(steps.count)
            steps.append(.split(here + 1, 0))
            add(node)
        }
        for split in splits { steps[split] = .split(UInt32(split) + 1, here) }
    }
}

/// A regular expression as a syntax tree.
indirect enum RegularExpressionNode {
    case scalar(Unicode.Scalar)
    case beginning
    case end
    case scalarClass(ScalarClass)
    case sequence([RegularExpressionNode])
    case alternatives([RegularExpressionNode])
    case repetition(RegularExpressionNode, atLeast: Int, atMost: Int?)

    /// The number of steps needed, or a number above `limit` if it is exceeded. Empty parts count too, so that repeating
    /// one cannot take long.
    func size(within limit: Int) -> Int {
        switch self {
        case .scalar, .beginning, .end: 1
        case .scalarClass(let scalarClass): 1 + scalarClass.ranges.count
        case .sequence(let nodes): RegularExpressionNode.sum(nodes, within: limit)
        case .alternatives(let nodes): RegularExpressionNode.sum(nodes, within: limit) + 2 * nodes.count
        case .repetition(let node, let least, let most):
            min(min(most ?? least + 1, limit + 1) * (node.size(within: limit) + 2), limit + 1)
        }
    }

    private static func sum(_ nodes: [RegularExpressionNode], within limit: Int) -> Int {
        var sum = 1
        for node in nodes where sum <= limit { sum += node.size(within: limit) }
        return sum
    }
}
