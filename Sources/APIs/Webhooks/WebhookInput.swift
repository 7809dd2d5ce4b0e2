internal import Delivery
internal import HTTP
internal import JSON
internal import StandardWebhooks
internal import Values

/// A change of one property of a webhook.
enum Change<Value: Equatable & Sendable>: Equatable, Sendable {
    case keep
    /// The property is removed, or set to its default.
    case reset
    case set(Value)
}

/// A client's input for a webhook.
struct WebhookInput: Equatable, Sendable {
    enum Secret: Equatable, Sendable {
        case make
        /// Keeps the stored secret.
        case same
        case given([UInt8])
    }

    var name = Change<String>.keep
    var url = Change<String>.keep
    var events = Change<[String]>.keep
    /// In upper case.
    var method = Change<String>.keep
    var description = Change<String>.keep
    var disabledUntil = Change<Timestamp>.keep
    var headers = Change<[HeaderInput]>.keep
    var policy = Change<RetryChoice>.keep
    var rate = Change<Double>.keep
    var isOrdered = Change<Bool>.keep
    var secret = Change<Secret>.keep
    /// Whether the input has no known member, so that nothing is to change.
    let isEmpty: Bool

    /// The rules that a body must follow.
    struct Rules {
        let urls: any URLChecking
        let headers: HeaderRules
        /// The most seconds that the waits of a retry policy may add up to: after that the payload is no longer stored.
        let maximumRetrySeconds: Double
    }

    /// - Parameter isPartial: whether missing members are kept; otherwise they are reset.
    init(parsing body: [UInt8], isPartial: Bool, _ rules: Rules) throws(APIError) {
        var object = try InputObject(parsing: body)
        object.refuseOthers(than: Self.known.union(Self.readOnly))
        isEmpty = !Self.known.contains(where: object.has)

        func change<Value>(_ name: String, _ value: Value?) -> Change<Value> {
            if let value { return .set(value) }
            return object.has(name) || !isPartial ? .reset : .keep
        }
        for name in ["name", "url", "events"] where object[name] == nil && (object.has(name) || !isPartial) {
            object.fault(name, object.has(name) ? "must not be null" : "is required")
        }
        name = change("name", Self.name(&object))
        url = change("url", Self.url(&object, rules.urls))
        events = change("events", Self.events(&object))
        method = change("method", Self.method(&object))
        description = change("description", object.string("description", maximumCharacters: 4096))
        disabledUntil = change("disabled_until", object.time("disabled_until"))
        headers = change("custom_headers", rules.headers.read("custom_headers", of: &object))
        policy = change("retry_policy", Self.policy(&object, maximumSeconds: rules.maximumRetrySeconds))
        rate = change("rate_limit", Self.rate(&object))
        isOrdered = change("ordered", Self.bool("ordered", &object))
        secret = change("secret", Self.secret(&object))
        try object.check()
    }

    private static let known: Set<String> = [
        "name", "url", "events", "method", "description", "disabled_until", "custom_headers", "retry_policy",
        "rate_limit", "ordered", "secret",
    ]
    /// Members of the answer that clients may send back; they are ignored.
    private static let readOnly: Set<String> = [
        "webhook_id", "environment_id", "created_at", "updated_at", "last_triggered", "last_errored", "disabled_reason",
    ]

    static let maximumURLBytes = TargetURL.maximumBytes

    private static func name(_ object: inout InputObject) -> String? {
        guard let name = object.string("name", maximumCharacters: 255) else { return nil }
        if name.isEmpty { object.fault("name", "must not be empty") }
        return name
    }

    private static func url(_ object: inout InputObject, _ urls: any URLChecking) -> String? {
        guard let value = object["url"] else { return nil }
        guard let url = value.string else {
            object.fault("url", "must be a string")
            return nil
        }
        if url.utf8.count > maximumURLBytes {
            object.fault("url", "must have at most \(maximumURLBytes) bytes", .badURL)
        } else if let reason = urls.fault(url) {
            object.fault("url", reason, .badURL)
        }
        return url
    }

    private static func events(_ object: inout InputObject) -> [String]? {
        guard let value = object["events"] else { return nil }
        guard let values = value.array, !values.isEmpty else {
            object.fault("events", "must be an array of at least one event name")
            return nil
        }
        var events: [String] = []
        for (index, value) in values.enumerated() {
            let path = "events[\(index)]"
            guard let name = value.string else {
                object.fault(path, "must be the name of an event")
                continue
            }
            guard EventType.named(name) != nil else {
                object.fault(path, "unknown event \"\(shown(name))\"", .unknownEvent)
                continue
            }
            if !events.contains(name) { events.append(name) }
        }
        return events
    }

    static let methods = ["get", "post", "put", "patch", "delete"]

    private static func method(_ object: inout InputObject) -> String? {
        guard let value = object["method"] else { return nil }
        guard let method = value.string, methods.contains(method) else {
            object.fault("method", "must be one of \(methods.joined(separator: ", "))")
            return nil
        }
        return method.uppercased()
    }

    private static func bool(_ name: String, _ object: inout InputObject) -> Bool? {
        guard let value = object[name] else { return nil }
        if value.bool == nil { object.fault(name, "must be true or false") }
        return value.bool
    }

    private static let rates = 0.001...100_000

    private static func rate(_ object: inout InputObject) -> Double? {
        guard let value = object["rate_limit"] else { return nil }
        guard case .number(let text) = value, let rate = Double(text), rates.contains(rate) else {
            object.fault("rate_limit", "must be a number of attempts per second from 0.001 to 100000")
            return nil
        }
        return rate
    }

    private static let maximumRetries = 100

    private static func policy(_ object: inout InputObject, maximumSeconds: Double) -> RetryChoice? {
        guard let value = object["retry_policy"] else { return nil }
        switch value {
        case .string("fixed"): return .fixed
        case .string("standard"): return .standard
        case .array(let values) where values.count <= maximumRetries:
            var waits: [Double] = []
            for (index, value) in values.enumerated() {
                guard let seconds = seconds(value) else {
                    let expected = "must be a duration such as \"1m30s\", or a number of seconds"
                    object.fault("retry_policy[\(index)]", expected)
                    continue
                }
                waits.append(seconds)
            }
            if waits.reduce(0, +) > maximumSeconds {
                object.fault("retry_policy", "the waits must add up to at most \(GoDuration.text(maximumSeconds))")
            }
            return .own(.schedule(waits))
        default:
            let expected =
                "must be \"fixed\", \"standard\" or an array of at most \(maximumRetries) durations"
            object.fault("retry_policy", expected)
            return nil
        }
    }

    private static func seconds(_ value: JSON) -> Double? {
        switch value {
        case .string(let text): GoDuration.seconds(text)
        case .number(let text): Double(text).flatMap { (0...1e10).contains($0) ? $0 : nil }
        default: nil
        }
    }

    private static func secret(_ object: inout InputObject) -> Secret? {
        guard let value = object["secret"] else { return nil }
        switch value {
        case .bool(true): return .make
        // Same as null.
        case .bool(false): return nil
        case .string(WebhookSecret.mask): return .same
        default: break
        }
        guard let key = value.string.flatMap({ WebhookSecret($0)?.bytes }) else {
            object.fault("secret", "must be true, or whsec_ followed by 24 to 64 bytes in Base64")
            return nil
        }
        return .given(key)
    }
}
