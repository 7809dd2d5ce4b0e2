/// A JSON text that knows the position of each of its values, so that an error can show where it is, and one value can
/// be replaced while the rest of the text stays as it is.
package struct JSONDocument: Sendable {
    package let root: JSONNode

    /// As strict as `JSON(parsing:)`, except for comments.
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
    /// The extents of the whole document. This value's is at `index`; those of the values in it follow.
    private let extents: [JSONExtent]
    private let index: Int

    fileprivate init(_ value: JSON, at index: Int, in extents: [JSONExtent]) {
        self.value = value
        self.extents = extents
        self.index = index
    }

    package struct Member: Sendable {
        package let name: String
        /// The range of the name in the text, in bytes, including its quotes.
        package let nameRange: Range<Int>
        package let value: JSONNode
    }

    /// The range of the value in the text, in bytes, including its quotes or brackets.
    package var range: Range<Int> { extents[index].range }

    /// The members of an object, in the order of the text, with repetitions; `nil` for another value.
    package var members: [Member]? {
        guard case .object(let members) = value else { return nil }
        var child = index + 1
        return members.map { member in
            let node = JSONNode(member.value, at: child, in: extents)
            defer { child = extents[child].next }
            return Member(name: member.name, nameRange: extents[child].nameRange, value: node)
        }
    }

    /// The elements of an array; `nil` for another value.
    package var elements: [JSONNode]? {
        guard case .array(let values) = value else { return nil }
        var child = index + 1
        return values.map { value in
            defer { child = extents[child].next }
            return JSONNode(value, at: child, in: extents)
        }
    }

    /// The member of that name; if it is repeated, the last one counts.
    package subscript(name: String) -> JSONNode? { members?.last { $0.name == name }?.value }
}

/// The position of a value in the text. A document's extents are in the order in which its values begin.
struct JSONExtent {
    var range: Range<Int>
    /// The range of the member's name; empty if the value is not a member of an object.
    var nameRange = 0..<0
    /// The index of the first extent after those of the value and of all values in it.
    var next: Int
}
