/// An I-Regexp (RFC 9485), compiled for a simulation that needs time linear in the text.
///
/// `^` and `$` stand for the beginning and the end, where the grammar alone would have them be ordinary characters: the
/// compliance suite has them so, as do the engines that I-Regexps are translated to (RFC 9485, 5).
struct RegularExpression: Sendable {
    var steps: [Step] = []
    var classes: [ScalarClass] = []
    /// Whether a part of the text suffices.
    let isSearch: Bool

    /// Steps of one expression, or of all those that are literals of one query.
    static let sizeLimit = 4096
    struct TooLarge: Error {}

    enum Step {
        case scalar(UInt32)
        case scalarClass(UInt32)
        /// Goes on at the beginning of the text, or at its end, alone.
        case beginning
        case end
        /// Goes on at both.
        case split(UInt32, UInt32)
        case jump(UInt32)
        case accept
    }

    /// `nil` where the pattern is not valid.
    ///
    /// - Parameter limit: steps it may come to.
    init?(_ pattern: String, isSearch: Bool, limit: Int = sizeLimit) throws(TooLarge) {
        self.isSearch = isSearch
        var parser = RegularExpressionParser(pattern)
        guard let node = parser.expression() else { return nil }
        guard node.size(within: limit) < limit else { throw TooLarge() }
        add(node)
        steps.append(.accept)
    }

    /// What is kept, in steps.
    var size: Int { steps.count + classes.reduce(0) { $0 + $1.ranges.count } }
}

// From the tree to steps.
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

/// A regular expression as it is written.
indirect enum RegularExpressionNode {
    case scalar(Unicode.Scalar)
    case beginning
    case end
    case scalarClass(ScalarClass)
    case sequence([RegularExpressionNode])
    case alternatives([RegularExpressionNode])
    case repetition(RegularExpressionNode, atLeast: Int, atMost: Int?)

    /// Steps needed, or more than `limit` where they are. What is empty counts, too, so that no
    /// repetition of it takes long.
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
