internal import Encodings
internal import JSON
internal import Values

/// The JSON object that a client has sent as the body of a request.
struct BodyObject {
    let members: [JSON.Member]

    /// - Parameters:
    ///   - example: what the body may be, for the error about another value.
    ///   - known: the names of the members that there may be, in lower case; `nil`: others are ignored.
    ///   - inAnyCase: whether these names may be written in any letter case.
    init(
        _ body: [UInt8], like example: String, known: [String]? = nil, inAnyCase: Bool = false
    ) throws(ConfigurationError) {
        let json = try JSON(body: jsonText(body) ?? body) { ConfigurationError(reason: $0) }
        guard case .object(let members) = json else {
            throw ConfigurationError(reason: "The body must be an object like \(example).")
        }
        self.members = members
        guard let known else { return }
        if let other = members.first(where: { !known.contains(inAnyCase ? $0.name.lowercased() : $0.name) }) {
            throw ConfigurationError(
                reason:
                    "The member \"\(other.name.shortened(to: 64))\" is not known; known are \(known.joined(separator: ", "))."
            )
        }
    }

    /// The last member of a name.
    subscript(name: String) -> JSON? { members.last { $0.name == name }?.value }

    /// The last member of a name, given in lower case, in any letter case.
    func inAnyCase(_ name: String) -> JSON? { members.last { $0.name.lowercased() == name }?.value }
}
