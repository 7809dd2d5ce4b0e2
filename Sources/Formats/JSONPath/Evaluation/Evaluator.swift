/// One evaluation of a query on a document.
///
/// The state of a query is a stack of frames; the frames of queries in its filters are on top. Only the expressions of
/// filters are evaluated recursively, and their text limits how deep they are nested.
struct Evaluator {
    let program: Program
    let document: Tree
    var budget: Budget
    /// Nodes made by functions of the legacy dialect. Their numbers follow those of the document.
    var made: [MadeNode] = []
    private var frames: [Frame] = []
    /// Results of selectors that find all of theirs at once, in the order of the frames.
    private var found: [UInt32] = []
    /// For each name of the program, the number of the same name in the document; `nil` if the document does not have
    /// it.
    private let names: [UInt32?]
    private let nameNumbers: [MemberName: UInt32]
    private(set) var matcher = RegularExpressionMatcher()

    typealias Reference = Program.Reference
    typealias Exceeded = JSONPathBudgetExceeded

    struct MadeNode {
        var node: Tree.Node
        /// The node of the document whose value this node has, if any.
        var original: UInt32?
    }

    /// The state of a segment that is applied to a node.
    private struct Frame {
        var node: UInt32
        var segment: Reference
        /// The index of the current selector in the segment; after the last one, the descent to the children follows.
        var selector: UInt32 = 0
        /// The position of the current selector, or of the descent, among the children or results.
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

    /// The state that is needed to continue a query and to end it.
    struct Walk {
        fileprivate var frameCount: Int
        fileprivate var madeCount: Int
        /// The only node of a query without segments.
        fileprivate var start: UInt32?
    }

    /// Begins a query. Walks must end in the reverse of the order in which they began.
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

    /// The query's next node; `nil` at its end.
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

    /// Goes on to the next child, and returns whether there is one.
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

    /// The next node of the frame's current selector. `nil` if this step found none: the selector may continue, or may
    /// have ended, and then the next one is current.
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

    /// The next of the results in `found`. The frame's position is 0 until the results have been looked for.
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

    /// The node of a singular query, which has at most one.
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

    /// Adds to `found` the children that the results of a query name: by an element's position, or by a member's name.
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
    /// The value as a position: of whole numbers, and of truth values, which count as 1 and 0.
    var subscriptIndex: Int32? {
        switch self {
        case .integer(let value, isPlain: true): Int32(clamping: value)
        case .boolean(let value): value ? 1 : 0
        default: nil
        }
    }
}

extension Program.Slice {
    /// The position of the slice's result of index `number` in an array of `count` elements; `nil` if there is none (RFC
    /// 9535, 2.3.4.2).
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
