internal import Delivery
internal import Encodings
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import JSONPath
internal import Values

/// A client's input for a subscription. Unknown members are ignored, as they always were.
struct SubscriptionInput {
    /// A member that may be null.
    enum Nullable<Value> {
        case absent
        case null
        case value(Value)
    }

    struct Auth {
        /// As it was given.
        let text: [UInt8]
        /// `nil` if it has no credentials.
        let header: String?
    }

    struct Target {
        /// As it was given.
        let text: String
        let called: SubscriptionTarget
    }

    var id: UUID?
    var user: String?
    var name: String?
    var expression: String?
    var dialect = Nullable<JSONPath.Dialect>.absent
    var target: Target?
    var version: String?
    var extensions: [UInt8]?
    var auth: Auth?
    var format: Subscription.Format?
    var asksConsent: Bool?
    var disabled = Nullable<Timestamp>.absent
    var error = Nullable<String>.absent
    var created: Timestamp?
    var updated: Timestamp?
    var deleted = Nullable<Timestamp>.absent

    private let text: [UInt8]
    private let members: [String: JSONNode]

    /// - Parameter urls: decides which targets may be called.
    init(parsing body: [UInt8], isNew: Bool, _ urls: any URLRules) throws(EventError) {
        text = body
        let root = try JSONDocument(body: body, refusal: EventError.badRequest).root
        guard let nodes = root.members else { throw EventError(.badRequest, "The body must be an object.") }
        // If a member is repeated, the last one counts.
        members = Dictionary(nodes.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        if isNew {
            for name in ["name", "jsonpath", "target_url"] where members[name] == nil {
                throw Self.fault(name, "is required")
            }
        }
        try readNames()
        try readTarget(urls)
        try readDetails(isNew: isNew)
        try readTimes()
    }

    private static func fault(_ path: String, _ reason: String) -> EventError {
        EventError(.badRequest, "\(path): \(reason).")
    }

    // MARK: Members

    private func string(_ name: String, maximumCharacters: Int = .max) throws(EventError) -> String? {
        guard let value = members[name]?.value else { return nil }
        guard let text = value.string else { throw Self.fault(name, "must be a string") }
        guard text.unicodeScalars.count <= maximumCharacters else {
            throw Self.fault(name, "must have at most \(maximumCharacters) characters")
        }
        return text
    }

    private func nullable<Value>(
        _ name: String, _ read: (String) throws(EventError) -> Value?
    ) throws(EventError) -> Nullable<Value> {
        switch members[name]?.value {
        case nil: return .absent
        case .null: return .null
        default: return try read(name).map { .value($0) } ?? .absent
        }
    }

    private func time(_ name: String) throws(EventError) -> Timestamp? {
        guard let text = try string(name) else { return nil }
        guard let time = Timestamp(naive: text) else {
            throw Self.fault(name, "must be a date and time such as 2026-11-22T06:05:37")
        }
        return time
    }

    private mutating func readNames() throws(EventError) {
        if let text = try string("uuid") {
            id = UUID(lenient: text)
            if id == nil { throw Self.fault("uuid", "must be a UUID") }
        }
        user = try string("user")
        name = try string("name", maximumCharacters: 255)
        version = try string("version", maximumCharacters: 255)
        dialect = try nullable("dialect") { name throws(EventError) in
            let text = try string(name) ?? ""
            guard let dialect = JSONPath.Dialect(rawValue: text) else {
                throw Self.fault(name, "must be \(JSONPath.Dialect.alternatives)")
            }
            return dialect
        }
        expression = try string("jsonpath")
        if let expression, expression.utf8.count > Self.maximumExpressionBytes {
            throw Self.fault("jsonpath", "must have at most \(Self.maximumExpressionBytes) bytes")
        }
    }

    static let maximumExpressionBytes = 16 << 10
    static let maximumURLBytes = TargetURL.maximumBytes

    private mutating func readTarget(_ urls: any URLRules) throws(EventError) {
        guard let text = try string("target_url") else { return }
        guard text.utf8.count <= Self.maximumURLBytes else {
            throw Self.fault("target_url", "must have at most \(Self.maximumURLBytes) bytes")
        }
        do throws(SubscriptionTarget.Fault) {
            target = Target(text: text, called: try SubscriptionTarget(text, urls))
        } catch {
            throw Self.fault("target_url", error.reason)
        }
    }

    private mutating func readDetails(isNew: Bool) throws(EventError) {
        if let node = members["extensions"] {
            guard case .object = node.value else { throw Self.fault("extensions", "must be an object") }
            extensions = Array(text[node.range])
        }
        if let node = members["auth"] {
            // The answer shows an absent `auth` as `{}`; clients may send that back.
            let isNone = node.value == .object([]) && !isNew
            if !isNone, let (path, reason) = Authorization.fault(node.value) { throw Self.fault(path, reason) }
            auth = Auth(text: Array(text[node.range]), header: Authorization.header(node.value))
        }
        if let word = try string("format") {
            format = Subscription.Format(word: word)
            if format == nil {
                let all = Subscription.Format.allCases.map { "\"\($0.word)\"" }.joined(separator: ", ")
                throw Self.fault("format", "must be one of \(all)")
            }
        }
        if let value = members["handshake"]?.value {
            guard let wanted = value.bool else { throw Self.fault("handshake", "must be true or false") }
            asksConsent = wanted
        }
        error = try nullable("error") { name throws(EventError) in
            try string(name, maximumCharacters: Subscription.maximumErrorCharacters)
        }
    }

    private mutating func readTimes() throws(EventError) {
        disabled = try nullable("disabled") { name throws(EventError) in try time(name) }
        deleted = try nullable("deleted") { name throws(EventError) in try time(name) }
        created = try time("created")
        updated = try time("updated")
    }
}

extension JSONPath.Dialect {
    /// What clients may write, for errors.
    static let alternatives = allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
}
