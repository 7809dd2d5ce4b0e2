/// A JSON text whose values know where they stand in it, so that a fault can be shown in its place, and one value be
/// replaced with all else left as it is.
package struct JSONDocument: Sendable {
    package let root: JSONNode

    /// Strict as `JSON(parsing:)`, but for comments.
    ///
    /// - Parameters:
    ///   - allowsComments: `// …` to the end of the line and `/* … */` count as blanks, as does a byte order mark at the start.
    ///   - maximumValues: how many values there may be in all.
    package init(
        parsing text: [UInt8], allowsComments: Bool = false, maximumValues: Int = .max
    ) throws(JSONError) {
        var parser = JSONParser(
            text, allowsComments: allowsComments, recordsExtents: true, maximumValues: maximumValues)
        let value = try parser.document()
        root = JSONNode(value, at: 0, in: parser.extents)
    }
}

/// A value of a document.
package struct JSONNode: Sendable {
    package let value: JSON
    /// Those of the whole document; this value's is at `index`, and those of what it holds follow.
    private let extents: [JSONExtent]
    private let index: Int

    fileprivate init(_ value: JSON, at index: Int, in extents: [JSONExtent]) {
        self.value = value
        self.extents = extents
        self.index = index
    }

    package struct Member: Sendable {
        package let name: String
        /// Where the name stands in the text, in bytes, its quotes included.
        package let nameRange: Range<Int>
        package let value: JSONNode
    }

    /// Where the value stands in the text, in bytes, its quotes or brackets included.
    package var range: Range<Int> { extents[index].range }

    /// `nil` where this is no object; in the order of the text, repetitions included.
    package var members: [Member]? {
        guard case .object(let members) = value else { return nil }
        var child = index + 1
        return members.map { member in
            let node = JSONNode(member.value, at: child, in: extents)
            defer { child = extents[child].next }
            return Member(name: member.name, nameRange: extents[child].nameRange, value: node)
        }
    }

    /// `nil` where this is no array.
    package var elements: [JSONNode]? {
        guard case .array(let values) = value else { return nil }
        var child = index + 1
        return values.map { value in
            defer { child = extents[child].next }
            return JSONNode(value, at: child, in: extents)
        }
    }

    /// The member of that name; where it is repeated, the last one counts.
    package subscript(name: String) -> JSONNode? { members?.last { $0.name == name }?.value }
}

/// Where a value stands. A document's are in the order in which its values begin.
struct JSONExtent {
    var range: Range<Int>
    /// Of the name before it, where it is an object's member.
    var nameRange = 0..<0
    /// The index of the extent that follows those of all it holds.
    var next: Int
}
