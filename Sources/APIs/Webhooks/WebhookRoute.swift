internal import HTTP
internal import Values

/// The route of a request to this API.
enum WebhookRoute: Equatable {
    case webhooks(environment: String)
    case publish(environment: String)
    case settings(environment: String)
    case rotate(environment: String)
    case eventTypes
    case webhook(String)
    case log(String)
    case retry(String, entry: String)
    case test(String)
    case recover(String)
    case statistics(String)

    /// The segments of a path of this API, without the optional prefix `api`; `nil` for other paths.
    static func own(_ path: [String]) -> ArraySlice<String>? {
        let own = path.first == "api" ? path.dropFirst() : path[...]
        return own.first == "webhooks" || own.first == "environments" ? own : nil
    }

    /// - Parameter path: the result of `own`.
    init?(_ path: ArraySlice<String>) {
        let path = Array(path)
        switch (path[0], path.count) {
        case ("environments", 3...4):
            switch Array(path[2...]) {
            case ["webhooks"]: self = .webhooks(environment: path[1])
            case ["events"]: self = .publish(environment: path[1])
            case ["settings"]: self = .settings(environment: path[1])
            case ["settings", "rotate"]: self = .rotate(environment: path[1])
            default: return nil
            }
        case ("webhooks", 2): self = path[1] == "events" ? .eventTypes : .webhook(path[1])
        case ("webhooks", 3):
            switch path[2] {
            case "logs": self = .log(path[1])
            case "test": self = .test(path[1])
            case "recover": self = .recover(path[1])
            case "stats": self = .statistics(path[1])
            default: return nil
            }
        case ("webhooks", 5) where path[2] == "logs" && path[4] == "retry": self = .retry(path[1], entry: path[3])
        default: return nil
        }
    }

    /// The kind of object whose id in the path is not a UUID; `nil` if the id is a UUID, or the path has none.
    var unreadableID: String? {
        switch self {
        case .webhooks(let id), .publish(let id), .settings(let id), .rotate(let id):
            UUID(id) == nil ? "environment" : nil
        case .webhook(let id), .log(let id), .retry(let id, _), .test(let id), .recover(let id), .statistics(let id):
            UUID(id) == nil ? "webhook" : nil
        case .eventTypes: nil
        }
    }

    /// In alphabetical order, as `Allow` lists them.
    var methods: [String] {
        switch self {
        case .webhooks: ["GET", "HEAD", "POST"]
        case .webhook: ["DELETE", "GET", "HEAD", "PATCH", "PUT"]
        case .settings, .eventTypes, .log, .statistics: ["GET", "HEAD"]
        case .publish, .rotate, .retry, .test, .recover: ["POST"]
        }
    }
}
