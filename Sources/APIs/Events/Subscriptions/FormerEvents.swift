package import Delivery
internal import Encodings
internal import HTTP
internal import HTTPTypes
internal import JSON
package import Values

/// A subscription as pacifica-notifications keeps it: a row of its table `eventmatch`, in the texts of its columns.
package struct FormerSubscription: Sendable {
    package let columns: [String: String]

    /// What the table has that a live subscription consists of.
    package static let names = [
        "uuid", "name", "jsonpath", "user", "disabled", "error", "target_url", "version", "extensions", "auth",
        "created", "updated",
    ]

    /// - Parameter columns: by `names`; those that are null are left out.
    package init(columns: [String: String]) { self.columns = columns }

    /// The members of the API that say the same, but for two that are looked at apart.
    fileprivate func json(expression: String) throws(EventError) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        for name in ["uuid", "name", "target_url", "version", "disabled", "error", "created", "updated"] {
            guard let text = columns[name] else { continue }
            json.name(name)
            // An answer's whole body, however long it was.
            json.string(
                name == "error" ? String(text.unicodeScalars.prefix(SubscriptionInput.maximumErrorCharacters)) : text)
        }
        json.member("jsonpath", expression)
        for name in ["extensions", "auth"] {
            guard let text = columns[name] else { continue }
            let value: JSON
            do throws(JSONError) { value = try JSON(parsing: Array(text.utf8)) } catch {
                throw EventError(.badRequest, "\(name): it is not JSON: \(error).")
            }
            // None is written so, and taken in no other way than by leaving it out.
            if name == "auth", value == .object([]) || value == .null { continue }
            json.member(name, text: text.utf8)
        }
        json.endObject()
        return json.bytes
    }
}

/// Makes subscriptions of those of the service before.
package struct SubscriptionTakeover {
    private let settings: EventSettings
    private let urls: any URLRules
    private let sealing: Sealing
    private let now: Timestamp

    /// - Parameter urls: which targets may be called.
    package init(settings: EventSettings, urls: any URLRules, sealing: Sealing, now: Timestamp) {
        self.settings = settings
        self.urls = urls
        self.sealing = sealing
        self.now = now
    }

    /// - Returns: the subscription, and why it is disabled from now on where that is because it could not be served: its
    ///   expression or its target is none.
    /// - Throws: what else is wrong with it.
    package func subscription(
        _ former: FormerSubscription
    ) throws(EventError) -> (subscription: Subscription, fault: String?) {
        let expression = former.columns["jsonpath"] ?? ""
        do throws(EventError) {
            return (try make(former, expression: expression, urls), nil)
        } catch {
            // Anything is found by this, and called.
            var made = try make(former, expression: "$", AnyURL())
            made.expression = expression
            if (try? TargetURL(made.destination.url)) == nil { made.destination.url = "" }
            if made.destination.disabledAt == nil { made.destination.disable(since: now) }
            made.destination.disabledReason = error.message
            return (made, error.message)
        }
    }

    private func make(
        _ former: FormerSubscription, expression: String, _ urls: any URLRules
    ) throws(EventError) -> Subscription {
        guard let id = former.columns["uuid"].flatMap({ UUID(lenient: $0) }) else {
            throw EventError(.badRequest, "uuid: a UUID was expected.")
        }
        let user = former.columns["user"] ?? ""
        try EventSettings.check(user: user)
        let input = try SubscriptionInput(parsing: former.json(expression: expression), isNew: true, urls)
        let change = SubscriptionChange(input: input, settings: settings, sealing: sealing, now: now)
        return try change.subscription(id, of: user)
    }
}

/// An event that was routed elsewhere, with what became of it.
package struct FormerEvent: Equatable, Sendable {
    package struct Match: Equatable, Sendable {
        package let subscription: UUID
        package let attempt: Attempt
    }

    package let event: ReceivedEvent
    package let receivedAt: Timestamp
    package private(set) var matches: [Match] = []

    /// - Parameters:
    ///   - created: when it came; `nil` where nobody knows.
    ///   - now: the time that stands for that then.
    /// - Throws: what is wrong with a row of the table `eventlog`.
    package init(id: String?, body: String?, created: String?, now: Timestamp) throws(EventError) {
        guard let id = id.flatMap({ UUID(lenient: $0) }) else {
            throw EventError(.badRequest, "uuid: a UUID was expected.")
        }
        guard let time = created.map({ Timestamp(naive: $0) }) ?? now else {
            throw EventError(.badRequest, "created: a date and time was expected.")
        }
        let body = Array((body ?? "").utf8)
        let value: JSON
        do throws(JSONError) { value = try JSON(parsing: body) } catch {
            throw EventError(.badRequest, "jsondata: it is not JSON: \(error).")
        }
        event = ReceivedEvent(id: id, type: EventIntake.type(of: value), body: body)
        receivedAt = time
    }

    /// Adds what a row of the table `eventlogmatch` says.
    /// - Parameters:
    ///   - policy: the status and the body of the answer of the policy service.
    ///   - target: those of the target; without a status where none has come.
    ///   - keptBytes: of a body.
    package mutating func add(
        subscription: String?, policy: (status: String?, body: String?), target: (status: String?, body: String?),
        created: String?, keptBytes: Int
    ) throws(EventError) {
        guard let subscription = subscription.flatMap({ UUID(lenient: $0) }) else {
            throw EventError(.badRequest, "event_match_id: a UUID was expected.")
        }
        func kept(_ body: String?) -> [UInt8] { Array((body ?? "").utf8.prefix(keptBytes)) }
        let (asked, answered) = (policy.status.flatMap { Int($0) }, target.status.flatMap { Int($0) })
        var attempt = Attempt(
            status: answered, responseBody: kept(target.body),
            isResponseTruncated: (target.body?.utf8.count ?? 0) > keptBytes,
            triggeredAt: created.flatMap { Timestamp(naive: $0) } ?? receivedAt)
        if let asked { attempt.approval = Attempt.Approval(status: asked, body: kept(policy.body)) }
        attempt.failure = Self.failure(asked, answered)
        matches.append(Match(subscription: subscription, attempt: attempt))
    }

    private static func failure(_ asked: Int?, _ answered: Int?) -> Attempt.Failure? {
        switch answered {
        case let status? where (400..<600).contains(status):
            Attempt.Failure(kind: .status, text: "the receiver answered \(status)")
        case _?: nil
        case nil where asked.map { $0 >= 500 } ?? false:
            Attempt.Failure(kind: .approval, text: "the policy service answered \(asked ?? 0)")
        case nil: Attempt.Failure(kind: .connect, text: "no answer of the receiver was kept")
        }
    }
}
