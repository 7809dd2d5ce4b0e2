internal import Delivery
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

extension EventHandlers {
    // MARK: Receiving

    /// Answers with the ids that the events have here: one id for a single event, one line for each event of a batch.
    @inline(never)
    func receive(_ request: Request, _ context: any RequestContext) async throws(EventError) -> Answer {
        let body = try body(of: request, atMost: settings.maximumEventBytes)
        let intake = try EventIntake(request.fields, body: body)
        let events = intake.events.map { event in
            ReceivedEvent(
                id: UUID(random: &random), type: event.type, body: event.body,
                identity: settings.deduplicates ? event.identity : nil)
        }
        var ids: [UUID] = []
        if !events.isEmpty {
            ids = try await stored { () async throws(StoreFailure) in
                try await store.receive(events, for: request.id, at: now())
            }
        }
        let text = ids.map(\.description).joined(separator: "\n")
        let response = Response(
            .ok, fields: [.contentType: "text/html;charset=utf-8", .noSniff: "nosniff"], body: Array(text.utf8))
        return try await committed(response, context)
    }

    /// Answers a sender that asks whether it may send
    /// (github.com/cloudevents/spec, http-webhook.md, section 4).
    func consent(_ request: Request) throws(EventError) -> Answer {
        guard
            let origin = request.fields.joinedValue(of: "webhook-request-origin").map({
                String(decoding: $0, as: UTF8.self)
            })
        else {
            throw EventError(.methodNotAllowed, "Only POST can be used here, and OPTIONS with WebHook-Request-Origin.")
        }
        let isAllowed = settings.allowedOrigins.contains { $0 == "*" || $0.lowercased() == origin.lowercased() }
        guard isAllowed else { throw EventError(.forbidden, "This origin may not send events.") }
        var response = Response(.ok)
        response.head.headerFields[.allowedOrigin] = settings.allowedOrigins.contains("*") ? "*" : origin
        response.head.headerFields[.allowedRate] = settings.allowedRate.map(String.init) ?? "*"
        return .whole(response)
    }

    /// Tries an expression, in another thread: it may take some tens of milliseconds.
    func trial(_ request: Request) async throws(EventError) -> Answer {
        try refuseForm(request)
        let body = try RequestBody.jsonText(try body(of: request, atMost: settings.maximumInputBytes))
        let tooMany = EventError(.serviceUnavailable, "Too many expressions are being tried. Try again.")
        guard let place = trials.take(for: request.remoteAddress) else { throw tooMany }
        defer { trials.giveBack(place) }
        let outcome = await background.result(of: { () -> Result<[UInt8], EventError> in
            Result { () throws(EventError) in try ExpressionTrial(parsing: body).answer() }
        })
        guard let outcome else { throw tooMany }
        return .whole(.plainJSON(.ok, try outcome.get()))
    }

    // MARK: History

    /// The history of an event, with the deliveries to the user's own subscriptions. Any user who knows the event's id may
    /// see it. With a policy service its content is restricted, because withheld deliveries reveal the id too.
    func history(
        _ text: String, of user: String, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        let id = try id(text)
        let found = try await stored { () async throws(StoreFailure) in try await store.event(id, for: user) }
        guard let event = found else { throw EventError.forbidden }
        let needsApproval = settings.policyURL != nil
        return try await committed(context) {
            .plainJSON(.ok, valueJSON { json in event.write(to: &json, for: user, needsApproval: needsApproval) })
        }
    }

    func deliveries(
        _ request: Request, _ found: Subscription, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        let query = try DeliveryQuery(request.target)
        let lines = try await stored { () async throws(StoreFailure) in
            try await store.deliveries(of: found.id, query)
        }
        // Numbers are never used twice: if the subscription still has the same number, the log entries are its own.
        let current = try await stored { () async throws(StoreFailure) in try await store.subscription(found.id) }
        guard let lines, current?.destination.number == found.destination.number else { throw EventError.forbidden }
        let needsApproval = settings.policyURL != nil
        // A short answer is made at once, a longer one in parts.
        var bytes = 512 * lines.count
        for line in lines { bytes += line.outcome.loggedBytes }
        guard bytes <= 32 << 10 else {
            guard context.mayBeLong else { throw EventError(.serviceUnavailable, Response.noRoomText) }
            let parts = JSONArrayParts(lines.map(\.id)) { [store] line, json async throws(StoreFailure) in
                let one = DeliveryQuery(limit: 1, before: line + 1)
                // A log entry that has been removed meanwhile is left out.
                guard let found = try await store.deliveries(of: found.id, one)?.first, found.id == line else {
                    return
                }
                found.write(to: &json, needsApproval: needsApproval)
            }
            return try await stored { () async throws(StoreFailure) in
                try await context.committed(.plainJSON(.ok, []), parts)
            }
        }
        return try await committed(context) {
            .plainJSON(
                .ok,
                arrayJSON(lines, reserving: 512 * lines.count) { json, line in
                    line.write(to: &json, needsApproval: needsApproval)
                })
        }
    }

    func retry(
        _ request: Request, _ text: String, _ found: Subscription, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        guard let line = UInt64(text) else {
            throw EventError(.badRequest, "The id of a delivery in the path must be a whole number.")
        }
        let redelivery = try await stored { () async throws(StoreFailure) in
            try await store.redeliver(line, of: found, for: request.id, at: now())
        }
        switch redelivery {
        case .started(let delivery):
            let body = objectJSON { json in json.member("delivery_id", delivery.description) }
            return try await committed(.plainJSON(.accepted, body), context)
        case .unknownDestination, .unknownLine: throw EventError.forbidden
        case .gone: throw EventError(.gone, "The event is no longer kept.")
        }
    }

    func replay(
        _ request: Request, _ found: Subscription, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        let body = try RequestBody.jsonText(try body(of: request, atMost: settings.maximumInputBytes))
        let input = try ReplayInput(parsing: body, now: now().wall)
        let replay = try await stored { () async throws(StoreFailure) in
            try await store.replay(found, since: input.since, until: input.until, all: input.all, for: request.id)
        }
        switch replay {
        case .accepted: break
        case .unknownSubscription: throw EventError.forbidden
        case .tooMany:
            throw EventError(
                .conflict,
                "\(ReplayRequest.limit) replays of this subscription are already waiting. Try again when one has finished."
            )
        }
        let answer = objectJSON { json in
            json.member("since", input.since.naive)
            json.member("until", input.until.naive)
            json.member("all", input.all)
        }
        return try await committed(.plainJSON(.accepted, answer), context)
    }
}

/// Which events to deliver once more.
struct ReplayInput: Equatable {
    let since: Timestamp
    let until: Timestamp
    /// Whether to deliver again the events that were delivered already.
    let all: Bool

    init(parsing body: [UInt8], now: Timestamp) throws(EventError) {
        let value = try JSON(body: body, refusal: EventError.badRequest)
        guard case .object(let members) = value else { throw EventError(.badRequest, "The body must be an object.") }
        if let unknown = members.first(where: { !["since", "until", "all"].contains($0.name) }) {
            throw EventError(.badRequest, "\(unknown.name.prefix(64)): unknown member.")
        }
        guard let since = try Self.time("since", value) else { throw EventError(.badRequest, "since: is required.") }
        self.since = since
        until = try Self.time("until", value) ?? now
        if let wanted = value["all"], wanted.bool == nil {
            throw EventError(.badRequest, "all: must be true or false.")
        }
        all = value["all"]?.bool ?? false
        guard since <= until else { throw EventError(.badRequest, "since: must not be later than until.") }
    }

    private static func time(_ name: String, _ value: JSON) throws(EventError) -> Timestamp? {
        guard let found = value[name] else { return nil }
        guard let time = found.string.flatMap({ Timestamp(zonedOrNaive: $0) }) else {
            throw EventError(
                .badRequest, "\(name): must be a date and time such as 2026-11-22T06:05:37Z.")
        }
        return time
    }
}

extension DeliveryQuery {
    init(_ target: Target) throws(EventError) {
        self.init()
        do throws(QueryError) {
            limit = try target.wholeNumber("limit", in: 1...1000) ?? 100
        } catch {
            throw EventError(.badRequest, error.reason)
        }
        if let text = target.queryValue("before") {
            guard let line = UInt64(text) else {
                throw EventError(.badRequest, "The query parameter \"before\" must be the id of a delivery.")
            }
            before = line
        }
        switch target.queryValue("status") {
        case nil: break
        case "success": succeeded = true
        case "failure": succeeded = false
        default: throw EventError(.badRequest, "The query parameter \"status\" must be success or failure.")
        }
    }
}

extension HTTPField.Name {
    static let allowedOrigin = HTTPField.Name("WebHook-Allowed-Origin")!
    static let allowedRate = HTTPField.Name("WebHook-Allowed-Rate")!
}
