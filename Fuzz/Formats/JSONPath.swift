@testable import JSON
@testable import JSONPath

/// The input is a query, and a document after a zero byte. The query is refused with a position, or evaluated within
/// its budget, and the ways to get its results agree.
func fuzzJSONPath(_ bytes: [UInt8]) {
    let parts = parts(bytes, 2)
    let text = String(decoding: parts[0], as: UTF8.self)
    let value = (try? JSON(parsing: Array(parts[1]))) ?? .null
    let document = JSONPathDocument(value)
    for dialect in [nil, .legacy, .rfc9535] as [JSONPath.Dialect?] {
        do throws(JSONPathError) {
            let query = try JSONPath(parsing: text, dialect: dialect)
            try? check(query, on: value, document)
        } catch {
            let faults = [error.legacy, error.rfc9535].compactMap(\.self)
            require(!faults.isEmpty, "refused without an error")
            require(faults.allSatisfy { (0...text.utf8.count).contains($0.offset) }, "an error outside of the text")
        }
    }
}

private func check(_ query: JSONPath, on value: JSON, _ document: JSONPathDocument) throws {
    let requirement = query.requirement
    let matches = try query.matches(document, budget: 20_000)
    if matches, let requirement {
        require(requirement.contains { $0.holds(for: value) }, "a match that does not meet the requirement")
    }
    let nodes = try query.nodes(in: document, budget: 100_000)
    require(matches == !nodes.isEmpty, "a match without a node, or a node without a match")
    for node in nodes.prefix(20) {
        let isInDocument = node.path.allSatisfy { if case .function = $0 { false } else { true } }
        guard isInDocument else { continue }
        let again = try JSONPath(parsing: node.normalizedPath, dialect: .rfc9535).values(in: document)
        require(again == [node.value], "the path selects another node")
    }
}

extension JSONPathRequirement {
    fileprivate func holds(for document: JSON) -> Bool { holds(for: document, path[...]) }

    private func holds(for value: JSON, _ path: ArraySlice<Step>) -> Bool {
        let rest = path.dropFirst()
        let children: [JSON] =
            switch value {
            case .array(let values): values
            case .object(let members): members.map(\.value)
            default: []
            }
        switch path.first {
        case nil: return self.value == nil || self.value.map { Array($0.utf8) } == value.string.map { Array($0.utf8) }
        case .member(let name):
            guard case .object(let members) = value,
                let member = members.last(where: { Array($0.name.utf8) == Array(name.utf8) })
            else { return false }
            return holds(for: member.value, rest)
        case .child: return children.contains { holds(for: $0, rest) }
        case .descendant: return holds(for: value, rest) || children.contains { holds(for: $0, path) }
        }
    }
}
