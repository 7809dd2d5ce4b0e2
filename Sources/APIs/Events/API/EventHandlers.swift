package import Delivery
internal import Encodings
package import HTTP
internal import HTTPTypes
internal import JSON
package import Values

/// The event routing API: turns a request into an answer, with the help of a store.
package final class EventHandlers: APIHandlers {
    package typealias Failure = EventError

    let store: any EventStore
    let settings: EventSettings
    private let urls: any URLChecking
    let sealing: Sealing
    let background: any Background
    var trials = TrialPlaces()
    let now: () -> Moment
    var random: any RandomNumberGenerator
    /// Called when a request names its user in a header that is ignored.
    private let ignored: () -> Void

    /// - Parameters:
    ///   - urls: decides which targets may be called.
    ///   - background: tries expressions.
    ///   - ignored: called when a request names its user in the header, but the settings ignore it.
    package init(
        store: any EventStore, settings: EventSettings, urls: any URLChecking, sealing: Sealing,
        background: any Background = NoBackground(), now: @escaping () -> Moment, random: any RandomNumberGenerator,
        ignored: @escaping () -> Void
    ) {
        self.store = store
        self.settings = settings
        self.urls = urls
        self.sealing = sealing
        self.background = background
        self.now = now
        self.random = random
        self.ignored = ignored
    }

    /// Whether errors at this path have the format of this API.
    package static func owns(_ path: [String]) -> Bool { EventRoute.own(path) != nil }

    /// Answers the requests of this API; `nil` for all other paths.
    /// - Parameter path: the segments of the request's path below the mount point.
    package func answer(
        _ request: Request, path: [String], _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer? {
        guard let own = EventRoute.own(path) else { return nil }
        guard let route = EventRoute(own) else { return refuse(.init(.notFound, "Nothing matches the given URI.")) }
        let allowed = route.methods.joined(separator: ", ")
        guard route.methods.contains(request.method.rawValue) else {
            return refuse(.init(.methodNotAllowed, "Only \(allowed) can be used here."), allowed: allowed)
        }
        do throws(EventError) {
            try check(request, route)
            return try await handle(request, route, context).allowing(allowed)
        } catch {
            if let failure = error.failure { throw failure }
            return refuse(error, allowed: allowed)
        }
    }

    private func check(_ request: Request, _ route: EventRoute) throws(EventError) {
        if let unknown = request.target.queryNames.first(where: { !route.parameters.contains($0) }) {
            throw EventError(.notFound, "Unexpected query string parameters: \(unknown)")
        }
    }

    private func handle(
        _ request: Request, _ route: EventRoute, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        guard route == .receive else { return try await handleOfUser(request, route, context) }
        return request.method == .options ? try consent(request) : try await receive(request, context)
    }

    // Not inlined, so that events do not pay for its variables, which are on the heap as those of all asynchronous functions.
    @inline(never)
    private func handleOfUser(
        _ request: Request, _ route: EventRoute, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        if settings.userSource == .none, request.fields.joinedValue(of: settings.userHeader) != nil { ignored() }
        let user = try settings.user(of: request)
        switch route {
        case .receive: preconditionFailure("it has been handled")
        case .subscriptions:
            if let text = request.target.queryValue("event_uuid") {
                return try await atSubscription(request, text, of: user, context)
            }
            switch request.method {
            case .post: return try await create(request, of: user, context)
            case .get, .head: return try await list(request, of: user, context)
            default: throw EventError(.notFound, "Missing parameters: event_uuid")
            }
        case .subscription(let text): return try await atSubscription(request, text, of: user, context)
        case .deliveries(let text): return try await deliveries(request, try await own(text, of: user), context)
        case .retry(let text, let line): return try await retry(request, line, try await own(text, of: user), context)
        case .replay(let text): return try await replay(request, try await own(text, of: user), context)
        case .event(let text): return try await history(text, of: user, context)
        case .expression: return try await trial(request)
        }
    }

    private func atSubscription(
        _ request: Request, _ text: String, of user: String, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        switch request.method {
        case .get, .head: return try await committed(shown(try await own(text, of: user)), context)
        case .put: return try await update(request, try await own(text, of: user), context)
        case .delete: return try await delete(request, try id(text), of: user, context)
        default: throw EventError(.notFound, "Nothing matches the given URI.")
        }
    }

    // MARK: What several routes do

    func refuse(_ error: EventError, allowed: String? = nil) -> Answer {
        var response = error.response(version: settings.version)
        if let allowed { response.head.headerFields[.allow] = allowed }
        return .whole(response)
    }

    func id(_ text: String) throws(EventError) -> UUID {
        guard let id = UUID(lenient: text) else { throw EventError(.badRequest, "The id in the path is not a UUID.") }
        return id
    }

    /// The user's own subscription. Any other id is answered as forbidden.
    private func own(_ text: String, of user: String) async throws(EventError) -> Subscription {
        let id = try id(text)
        let found = try await stored { () async throws(StoreFailure) in try await store.subscription(id) }
        guard let found, found.belongs(to: user) else { throw EventError.forbidden }
        return found
    }

    /// A request's body without its content coding.
    func body(of request: Request, atMost limit: Int) throws(EventError) -> [UInt8] {
        switch request.body {
        case .whole(let bytes) where bytes.count <= limit:
            return try RequestBody.decoded(bytes, request.fields, atMost: limit)
        case .whole, .tooLarge: throw RequestBody.tooLarge(limit)
        case .incomplete: throw EventError(.badRequest, "The body is shorter than its Content-Length.")
        }
    }

    private func shown(_ subscription: Subscription) -> Response {
        .plainJSON(.ok, valueJSON(reserving: 512) { json in subscription.write(to: &json, sealing) })
    }

    // MARK: Subscriptions

    private static let listed = 1...1000

    private func list(
        _ request: Request, of user: String, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        let limit: Int
        do throws(QueryError) {
            limit = try request.target.wholeNumber("limit", in: Self.listed) ?? .max
        } catch {
            throw EventError(.badRequest, error.reason)
        }
        var after: UInt64?
        if let text = request.target.queryValue("after") {
            guard let id = UUID(lenient: text) else { throw EventError(.badRequest, "after: must be a UUID.") }
            let found = try await stored { () async throws(StoreFailure) in try await store.subscription(id) }
            guard let found, found.user == user else {
                throw EventError(.notFound, "after: you have no subscription \(id). It may have been deleted.")
            }
            after = found.destination.number
        }
        let list = SubscriptionList(of: user, after: after, limit: limit, store, sealing)
        let beginning = try await stored { () async throws(StoreFailure) in try await list.next() }
        // Clients of the former service know from this error that the user has no subscriptions.
        guard !list.isEmpty || after != nil else { throw EventError.forbidden }
        let response = Response.plainJSON(.ok, beginning ?? [])
        if list.isOver { return try await committed(response, context) }
        return try await stored { () async throws(StoreFailure) in try await context.committed(response, list) }
    }

    private func input(_ request: Request, isNew: Bool) throws(EventError) -> SubscriptionInput {
        try refuseForm(request)
        let body = try RequestBody.jsonText(try body(of: request, atMost: settings.maximumInputBytes))
        return try SubscriptionInput(parsing: body, isNew: isNew, urls)
    }

    func refuseForm(_ request: Request) throws(EventError) {
        if let type = request.fields.firstValue(of: "content-type") {
            let text = String(decoding: type, as: UTF8.self).lowercased()
            if text.hasPrefix("application/x-www-form-urlencoded") || text.hasPrefix("multipart/") {
                throw EventError(.badRequest, "Unexpected body parameters: the body must be JSON, and not a form.")
            }
        }
    }

    private func change(_ input: SubscriptionInput) -> SubscriptionChange {
        SubscriptionChange(input: input, settings: settings, sealing: sealing, now: now().wall)
    }

    /// Refuses a target whose host name leads to an address that may not be called, as far as lookups can tell.
    private func checkReach(of url: String, _ context: any RequestContext) async throws(EventError) {
        switch await urls.refusal(of: url, context) {
        case .found(nil): return
        case .found(let reason?): throw EventError(.badRequest, "target_url: \(reason).")
        case .unanswered, .tooMany: throw EventError(.serviceUnavailable, "Too many lookups are pending. Try again.")
        }
    }

    private func create(
        _ request: Request, of user: String, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        let input = try input(request, isNew: true)
        let subscription = try change(input).subscription(UUID(random: &random), of: user)
        // A subscription that is created as deleted is never visible; clients know this answer.
        if case .value = input.deleted { throw EventError.forbidden }
        try await checkReach(of: subscription.destination.url, context)
        let limit = settings.subscriptionsPerUser
        let creation = try await stored { () async throws(StoreFailure) in
            try await store.create(subscription, for: request.id, limit: limit)
        }
        switch creation {
        case .made(let made): return try await committed(shown(made), context)
        case .idTaken: throw EventError(.conflict, "uuid: a subscription with this UUID already exists.")
        case .tooMany: throw EventError(.conflict, "A user can have at most \(limit) subscriptions.")
        }
    }

    private func update(
        _ request: Request, _ found: Subscription, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        let input = try input(request, isNew: false)
        let change = change(input)
        if case .value = input.deleted {
            var checked = found
            try change.apply(to: &checked)
            _ = try await stored { () async throws(StoreFailure) in
                try await store.deleteSubscription(found.id, of: found.user, for: request.id)
            }
            return try await committed(EventError.forbidden.response(version: settings.version), context)
        }
        var subscription = found
        var checkedURL: String?
        while true {
            guard subscription.destination.number == found.destination.number else { throw EventError.forbidden }
            let before = subscription
            try change.apply(to: &subscription)
            let changed = subscription
            // If another request has changed the URL meanwhile, setting it back is a change, and it must be checked.
            let url = changed.destination.url
            if url != before.destination.url, url != checkedURL {
                try await checkReach(of: url, context)
                checkedURL = url
            }
            let replacement = try await stored { () async throws(StoreFailure) in
                try await store.replace(before, by: changed)
            }
            switch replacement {
            case .replaced: return try await committed(shown(changed), context)
            case .differs(let current): subscription = current
            case .gone: throw EventError.forbidden
            }
        }
    }

    private func delete(
        _ request: Request, _ id: UUID, of user: String, _ context: any RequestContext
    ) async throws(EventError) -> Answer {
        // When the request that removed the subscription is retried, it gets the same answer as the first time.
        let isDone = try await stored { () async throws(StoreFailure) in
            try await store.deleteSubscription(id, of: user, for: request.id)
        }
        guard isDone else { throw EventError.forbidden }
        return try await committed(.plainJSON(.ok, []), context)
    }
}

extension Subscription {
    /// Names are compared byte by byte: users that differ in any scalar are different.
    package func belongs(to name: String) -> Bool { user.utf8.elementsEqual(name.utf8) }
}

/// The path of the policy service for a user, below the service's address.
enum PolicyPath {
    /// The user's name is one path segment, whatever characters it has.
    static func of(_ user: String) -> String { "/events/" + percentEncoded(user, except: isUnreserved) }

    /// RFC 3986, section 2.3.
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: "-._~".utf8.contains(byte)
        }
    }
}

extension Answer {
    /// The same answer with the header `Allow`.
    fileprivate func allowing(_ methods: String) -> Answer {
        func marked(_ response: Response) -> Response {
            var response = response
            if response.head.headerFields[.allow] == nil { response.head.headerFields[.allow] = methods }
            return response
        }
        switch self {
        case .whole(let response): return .whole(marked(response))
        case .inParts(let response, let rest): return .inParts(marked(response), rest: rest)
        }
    }
}

/// The response to a client when the store fails.
/// - Parameter path: the segments of the request's path below the mount point.
package func eventResponse(to failure: StoreFailure, at path: [String], version: String) -> Response {
    var response = EventError(failure).response(version: version)
    let route = EventRoute.own(path).flatMap { EventRoute($0) }
    response.head.headerFields[.allow] = route?.methods.joined(separator: ", ")
    return response
}
