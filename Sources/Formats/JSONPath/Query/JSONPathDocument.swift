package import JSON

/// A JSON value prepared for queries. The preparation takes longer than most queries, and is done once for all of them.
package struct JSONPathDocument: Sendable {
    private let builder: TreeBuilder

    package init(_ value: JSON) {
        var builder = TreeBuilder(pool: .document)
        _ = builder.append(value)
        self.builder = builder
    }

    /// How many values the document has, including the root.
    package var count: Int { builder.tree.nodes.count }

    var tree: Tree { builder.tree }
    var nameNumbers: [MemberName: UInt32] { builder.nameNumbers }

    func source(_ node: UInt32) -> JSON { builder.sources[Int(node)] }
}

/// A result of a query.
package struct JSONPathNode: Equatable, Sendable {
    package let value: JSON
    /// The steps from the root to the value.
    package let path: [Element]

    package enum Element: Equatable, Sendable {
        case name(String)
        case index(Int)
        /// A function of the legacy dialect, which made the value.
        case function(String)
    }

    /// The path as RFC 9535 writes it (2.7). A function is written as in the legacy dialect, `[length()]`.
    package var normalizedPath: String { normalizedPath(atMost: .max).text }

    /// The beginning of the path: whole steps, up to a number of bytes.
    package func normalizedPath(atMost limit: Int) -> (text: String, isCut: Bool) {
        var text = "$"
        for element in path {
            let step: String
            switch element {
            // A name is not shorter when it is escaped.
            case .name(let name) where name.utf8.count > limit: return (text, true)
            case .name(let name): step = "['\(JSONPathNode.escaped(name))']"
            case .index(let index): step = "[\(index)]"
            case .function(let name): step = "[\(name)()]"
            }
            guard step.utf8.count <= limit - text.utf8.count else { return (text, true) }
            text += step
        }
        return (text, false)
    }

    private static func escaped(_ name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars {
            switch scalar {
            case "'": text += #"\'"#
            case "\\": text += #"\\"#
            case "\u{8}": text += #"\b"#
            case "\u{c}": text += #"\f"#
            case "\n": text += #"\n"#
            case "\r": text += #"\r"#
            case "\t": text += #"\t"#
            case "\0"..."\u{1f}":
                let digits = String(scalar.value, radix: 16)
                text += #"\u"# + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

// The values and paths of results.
extension Evaluator {
    func json(_ number: UInt32, in source: JSONPathDocument) -> JSON {
        guard number >= document.nodes.count else { return source.source(number) }
        let made = made[Int(number) - document.nodes.count]
        if let original = made.original { return json(original, in: source) }
        switch made.node.value {
        case .null: return .null
        case .boolean(let value): return .bool(value)
        case .integer(let value, _): return .number(String(value))
        case .double(let value): return .number(String(value))
        case .string(let text): return .string(String(decoding: bytes(of: text), as: UTF8.self))
        case .array(let elements): return .array(elements.range.map { json($0, in: source) })
        case .object: preconditionFailure("a function returned an object")
        }
    }

    func path(to number: UInt32) -> [JSONPathNode.Element] {
        var path: [JSONPathNode.Element] = []
        var number = number
        while number != 0 {
            let node = node(number)
            if number >= document.nodes.count, node.key & Evaluator.functionMark != 0 {
                let function = Program.SubscriptFunction(rawValue: UInt8(node.key & 0xff))
                path.append(.function(function?.name ?? ""))
            } else if number < document.nodes.count, case .object = value(node.parent) {
                path.append(.name(document.string(document.names[Int(node.key)])))
            } else {
                path.append(.index(Int(node.key)))
            }
            number = node.parent
        }
        return path.reversed()
    }
}
