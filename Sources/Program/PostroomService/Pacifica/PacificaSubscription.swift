internal import Delivery
internal import Events
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

/// A subscription of pacifica-notifications: a row of its table `eventmatch`.
struct PacificaSubscription {
    static let columns = [
        "uuid", "name", "jsonpath", "user", "disabled", "error", "target_url", "version", "extensions", "auth",
        "created", "updated", "deleted",
    ]

    /// The row's values by the names of `columns`; values that are null are left out.
    let row: PacificaDatabase.Row

    var id: UUID? { row["uuid"].flatMap { UUID(lenient: $0) } }
    var isDeleted: Bool { row["deleted"] != nil }

    /// The user's name. The old service read the UTF-8 of a header as ISO-8859-1; this is the UTF-8 again.
    var user: String {
        let text = row["user"] ?? ""
        let bytes = text.unicodeScalars.map { UInt8(exactly: $0.value) }
        guard !bytes.contains(nil) else { return text }
        return String(validating: bytes.compactMap(\.self), as: UTF8.self) ?? text
    }

    /// The row as JSON in the form in which the API accepts a subscription, with the given expression. The user is left out,
    /// because the API does not read it there.
    fileprivate func json(expression: String) throws(EventError) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        for name in ["uuid", "name", "target_url", "version", "disabled", "error", "created", "updated"] {
            guard let text = row[name] else { continue }
            json.name(name)
            // `error` may be the whole body of an answer: cut it to what a subscription may have.
            json.string(
                name == "error" ? String(text.unicodeScalars.prefix(Subscription.maximumErrorCharacters)) : text)
        }
        json.member("jsonpath", expression)
        for name in ["extensions", "auth"] {
            guard let text = row[name] else { continue }
            let value: JSON
            do throws(JSONError) { value = try JSON(parsing: Array(text.utf8)) } catch {
                throw EventError(.badRequest, "\(name): must be JSON: \(error).")
            }
            // These two mean that there is no login. The API accepts that only if the member is left out.
            if name == "auth", value == .object([]) || value == .null { continue }
            json.member(name, text: text.utf8)
        }
        json.endObject()
        return json.bytes
    }
}

/// Makes subscriptions from those of pacifica-notifications.
struct PacificaSubscriptions {
    private let settings: EventSettings
    private let urls: any URLRules
    private let sealing: Sealing
    private let now: Timestamp

    /// - Parameter urls: decides which targets may be called.
    init(settings: EventSettings, urls: any URLRules, sealing: Sealing, now: Timestamp) {
        self.settings = settings
        self.urls = urls
        self.sealing = sealing
        self.now = now
    }

    /// - Returns: the subscription. If its expression or its target cannot be used, it is disabled, and `fault` says why.
    /// - Throws: the reason if anything else of it cannot be used.
    func subscription(
        _ former: PacificaSubscription
    ) throws(EventError) -> (subscription: Subscription, fault: String?) {
        let expression = former.row["jsonpath"] ?? ""
        do throws(EventError) {
            return (try make(former, expression: expression, urls), nil)
        } catch {
            // Try again with an expression and URL rules that accept everything. If this fails too, something else is wrong.
            var made = try make(former, expression: "$", AnyTarget())
            made.expression = expression
            if (try? TargetURL(made.destination.url)) == nil { made.destination.url = "" }
            if made.destination.disabledAt == nil { made.destination.disable(since: now) }
            made.destination.disabledReason = error.message
            return (made, error.message)
        }
    }

    private func make(
        _ former: PacificaSubscription, expression: String, _ urls: any URLRules
    ) throws(EventError) -> Subscription {
        guard let id = former.id else {
            throw EventError(.badRequest, "uuid: must be a UUID.")
        }
        let user = former.user
        try EventSettings.check(user: user)
        return try Subscription(
            parsing: former.json(expression: expression), id: id, of: user, settings, urls, sealing, now: now)
    }
}

/// Accepts any URL.
private struct AnyTarget: URLRules {
    func fault(_ url: String) -> String? { nil }
}
