// The functions of the legacy dialect. They are written as subscripts, and make values that the document does not
// contain.
extension Evaluator {
    /// Adds the function's result for a node to `found`; nothing if the function does not apply to the node.
    mutating func call(
        _ function: Program.SubscriptFunction, _ arguments: Program.List, on node: UInt32
    ) throws(Exceeded) {
        let value = value(node)
        // To make values costs more than to look at them.
        try budget.spend(8 + 8 * Int(value.children?.count ?? 0))
        switch (function, value, arguments.count) {
        case (.length, .array(let elements), 0):
            addFound(make(.integer(Int64(elements.count), isPlain: true), function, of: node))
        case (.length, .string(let text), 0):
            addFound(make(.integer(Int64(try scalarCount(of: text)), isPlain: true), function, of: node))
        case (.keys, .array(let children), 0), (.keys, .object(let children), 0):
            let keys = try children.range.map { child throws(Exceeded) in try key(child, in: value) }
            addFound(try makeArray(keys.map { ($0, nil) }, function, of: node))
        case (.values, .array(let children), 0), (.values, .object(let children), 0):
            addFound(try makeArray(children.range.map { (self.value($0), $0) }, function, of: node))
        case (.entries, .array(let children), 0), (.entries, .object(let children), 0):
            try makeEntries(children, in: value, of: node)
        case (.charAt, .string(let text), 1):
            let references = program.references(arguments)
            for index in try integers(references[references.startIndex], at: node) {
                guard let part = try part(of: text, from: index, to: nil, isSingle: true) else { continue }
                addFound(make(.string(part), function, of: node))
            }
        case (.substring, .string(let text), 1...2): try substring(text, arguments, of: node)
        default: break
        }
    }

    private mutating func substring(
        _ text: Value.Text, _ arguments: Program.List, of node: UInt32
    ) throws(Exceeded) {
        let references = program.references(arguments)
        let starts = try integers(references[references.startIndex], at: node)
        let ends =
            references.count == 1
            ? [nil] : try integers(references[references.endIndex - 1], at: node).map(Optional.some)
        for start in starts {
            for end in ends {
                guard let part = try part(of: text, from: start, to: end, isSingle: false) else { continue }
                addFound(make(.string(part), .substring, of: node))
            }
        }
    }

    /// The whole numbers among an argument's values.
    private mutating func integers(_ argument: Reference, at node: UInt32) throws(Exceeded) -> [Int] {
        guard case .query = program[argument] else {
            guard case .constant(let constant) = program[argument] else { return [] }
            return program.constants.nodes[Int(constant)].value.subscriptIndex.map { [Int($0)] } ?? []
        }
        var integers: [Int] = []
        var walk = begin(argument, at: node)
        while let result = try next(&walk) {
            if let integer = value(result).subscriptIndex { integers.append(Int(integer)) }
        }
        end(walk)
        return integers
    }

    /// A part of a text, whose bytes it shares. Negative positions count from the end, as in Python.
    ///
    /// - Parameter isSingle: whether the part is the one scalar at `start`; then `nil` is returned if there is none.
    private mutating func part(
        of text: Value.Text, from start: Int, to end: Int?, isSingle: Bool
    ) throws(Exceeded) -> Value.Text? {
        let count = try scalarCount(of: text)
        // To find the positions takes several times as long as to count.
        try budget.spend(bytes: 4 * Int(text.count))
        var (lower, upper) = (start < 0 ? start + count : start, end.map { $0 < 0 ? $0 + count : $0 } ?? count)
        if isSingle {
            guard (0..<count).contains(lower) else { return nil }
            upper = lower + 1
        }
        (lower, upper) = (min(max(lower, 0), count), min(max(upper, 0), count))
        guard lower < upper else { return .init(pool: text.pool, offset: text.offset, count: 0) }
        let starts = bytes(of: text).enumerated().lazy.filter { $0.element & 0xc0 != 0x80 }.map(\.offset)
        let first = starts.dropFirst(lower).first ?? 0
        let last = starts.dropFirst(upper).first ?? Int(text.count)
        return .init(pool: text.pool, offset: text.offset + UInt32(first), count: UInt32(last - first))
    }

    private mutating func key(_ child: UInt32, in parent: Value) throws(Exceeded) -> Value {
        let key = node(child).key
        guard case .object = parent else {
            return .integer(Int64(child) - Int64(parent.children?.first ?? 0), isPlain: true)
        }
        return .string(document.names[Int(key)])
    }
}

// Making nodes.
extension Evaluator {
    /// The bit that is set in the key of a node that a function made; the other bits are the function's raw value.
    static let functionMark: UInt32 = 1 << 31

    private mutating func make(
        _ value: Value, _ function: Program.SubscriptFunction, of node: UInt32
    ) -> UInt32 {
        add(value, original: nil, parent: node, key: Evaluator.functionMark | UInt32(function.rawValue))
    }

    private mutating func add(_ value: Value, original: UInt32?, parent: UInt32, key: UInt32) -> UInt32 {
        made.append(MadeNode(node: .init(value: value, parent: parent, key: key), original: original))
        return UInt32(document.nodes.count + made.count - 1)
    }

    private mutating func makeArray(
        _ values: [(value: Value, original: UInt32?)], _ function: Program.SubscriptFunction, of node: UInt32
    ) throws(Exceeded) -> UInt32 {
        let array = make(.null, function, of: node)
        try fill(array, values)
        return array
    }

    private mutating func fill(_ array: UInt32, _ values: [(value: Value, original: UInt32?)]) throws(Exceeded) {
        try budget.spend(4 * values.count)
        let first = UInt32(document.nodes.count + made.count)
        for (position, item) in values.enumerated() {
            _ = add(item.value, original: item.original, parent: array, key: UInt32(position))
        }
        made[Int(array) - document.nodes.count].node.value = .array(
            .init(pool: .document, first: first, count: UInt32(values.count)))
    }

    private mutating func makeEntries(
        _ children: Value.Children, in parent: Value, of node: UInt32
    ) throws(Exceeded) {
        let entries = try makeArray(children.range.map { _ in (.null, nil) }, .entries, of: node)
        guard case .array(let pairs) = value(entries) else { return }
        for (pair, child) in zip(pairs.range, children.range) {
            try fill(pair, [(try key(child, in: parent), nil), (value(child), child)])
        }
        addFound(entries)
    }
}
