internal import Encodings
internal import HTTP
package import Values

/// The route of a request to this API.
enum EventRoute: Equatable {
    case receive
    case subscriptions
    case subscription(String)
    case deliveries(String)
    case retry(String, delivery: String)
    case replay(String)
    case event(String)
    case expression

    /// The segments of a path of this API, without the empty last one that a trailing slash leaves; `nil` for other paths.
    static func own(_ path: [String]) -> ArraySlice<String>? {
        let names = ["receive", "eventmatch", "events", "jsonpath"]
        guard let first = path.first, names.contains(first) else { return nil }
        return path.count > 1 && path.last == "" ? path.dropLast() : path[...]
    }

    /// - Parameter path: the result of `own`.
    init?(_ path: ArraySlice<String>) {
        let path = Array(path)
        switch (path[0], path.count) {
        case ("receive", 1): self = .receive
        case ("eventmatch", 1): self = .subscriptions
        case ("eventmatch", 2): self = .subscription(path[1])
        case ("eventmatch", 3) where path[2] == "deliveries": self = .deliveries(path[1])
        case ("eventmatch", 3) where path[2] == "replay": self = .replay(path[1])
        case ("eventmatch", 5) where path[2] == "deliveries" && path[4] == "retry":
            self = .retry(path[1], delivery: path[3])
        case ("events", 2): self = .event(path[1])
        case ("jsonpath", 1): self = .expression
        default: return nil
        }
    }

    /// In alphabetical order, as `Allow` lists them.
    var methods: [String] {
        switch self {
        case .receive: ["OPTIONS", "POST"]
        case .subscriptions, .subscription: ["DELETE", "GET", "HEAD", "POST", "PUT"]
        case .deliveries, .event: ["GET", "HEAD"]
        case .retry, .replay, .expression: ["POST"]
        }
    }

    /// The query parameters that the route accepts.
    var parameters: [String] {
        switch self {
        case .subscriptions: ["event_uuid", "limit", "after"]
        case .deliveries: ["limit", "before", "status"]
        default: []
        }
    }
}

extension UUID {
    /// Reads every form that Python's `uuid.UUID` reads: letter case, hyphens, braces and `urn:uuid:` do not matter.
    package init?(lenient text: String) {
        var rest = Substring(text.lowercased())
        if rest.hasPrefix("urn:uuid:") { rest = rest.dropFirst(9) }
        if rest.hasPrefix("{"), rest.hasSuffix("}") { rest = rest.dropFirst().dropLast() }
        // `init(bytes:)` refuses any other number of bytes than a UUID has.
        guard let bytes = Encodings.bytes(hexadecimal: rest.filter { $0 != "-" }) else { return nil }
        self.init(bytes: bytes)
    }
}
