/// One evaluation of a query on a document.
///
/// A query's state is a stack of frames, of which those of queries in filters lie on top; nothing here recurses but the
/// expressions of filters, which are nested as deep as their text is.
struct Evaluator {
    let program: Program
    let document: Tree
    var budget: Budget
    /// Nodes that functions of the legacy dialect made; their numbers follow those of the document.
    var made: [MadeNode] = []
    private var frames: [Frame] = []
    /// Results of a selector that finds them all at once, in frames' order.
    private var found: [UInt32] = []
    /// For each name of the program, its number in the document.
    private let names: [UInt32?]
    private let nameNumbers: [MemberName: UInt32]
    private(set) var matcher = RegularExpressionMatcher()

    typealias Reference = Program.Reference
    typealias Exceeded = JSONPathBudgetExceeded

    struct MadeNode {
        var node: Tree.Node
        /// The node of the document that it shows, if it does.
        var original: UInt32?
    }

    /// A segment at work on a node.
    private struct Frame {
        var node: UInt32
        var segment: Reference
        /// Of the segment's selectors; past them, the children are descended to.
        var selector: UInt32 = 0
        /// How far the selector is.
        var position: UInt32 = 0
        /// Where this frame's part of `found` begins.
        var foundStart: UInt32
    }

    init(_ program: Program, on document: JSONPathDocument, budget: Int) {
        self.program = program
        self.document = document.tree
        self.budget = Budget(steps: budget)
        nameNumbers = document.nameNumbers
        names = program.names.map { document.nameNumbers[MemberName(text: $0)] }
    }

    func node(_ number: UInt32) -> Tree.Node {
        let count = UInt32(document.nodes.count)
        return number < count ? document.nodes[Int(number)] : made[Int(number - count)].node
    }

    func value(_ number: UInt32) -> Value { node(number).value }

    // MARK: Walking

    /// What is needed to take up a query and to leave it.
    struct Walk {
        fileprivate var frameCount: Int
        fileprivate var madeCount: Int
        /// The one node of a query without segments.
        fileprivate var start: UInt32?
    }

    /// Begins a query. Walks end in the reverse of the order in which they begin.
    mutating func begin(_ reference: Reference, at current: UInt32) -> Walk {
        let query = program.query(reference)
        let start = query.isAbsolute ? 0 : current
        let walk = Walk(
            frameCount: frames.count, madeCount: made.count, start: query.first == Program.none ? start : nil)
        if query.first != Program.none { push(start, query.first) }
        return walk
    }

    mutating func end(_ walk: Walk) {
        if frames.count > walk.frameCount {
            found.removeSubrange(Int(frames[walk.frameCount].foundStart)...)
            frames.removeSubrange(walk.frameCount...)
        }
        made.removeSubrange(walk.madeCount...)
    }

    /// The query's next node.
    mutating func next(_ walk: inout Walk) throws(Exceeded) -> UInt32? {
        if let start = walk.start {
            walk.start = nil
            try budget.spend(1)
            return start
        }
        while frames.count > walk.frameCount {
            try budget.spend(1)
            let top = frames.count - 1
            let segment = program.segment(frames[top].segment)
            if frames[top].selector < segment.selectors.count {
                guard let child = try select(top, segment) else { continue }
                if segment.next == Program.none { return child }
                push(child, segment.next)
            } else if !segment.descends || !descend(top, segment) {
                frames.removeLast()
            }
        }
        return nil
    }

    private mutating func push(_ node: UInt32, _ segment: Reference) {
        frames.append(Frame(node: node, segment: segment, foundStart: UInt32(found.count)))
    }

    /// Goes on to the next child, and says whether there is one.
    private mutating func descend(_ top: Int, _ segment: Program.Segment) -> Bool {
        guard let children = value(frames[top].node).children, frames[top].position < children.count else {
            return false
        }
        let child = children.first + frames[top].position
        frames[top].position += 1
        if segment.visitsLeaves || value(child).isContainer { push(child, frames[top].segment) }
        return true
    }

    private mutating func finishSelector(_ top: Int) {
        frames[top].selector += 1
        frames[top].position = 0
    }

    /// The next node of the frame's selector. Without one, the selector may have ended, and the next is to be asked.
    private mutating func select(_ top: Int, _ segment: Program.Segment) throws(Exceeded) -> UInt32? {
        let frame = frames[top]
        let selector = program.lists[Int(segment.selectors.first + frame.selector)]
        switch program[selector] {
        case .name(let name):
            finishSelector(top)
            return try member(name, of: frame.node)
        case .index(let index):
            finishSelector(top)
            return element(index, of: frame.node)
        case .wildcard: return nextChild(top)
        case .slice(let slice): return nextElement(top, of: slice)
        case .filter(let expression):
            guard let child = nextChild(top) else { return nil }
            return try holds(expression, at: child) ? child : nil
        case .selfFilter(let expression):
            finishSelector(top)
            return try holds(expression, at: frame.node) ? frame.node : nil
        case .lookup(let query):
            if frame.position == 0 { try lookUp(query, at: frame.node) }
            return nextFound(top)
        case .subscriptFunction(let function, let arguments):
            if frame.position == 0 { try call(function, arguments, on: frame.node) }
            return nextFound(top)
        default: preconditionFailure("no selector")
        }
    }

    private mutating func nextChild(_ top: Int) -> UInt32? {
        guard let children = value(frames[top].node).children, frames[top].position < children.count else {
            finishSelector(top)
            return nil
        }
        defer { frames[top].position += 1 }
        return children.first + frames[top].position
    }

    private mutating func nextElement(_ top: Int, of slice: Program.Slice) -> UInt32? {
        guard case .array(let elements) = value(frames[top].node),
            let position = slice.position(Int(frames[top].position), count: Int(elements.count))
        else {
            finishSelector(top)
            return nil
        }
        frames[top].position += 1
        return elements.first + UInt32(position)
    }

    /// Position 0 says that nothing has been looked for yet.
    private mutating func nextFound(_ top: Int) -> UInt32? {
        let next = frames[top].foundStart + frames[top].position
        guard next < found.count else {
            found.removeSubrange(Int(frames[top].foundStart)...)
            finishSelector(top)
            return nil
        }
        frames[top].position += 1
        return found[Int(next)]
    }

    // MARK: Selecting

    mutating func member(_ name: UInt32, of node: UInt32) throws(Exceeded) -> UInt32? {
        guard let wanted = names[Int(name)], case .object(let members) = value(node) else { return nil }
        return try member(wanted, of: members)
    }

    private mutating func member(_ name: UInt32, of members: Value.Children) throws(Exceeded) -> UInt32? {
        for child in members.range where document.nodes[Int(child)].key == name {
            try budget.spend(Int(child - members.first) / 4)
            return child
        }
        try budget.spend(Int(members.count) / 4)
        return nil
    }

    func element(_ index: Int32, of node: UInt32) -> UInt32? {
        guard case .array(let elements) = value(node) else { return nil }
        let position = index < 0 ? Int(index) + Int(elements.count) : Int(index)
        return (0..<Int(elements.count)).contains(position) ? elements.first + UInt32(position) : nil
    }

    /// The node of a query that has at most one.
    mutating func singleNode(_ query: Program.Query, at current: UInt32) throws(Exceeded) -> UInt32? {
        var node = query.isAbsolute ? 0 : current
        var next = query.first
        while next != Program.none {
            try budget.spend(1)
            let segment = program.segment(next)
            let child: UInt32? =
                switch program[program.lists[Int(segment.selectors.first)]] {
                case .name(let name): try member(name, of: node)
                case .index(let index): element(index, of: node)
                default: preconditionFailure("not a singular query")
                }
            guard let child else { return nil }
            node = child
            next = segment.next
        }
        return node
    }

    /// The children that the results of a query name: an element's position, or a member's name.
    private mutating func lookUp(_ query: Reference, at node: UInt32) throws(Exceeded) {
        var results: [UInt32] = []
        var walk = begin(query, at: node)
        while let result = try next(&walk) {
            try budget.spend(1)
            switch (value(result), value(node)) {
            case (let index, .array):
                if let child = index.subscriptIndex.flatMap({ element($0, of: node) }) { results.append(child) }
            case (.string(let text), .object(let members)):
                try budget.spend(bytes: Int(text.count))
                let name = String(decoding: bytes(of: text), as: UTF8.self)
                guard let number = nameNumbers[MemberName(text: name)] else { continue }
                if let child = try member(number, of: members) { results.append(child) }
            default: break
            }
        }
        end(walk)
        found += results
    }

    mutating func addFound(_ node: UInt32) { found.append(node) }

    // MARK: Text

    func bytes(of text: Value.Text) -> ArraySlice<UInt8> {
        switch text.pool {
        case .document: document.bytes(of: text)
        case .constants: program.constants.bytes(of: text)
        }
    }

    mutating func matches(_ expression: RegularExpression, _ text: Value.Text) throws(Exceeded) -> Bool {
        try matcher.matches(expression, bytes(of: text), &budget)
    }
}

extension Value {
    /// The value as a position: whole numbers, and the truth values that count as 1 and 0.
    var subscriptIndex: Int32? {
        switch self {
        case .integer(let value, isPlain: true): Int32(clamping: value)
        case .boolean(let value): value ? 1 : 0
        default: nil
        }
    }
}

extension Program.Slice {
    /// The slice's result of that number in an array of so many, where it has one (RFC 9535, 2.3.4.2).
    func position(_ number: Int, count: Int) -> Int? {
        func bound(_ bound: Int32, absent: Int, in range: ClosedRange<Int>) -> Int {
            guard bound != Program.Slice.absent else { return absent }
            let normal = bound < 0 ? Int(bound) + count : Int(bound)
            return min(max(normal, range.lowerBound), range.upperBound)
        }
        let step = Int(step)
        if step > 0 {
            let lower = bound(start, absent: 0, in: 0...count)
            let upper = bound(end, absent: count, in: 0...count)
            let position = lower + number * step
            return position < upper ? position : nil
        }
        guard step < 0 else { return nil }
        let upper = bound(start, absent: count - 1, in: -1...(count - 1))
        let lower = bound(end, absent: -1, in: -1...(count - 1))
        let position = upper + number * step
        return position > lower ? position : nil
    }
}
