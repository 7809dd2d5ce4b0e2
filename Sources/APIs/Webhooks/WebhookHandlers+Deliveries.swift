internal import Delivery
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

extension WebhookHandlers {
    // MARK: Events

    func publish(_ request: Request, in environment: UUID) throws(StoreFailure) -> Answer {
        let moment = now()
        let parse = { (body: [UInt8]) throws(APIError) -> Event in
            let input = try EventInput(parsing: body)
            if let named = input.environment, named != environment {
                throw APIError(.validation, "environment_id: it is another one than in the path.")
            }
            let key = try idempotencyKey(of: request)
            let id = input.id ?? UUID(random: &self.random).description
            return input.event(id: id, idempotencyKey: key, in: environment, at: moment.wall)
        }
        return try reading(request, parse) { event throws(StoreFailure) in
            let acceptance = try store.accept(event, in: environment, for: request.id, at: moment)
            return .afterCommit(.json(.accepted, acceptance.json))
        }
    }

    /// Delivers an example.
    func test(_ request: Request, _ id: UUID) throws(StoreFailure) -> Answer {
        try reading(request, isOptional: true, testedType) { type throws(StoreFailure) in
            guard let webhook = try store.webhook(id) else { return unknownWebhook }
            guard let type = type ?? webhook.events.first.flatMap(EventType.named) else {
                return refuse(.unknownEvent, "The webhook has no event.")
            }
            return try reaching(webhook.destination.url) { () throws(StoreFailure) in
                try test(webhook, type, for: request.id)
            }
        }
    }

    private func test(
        _ webhook: Webhook, _ type: EventType, for request: RequestID?
    ) throws(StoreFailure) -> Answer {
        let moment = now()
        let data = valueJSON { json in json.value(type.exampleData) }
        let event = EventInput(type: type.name, data: data)
            .event(id: UUID(random: &random).description, in: webhook.environment, at: moment.wall)
        guard let delivery = try store.test(event, to: webhook.id, for: request, at: moment) else {
            return unknownWebhook
        }
        return accepted { json in
            json.member("event", type.name)
            json.member("delivery_id", delivery.description)
        }
    }

    private func testedType(_ body: [UInt8]) throws(APIError) -> EventType? {
        var object = try InputObject(parsing: body)
        object.refuseOthers(than: ["event"])
        let name = object.string("event")
        let type = name.flatMap(EventType.named)
        if let name, type == nil { object.fault("event", "there is no event \"\(shown(name))\"", .unknownEvent) }
        try object.check()
        return type
    }

    private func accepted(_ write: (inout JSONWriter) -> Void) -> Answer {
        .afterCommit(.json(.accepted, objectJSON(write)))
    }

    // MARK: Logs

    func log(_ request: Request, of id: UUID) throws(StoreFailure) -> Answer {
        let query: LogQuery
        do throws(APIError) {
            query = try LogQuery(request.target)
        } catch {
            return refuse(error)
        }
        guard let page = try store.log(of: id, query) else { return unknownWebhook }
        let count = page.entries.reduce(64) { $0 + ($1.requestBody?.count ?? 0) + $1.outcome.loggedBytes + 1024 }
        var response = Response.json(.ok, [])
        // RFC 8288. A client that asks for failures among many may get none, and a place to go on.
        if let next = page.next, let link = HTTPField.Name("Link") {
            response.head.headerFields[link] = "<?\(query.text(before: next))>; rel=\"next\""
        }
        guard count <= Self.shortBytes else {
            return long(request, page.entries.map(\.id), with: response) { [store] line, json throws(StoreFailure) in
                let one = LogQuery(limit: 1, before: line + 1)
                // A line that is gone is left out.
                guard let entry = try store.log(of: id, one)?.entries.first, entry.id == line else { return }
                entry.write(to: &json)
            }
        }
        return .madeAfterCommit {
            response.body = arrayJSON(page.entries, reserving: count) { json, entry in entry.write(to: &json) }
            return response
        }
    }

    func retry(_ request: Request, _ text: String, of id: UUID) throws(StoreFailure) -> Answer {
        let unknownEntry = refuse(.unknownLog, "The webhook's log has no such line.")
        guard let entry = UInt64(text) else { return unknownEntry }
        switch try store.retry(entry, of: id, for: request.id, at: now()) {
        case .started(let delivery): return accepted { json in json.member("delivery_id", delivery.description) }
        case .unknownDestination: return unknownWebhook
        case .unknownLine: return unknownEntry
        case .gone: return refuse(.unknownLog, "What was sent is no longer kept.")
        }
    }

    func recover(_ request: Request, _ id: UUID) throws(StoreFailure) -> Answer {
        let moment = now()
        let parse = { (body: [UInt8]) throws(APIError) in try RecoverInput(parsing: body, at: moment.wall) }
        return try reading(request, parse) { input throws(StoreFailure) in
            let limit = settings.recoverLimit
            let count = try store.recover(
                id, since: input.since, until: input.until, limit: limit, for: request.id, at: moment)
            guard let count else { return unknownWebhook }
            return accepted { json in
                json.member("deliveries", count)
                json.member("more", count >= limit)
            }
        }
    }

    func statistics(of id: UUID) throws(StoreFailure) -> Answer {
        guard let statistics = try store.statistics(of: id) else { return unknownWebhook }
        let moment = now()
        return .afterCommit(.json(.ok, objectJSON { json in statistics.writeMembers(to: &json, at: moment) }))
    }

    // MARK: Settings

    func showSettings(_ environment: UUID) throws(StoreFailure) -> Answer {
        let now = now().wall
        guard let keyring = try store.keyring(of: environment, { self.makeKey(now) }) else { return noKey }
        return show(keyring, at: now)
    }

    /// Announces a new key. Where one is announced already, it stays with that.
    func rotate(_ environment: UUID) throws(StoreFailure) -> Answer {
        let now = now().wall
        let overlap = settings.rotationSeconds
        guard let keyring = try store.keyring(of: environment, { self.makeKey(now) }),
            let rotation = KeyRotation(keyring, at: now, overlapSeconds: overlap)
        else { return noKey }
        guard rotation.next == nil else { return show(keyring, at: now) }
        guard let key = makeKey(now.adding(seconds: overlap)),
            let rotated = try store.rotate(environment, to: key, at: now, overlapSeconds: overlap)
        else { return noKey }
        return show(rotated, at: now)
    }

    private func show(_ keyring: Keyring, at now: Timestamp) -> Answer {
        guard let rotation = KeyRotation(keyring, at: now, overlapSeconds: settings.rotationSeconds) else {
            return noKey
        }
        return .afterCommit(.json(.ok, environmentSettingsJSON(rotation, settings)))
    }
}

extension EventAcceptance {
    fileprivate var json: [UInt8] {
        objectJSON { json in
            json.member("event_id", eventID)
            json.member("deliveries", deliveries)
            json.member("duplicate", isRepeated)
        }
    }
}

private func idempotencyKey(of request: Request) throws(APIError) -> String? {
    guard let value = request.fields.joinedValue(of: "idempotency-key") else { return nil }
    guard let key = String(validating: value, as: UTF8.self), EventInput.isID(key) else {
        throw APIError(.validation, "Idempotency-Key: 1 to 255 visible characters of ASCII were expected.")
    }
    return key
}

/// Which deliveries to make again.
struct RecoverInput: Equatable {
    let since: Timestamp
    let until: Timestamp

    init(parsing body: [UInt8], at now: Timestamp) throws(APIError) {
        var object = try InputObject(parsing: body)
        object.refuseOthers(than: ["since", "until"])
        if object["since"] == nil { object.fault("since", "it is missing") }
        let since = object.time("since")
        let until = object.time("until")
        if let since, since > until ?? now { object.fault("since", "it is later than until") }
        try object.check()
        self.since = since ?? now
        self.until = until ?? now
    }
}

extension LogQuery {
    /// The same question about the lines before another one, as a URL has it.
    fileprivate func text(before line: UInt64) -> String {
        var parts = ["limit=\(limit)", "before=\(line)"]
        if let event { parts.append("event=\(event)") }
        if let succeeded { parts.append("status=\(succeeded ? "success" : "failure")") }
        if let status { parts.append("status=\(status)") }
        return parts.joined(separator: "&")
    }

    init(_ target: Target) throws(APIError) {
        self.init()
        do throws(QueryError) {
            limit = try target.wholeNumber("limit", in: 1...1000) ?? limit
        } catch {
            throw APIError(.validation, error.reason)
        }
        if let text = target.queryValue("before") {
            guard let id = UInt64(text) else {
                throw APIError(.validation, "The query parameter \"before\" takes the id of a line of the log.")
            }
            before = id
        }
        if let name = target.queryValue("event") {
            guard EventType.named(name) != nil else {
                throw APIError(.unknownEvent, "The query parameter \"event\" takes the name of an event.")
            }
            event = name
        }
        switch target.queryValue("status") {
        case nil: break
        case "success": succeeded = true
        case "failure": succeeded = false
        case let text?:
            guard let code = Int(text), (100...599).contains(code) else {
                let reason = "The query parameter \"status\" takes success, failure or a status such as 503."
                throw APIError(.validation, reason)
            }
            status = code
        }
    }
}
