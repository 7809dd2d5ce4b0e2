import JSON

/// JSON values in flat arrays: nodes refer to one another by number, so that a walk does not touch reference counts.
///
/// The children of a node are next to one another. If members have the same name, the last value counts, at the position
/// of the first.
struct Tree: Sendable {
    fileprivate(set) var nodes: [Node] = []
    /// The UTF-8 of all strings and names.
    fileprivate(set) var bytes: [UInt8] = []
    /// The distinct names.
    fileprivate(set) var names: [Value.Text] = []

    struct Node {
        var value: Value
        /// The array or object that contains the node; for a root, the node itself.
        var parent: UInt32
        /// The position in an array, or the number of the name in an object.
        var key: UInt32
    }

    func bytes(of text: Value.Text) -> ArraySlice<UInt8> {
        bytes[Int(text.offset)..<Int(text.offset + text.count)]
    }

    func string(_ text: Value.Text) -> String { String(decoding: bytes(of: text), as: UTF8.self) }
}

/// Builds a tree of values.
struct TreeBuilder: Sendable {
    private(set) var tree = Tree()
    /// The value from which each node was made.
    private(set) var sources: [JSON] = []
    private(set) var nameNumbers: [MemberName: UInt32] = [:]
    /// For each name, the last node that has it.
    private var bearers: [UInt32] = []
    private var waiting: [UInt32] = []
    private let pool: Value.Pool

    init(pool: Value.Pool) { self.pool = pool }

    /// Adds a value and all values in it, and returns its node. Arrays and objects whose children are still to be added
    /// wait on a stack, so that no depth is too deep.
    mutating func append(_ value: JSON) -> UInt32 {
        let root = UInt32(tree.nodes.count)
        add(value, parent: root, key: 0)
        while let node = waiting.popLast() {
            // A member that was replaced by another of the same name may be on the stack twice.
            guard case .null = tree.nodes[Int(node)].value else { continue }
            lookInto(sources[Int(node)], of: node)
        }
        return root
    }

    private mutating func add(_ value: JSON, parent: UInt32, key: UInt32) {
        let node = UInt32(tree.nodes.count)
        sources.append(value)
        tree.nodes.append(Tree.Node(value: .null, parent: parent, key: key))
        tree.nodes[Int(node)].value = plain(value, of: node)
    }

    /// The value of a node without children. An array or object is null at first, and is put on the stack.
    private mutating func plain(_ value: JSON, of node: UInt32) -> Value {
        switch value {
        case .null: return .null
        case .bool(let value): return .boolean(value)
        case .number(let text): return Value(number: text)
        case .string(let string): return .string(text(string))
        case .array, .object:
            waiting.append(node)
            return .null
        }
    }

    private mutating func text(_ string: String) -> Value.Text {
        let offset = tree.bytes.count
        tree.bytes.append(contentsOf: string.utf8)
        return .init(pool: pool, offset: UInt32(offset), count: UInt32(tree.bytes.count - offset))
    }

    private mutating func lookInto(_ source: JSON, of node: UInt32) {
        let first = UInt32(tree.nodes.count)
        switch source {
        case .array(let elements):
            var position: UInt32 = 0
            for element in elements {
                add(element, parent: node, key: position)
                position += 1
            }
            tree.nodes[Int(node)].value = .array(.init(pool: pool, first: first, count: position))
        case .object(let members):
            for member in members { add(member, to: node, from: first) }
            let count = UInt32(tree.nodes.count) - first
            tree.nodes[Int(node)].value = .object(.init(pool: pool, first: first, count: count))
        default: break
        }
    }

    /// - Parameter first: the node of the object's first member.
    private mutating func add(_ member: JSON.Member, to node: UInt32, from first: UInt32) {
        let name = intern(member.name)
        let bearer = bearers[Int(name)]
        if bearer >= first, bearer != .max {
            sources[Int(bearer)] = member.value
            tree.nodes[Int(bearer)].value = plain(member.value, of: bearer)
        } else {
            bearers[Int(name)] = UInt32(tree.nodes.count)
            add(member.value, parent: node, key: name)
        }
    }

    private mutating func intern(_ name: String) -> UInt32 {
        let key = MemberName(text: name)
        if let number = nameNumbers[key] { return number }
        let number = UInt32(tree.names.count)
        tree.names.append(text(name))
        bearers.append(.max)
        nameNumbers[key] = number
        return number
    }
}

/// A name that is equal to another if their scalars are. For `String`, canonically equivalent texts would be equal too.
struct MemberName: Hashable {
    let text: String

    static func == (left: MemberName, right: MemberName) -> Bool { left.text.hasScalars(of: right.text) }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { bytes in unsafe hasher.combine(bytes: UnsafeRawBufferPointer(bytes)) }
    }
}

extension String {
    /// Whether both are the same scalars in the same order.
    func hasScalars(of other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }
}
