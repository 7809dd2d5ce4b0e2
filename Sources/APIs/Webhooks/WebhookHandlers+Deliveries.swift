internal import Delivery
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

extension WebhookHandlers {
    // MARK: Events

    // Not inlined into the function that knows all routes: its variables are on the heap, and each request would pay for all.
    @inline(never)
    func publish(
        _ request: Request, in environment: UUID, _ context: any RequestContext
    ) async throws(APIError) -> Answer {
        let moment = now()
        let event = try event(in: request, environment, at: moment)
        let acceptance = try await stored { () async throws(StoreFailure) in
            try await store.accept(event, in: environment, for: request.id, at: moment)
        }
        return try await committed(.json(.accepted, acceptance.json), context)
    }

    private func event(
        in request: Request, _ environment: UUID, at moment: Moment
    ) throws(APIError) -> Event {
        let input = try EventInput(parsing: try bytes(of: request))
        if let named = input.environment, named != environment {
            throw APIError(.validation, "environment_id: must be the same as in the path.")
        }
        let key = try idempotencyKey(of: request)
        let id = input.id ?? UUID(random: &random).description
        return input.event(id: id, idempotencyKey: key, in: environment, at: moment.wall)
    }

    /// Delivers an example event.
    func test(_ request: Request, _ id: UUID, _ context: any RequestContext) async throws(APIError) -> Answer {
        let wanted = try testedType(try bytes(of: request, isOptional: true))
        let webhook = try await webhook(id)
        guard let type = wanted ?? webhook.events.first.flatMap(EventType.named) else {
            throw APIError(.unknownEvent, "The webhook has no event. Name one in \"event\".")
        }
        try await checkReach(of: webhook.destination.url, context)
        let moment = now()
        let data = valueJSON { json in json.value(type.exampleData) }
        let event = EventInput(type: type.name, data: data)
            .event(id: UUID(random: &random).description, in: webhook.environment, at: moment.wall)
        let delivery = try await stored { () async throws(StoreFailure) in
            try await store.test(event, to: webhook.id, for: request.id, at: moment)
        }
        guard let delivery else { throw Self.unknownWebhook }
        return try await accepted(context) { json in
            json.member("event", type.name)
            json.member("delivery_id", delivery.description)
        }
    }

    private func testedType(_ body: [UInt8]) throws(APIError) -> EventType? {
        var object = try InputObject(parsing: body)
        object.refuseOthers(than: ["event"])
        let name = object.string("event")
        let type = name.flatMap(EventType.named)
        if let name, type == nil { object.fault("event", "unknown event \"\(shown(name))\"", .unknownEvent) }
        try object.check()
        return type
    }

    private func accepted(
        _ context: any RequestContext, _ write: (inout JSONWriter) -> Void
    ) async throws(APIError) -> Answer {
        try await committed(.json(.accepted, objectJSON(write)), context)
    }

    // MARK: Logs

    func log(_ request: Request, of id: UUID, _ context: any RequestContext) async throws(APIError) -> Answer {
        let query = try LogQuery(request.target)
        let found = try await stored { () async throws(StoreFailure) in try await store.log(of: id, query) }
        guard let page = found else { throw Self.unknownWebhook }
        var count = 64
        for entry in page.entries { count += (entry.requestBody?.count ?? 0) + entry.outcome.loggedBytes + 1024 }
        var response = Response.json(.ok, [])
        // RFC 8288. A search for failures may return no entries, and still link to where it continues.
        if let next = page.next, let link = HTTPField.Name("Link") {
            response.head.headerFields[link] = "<?\(query.text(before: next))>; rel=\"next\""
        }
        guard count <= Self.shortBytes else {
            return try await long(page.entries.map(\.id), with: response, context) {
                [store] line, json async throws(StoreFailure) in
                let one = LogQuery(limit: 1, before: line + 1)
                // A log entry that has been removed meanwhile is left out.
                guard let entry = try await store.log(of: id, one)?.entries.first, entry.id == line else { return }
                entry.write(to: &json)
            }
        }
        return try await committed(context) {
            response.body = arrayJSON(page.entries, reserving: count) { json, entry in entry.write(to: &json) }
            return response
        }
    }

    func retry(
        _ request: Request, _ text: String, of id: UUID, _ context: any RequestContext
    ) async throws(APIError) -> Answer {
        let unknownEntry = APIError(.unknownLog, "The webhook's log has no such entry.")
        guard let entry = UInt64(text) else { throw unknownEntry }
        let moment = now()
        let redelivery = try await stored { () async throws(StoreFailure) in
            try await store.retry(entry, of: id, for: request.id, at: moment)
        }
        switch redelivery {
        case .started(let delivery):
            return try await accepted(context) { json in json.member("delivery_id", delivery.description) }
        case .unknownDestination: throw Self.unknownWebhook
        case .unknownLine: throw unknownEntry
        case .gone: throw APIError(.unknownLog, "The payload of this delivery is no longer kept.")
        }
    }

    func recover(_ request: Request, _ id: UUID, _ context: any RequestContext) async throws(APIError) -> Answer {
        let moment = now()
        let input = try RecoverInput(parsing: try bytes(of: request), at: moment.wall)
        let limit = settings.recoverLimit
        let count = try await stored { () async throws(StoreFailure) in
            try await store.recover(
                id, since: input.since, until: input.until, limit: limit, for: request.id, at: moment)
        }
        guard let count else { throw Self.unknownWebhook }
        return try await accepted(context) { json in
            json.member("deliveries", count)
            json.member("more", count >= limit)
        }
    }

    func statistics(of id: UUID, _ context: any RequestContext) async throws(APIError) -> Answer {
        let found = try await stored { () async throws(StoreFailure) in try await store.statistics(of: id) }
        guard let statistics = found else { throw Self.unknownWebhook }
        let moment = now()
        let body = objectJSON { json in statistics.writeMembers(to: &json, at: moment) }
        return try await committed(.json(.ok, body), context)
    }

    // MARK: Settings

    func showSettings(_ environment: UUID, _ context: any RequestContext) async throws(APIError) -> Answer {
        let now = now().wall
        return try await show(try await keyring(of: environment, at: now, context), at: now, context)
    }

    /// Announces a new key, unless one is already announced.
    func rotate(_ environment: UUID, _ context: any RequestContext) async throws(APIError) -> Answer {
        let now = now().wall
        let overlap = settings.rotationSeconds
        let keyring = try await keyring(of: environment, at: now, context)
        guard let rotation = KeyRotation(keyring, at: now, overlapSeconds: overlap) else { throw Self.noKey }
        guard rotation.next == nil else { return try await show(keyring, at: now, context) }
        let key = try await newKey(signsFrom: now.adding(seconds: overlap))
        let rotated = try await stored { () async throws(StoreFailure) in
            try await store.rotate(environment, to: key, at: now, overlapSeconds: overlap)
        }
        guard let rotated else { throw Self.noKey }
        return try await show(rotated, at: now, context)
    }

    /// The keys of an environment, created if it has none.
    private func keyring(
        of environment: UUID, at now: Timestamp, _ context: any RequestContext
    ) async throws(APIError) -> Keyring {
        let found = try await stored { () async throws(StoreFailure) in try await store.keyring(of: environment) }
        if let found { return found }
        let key = try await newKey(signsFrom: now)
        return try await stored { () async throws(StoreFailure) in
            let keyring = try await store.keyring(of: environment, beginning: key)
            try await context.committed()
            return keyring
        }
    }

    private func show(
        _ keyring: Keyring, at now: Timestamp, _ context: any RequestContext
    ) async throws(APIError) -> Answer {
        guard let rotation = KeyRotation(keyring, at: now, overlapSeconds: settings.rotationSeconds) else {
            throw Self.noKey
        }
        return try await committed(.json(.ok, environmentSettingsJSON(rotation, settings)), context)
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
        throw APIError(.validation, "Idempotency-Key: must be 1 to 255 visible ASCII characters.")
    }
    return key
}

/// The time range of deliveries to make again.
struct RecoverInput: Equatable {
    let since: Timestamp
    let until: Timestamp

    init(parsing body: [UInt8], at now: Timestamp) throws(APIError) {
        var object = try InputObject(parsing: body)
        object.refuseOthers(than: ["since", "until"])
        if object["since"] == nil { object.fault("since", "is required") }
        let since = object.time("since")
        let until = object.time("until")
        if let since, since > until ?? now { object.fault("since", "must not be later than until") }
        try object.check()
        self.since = since ?? now
        self.until = until ?? now
    }
}

extension LogQuery {
    /// The same query for the entries before another one, as the query part of a URL.
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
                throw APIError(.validation, "The query parameter \"before\" must be the id of a log entry.")
            }
            before = id
        }
        if let name = target.queryValue("event") {
            guard EventType.named(name) != nil else {
                throw APIError(.unknownEvent, "The query parameter \"event\" must be the name of an event.")
            }
            event = name
        }
        switch target.queryValue("status") {
        case nil: break
        case "success": succeeded = true
        case "failure": succeeded = false
        case let text?:
            guard let code = Int(text), (100...599).contains(code) else {
                let reason = "The query parameter \"status\" must be success, failure or a status code such as 503."
                throw APIError(.validation, reason)
            }
            status = code
        }
    }
}
