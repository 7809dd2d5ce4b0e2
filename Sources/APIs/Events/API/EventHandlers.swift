package import Delivery
internal import Encodings
package import HTTP
internal import HTTPTypes
internal import JSON
package import Values

/// The event routing API: from a request and a store to an answer.
package final class EventHandlers {
    let store: any EventStore
    let settings: EventSettings
    private let urls: any URLChecking
    let sealing: Sealing
    let now: () -> Moment
    var random: any RandomNumberGenerator
    /// Told of a header that names a user but is not believed.
    private let ignored: () -> Void

    /// - Parameters:
    ///   - urls: which targets may be called.
    ///   - ignored: called where a request names its user by the header, and that is not believed.
    package init(
        store: any EventStore, settings: EventSettings, urls: any URLChecking, sealing: Sealing,
        now: @escaping () -> Moment, random: any RandomNumberGenerator, ignored: @escaping () -> Void
    ) {
        self.store = store
        self.settings = settings
        self.urls = urls
        self.sealing = sealing
        self.now = now
        self.random = random
        self.ignored = ignored
    }

    /// Whether what follows a path is told in this API's words.
    package static func owns(_ path: [String]) -> Bool { EventRoute.own(path) != nil }

    /// Answers what belongs to this API, and `nil` to all else.
    /// - Parameter path: the segments of the request's path below the mount point.
    package func answer(_ request: Request, path: [String]) throws(StoreFailure) -> Answer? {
        guard let own = EventRoute.own(path) else { return nil }
        guard let route = EventRoute(own) else { return refuse(.init(.notFound, "Nothing matches the given URI.")) }
        let allowed = route.methods.joined(separator: ", ")
        guard route.methods.contains(request.method.rawValue) else {
            return refuse(.init(.methodNotAllowed, "Only \(allowed) can be used here."), allowed: allowed)
        }
        do throws(EventError) {
            try check(request, route)
            return try handle(request, route).allowing(allowed)
        } catch {
            return refuse(error, allowed: allowed)
        }
    }

    private func check(_ request: Request, _ route: EventRoute) throws(EventError) {
        if let unknown = request.target.queryNames.first(where: { !route.parameters.contains($0) }) {
            throw EventError(.notFound, "Unexpected query string parameters: \(unknown)")
        }
    }

    private func handle(_ request: Request, _ route: EventRoute) throws(EventError) -> Answer {
        if route == .receive { return request.method == .options ? try consent(request) : try receive(request) }
        if settings.userSource == .none, request.fields.joinedValue(of: settings.userHeader) != nil { ignored() }
        let user = try settings.user(of: request)
        switch route {
        case .receive: preconditionFailure("it has been handled")
        case .subscriptions:
            if let text = request.target.queryValue("event_uuid") { return try atSubscription(request, text, of: user) }
            switch request.method {
            case .post: return try create(request, of: user)
            case .get, .head: return try list(request, of: user)
            default: throw EventError(.notFound, "Missing parameters: event_uuid")
            }
        case .subscription(let text): return try atSubscription(request, text, of: user)
        case .deliveries(let text): return try deliveries(request, try own(text, of: user))
        case .retry(let text, let line): return try retry(request, line, try own(text, of: user))
        case .replay(let text): return try replay(request, try own(text, of: user))
        case .event(let text): return try history(text, of: user)
        }
    }

    private func atSubscription(_ request: Request, _ text: String, of user: String) throws(EventError) -> Answer {
        switch request.method {
        case .get, .head: return .afterCommit(shown(try own(text, of: user)))
        case .put: return try update(request, try own(text, of: user))
        case .delete: return try delete(request, try id(text), of: user)
        default: throw EventError(.notFound, "Nothing matches the given URI.")
        }
    }

    // MARK: What several routes do

    /// Passes on what a store's failure is to this API's clients.
    func asking<Value>(_ body: () throws(StoreFailure) -> Value) throws(EventError) -> Value {
        do throws(StoreFailure) { return try body() } catch { throw EventError(error) }
    }

    func refuse(_ error: EventError, allowed: String? = nil) -> Answer {
        var response = error.response(version: settings.version)
        if let allowed { response.head.headerFields[.allow] = allowed }
        return .now(response)
    }

    func id(_ text: String) throws(EventError) -> UUID {
        guard let id = UUID(lenient: text) else { throw EventError(.badRequest, "The id in the path is no UUID.") }
        return id
    }

    /// The user's own subscription; of all others nothing is told.
    private func own(_ text: String, of user: String) throws(EventError) -> Subscription {
        let id = try id(text)
        guard let found = try asking({ () throws(StoreFailure) in try store.subscription(id) }),
            found.belongs(to: user)
        else { throw EventError.forbidden }
        return found
    }

    /// Checks, in the transaction that is about to write, that a subscription is still the one that was found: since then it
    /// may have been deleted, and another user may have taken its id.
    func checkStillThere(_ found: Subscription) throws(EventError) {
        let current = try asking { () throws(StoreFailure) in try store.change(found.id) { _ in false } }
        guard current?.destination.number == found.destination.number else { throw EventError.forbidden }
    }

    /// A request's body without its content coding.
    func body(of request: Request, atMost limit: Int) throws(EventError) -> [UInt8] {
        switch request.body {
        case .whole(let bytes) where bytes.count <= limit:
            return try RequestBody.decoded(bytes, request.fields, atMost: limit)
        case .whole, .tooLarge: throw RequestBody.tooLarge(limit)
        case .incomplete: throw EventError(.badRequest, "The body is shorter than announced.")
        }
    }

    private func shown(_ subscription: Subscription) -> Response {
        .plainJSON(.ok, valueJSON(reserving: 512) { json in subscription.write(to: &json, sealing) })
    }

    // MARK: Subscriptions

    private static let listed = 1...1000

    private func list(_ request: Request, of user: String) throws(EventError) -> Answer {
        let limit: Int
        do throws(QueryError) {
            limit = try request.target.wholeNumber("limit", in: Self.listed) ?? .max
        } catch {
            throw EventError(.badRequest, error.reason)
        }
        var after: UInt64?
        if let text = request.target.queryValue("after") {
            let id = try id(text)
            after = try asking { () throws(StoreFailure) in try store.subscription(id)?.destination.number ?? .max }
        }
        let list = SubscriptionList(of: user, after: after, limit: limit, store, sealing)
        let beginning = try asking { () throws(StoreFailure) in try list.next() }
        // Clients of the service before know a user without any by this.
        guard !list.isEmpty || after != nil else { throw EventError.forbidden }
        let response = Response.plainJSON(.ok, beginning ?? [])
        return list.isOver ? .afterCommit(response) : .inParts(response, rest: list.next)
    }

    private func input(_ request: Request, isNew: Bool) throws(EventError) -> SubscriptionInput {
        if let type = request.fields.firstValue(of: "content-type") {
            let text = String(decoding: type, as: UTF8.self).lowercased()
            if text.hasPrefix("application/x-www-form-urlencoded") || text.hasPrefix("multipart/") {
                throw EventError(.badRequest, "Unexpected body parameters: the body must be JSON, and not a form.")
            }
        }
        let body = try RequestBody.jsonText(try body(of: request, atMost: settings.maximumBodyBytes))
        return try SubscriptionInput(parsing: body, isNew: isNew, urls)
    }

    private func change(_ input: SubscriptionInput) -> SubscriptionChange {
        SubscriptionChange(input: input, settings: settings, sealing: sealing, now: now().wall)
    }

    /// Goes on where a target's name leads to nothing that may not be called, as far as that can be told.
    /// - Parameter url: `nil`: it is not to be looked at.
    private func reaching(
        _ url: String?, _ body: () throws(EventError) -> Answer
    ) throws(EventError) -> Answer {
        let busy = EventError(.serviceUnavailable, "Too many lookups are pending. Try again.")
        guard let url else { return try body() }
        switch urls.reach(url) {
        case .open: return try body()
        case .closed(let reason): throw EventError(.badRequest, "target_url: \(reason).")
        case .pending:
            let version = settings.version
            return .ask(
                Pending(
                    isOver: { [urls] in urls.reach(url) != .pending },
                    giveUp: { busy.response(version: version) }))
        case .tooMany: throw busy
        }
    }

    private func create(_ request: Request, of user: String) throws(EventError) -> Answer {
        let input = try input(request, isNew: true)
        let subscription = try change(input).subscription(UUID(random: &random), of: user)
        // What is made as deleted is never seen; clients know the answer to it.
        if case .value = input.deleted { throw EventError.forbidden }
        return try reaching(subscription.destination.url) { () throws(EventError) in
            try create(subscription, for: request.id)
        }
    }

    private func create(_ subscription: Subscription, for request: RequestID?) throws(EventError) -> Answer {
        let limit = settings.subscriptionsPerUser
        let outcome = try asking { () throws(StoreFailure) in
            try store.create(subscription, for: request, limit: limit)
        }
        switch outcome {
        case .made(let made): return .afterCommit(shown(made))
        case .idTaken: throw EventError(.conflict, "uuid: there is such a subscription already.")
        case .tooMany: throw EventError(.conflict, "A user may have no more than \(limit) subscriptions.")
        }
    }

    private func update(_ request: Request, _ found: Subscription) throws(EventError) -> Answer {
        let input = try input(request, isNew: false)
        let change = change(input)
        if case .value = input.deleted {
            var checked = found
            try change.apply(to: &checked)
            _ = try asking { () throws(StoreFailure) in
                try store.deleteSubscription(found.id, of: found.user, for: request.id)
            }
            return .afterCommit(EventError.forbidden.response(version: settings.version))
        }
        let url = input.target.map(\.called.url)
        let newURL = url == found.destination.url ? nil : url
        return try reaching(newURL) { () throws(EventError) in
            if let answer = try update(found, change, checked: newURL) { return answer }
            // The URL that it had, and was to keep, has been changed meanwhile: now it is a new one.
            return try reaching(url) { () throws(EventError) in
                guard let answer = try update(found, change, checked: url) else {
                    preconditionFailure("the URL has been checked")
                }
                return answer
            }
        }
    }

    /// - Parameter checked: the URL that is known to lead to what may be called; `nil`: none is.
    /// - Returns: `nil` where the URL would be another one that is not; then nothing is changed.
    private func update(
        _ found: Subscription, _ change: SubscriptionChange, checked: String?
    ) throws(EventError) -> Answer? {
        var refusal: EventError?
        var needsCheck = false
        let changed = try asking { () throws(StoreFailure) in
            try store.change(found.id) { subscription in
                do throws(EventError) {
                    guard subscription.destination.number == found.destination.number else {
                        throw EventError.forbidden
                    }
                    let url = subscription.destination.url
                    try change.apply(to: &subscription)
                    needsCheck = subscription.destination.url != url && subscription.destination.url != checked
                    return !needsCheck
                } catch {
                    refusal = error
                    return false
                }
            }
        }
        if let refusal { throw refusal }
        if needsCheck { return nil }
        guard let changed else { throw EventError.forbidden }
        return .afterCommit(shown(changed))
    }

    private func delete(_ request: Request, _ id: UUID, of user: String) throws(EventError) -> Answer {
        // A second attempt of the request that removed it finds it gone, and is answered as the first.
        let isDone = try asking { () throws(StoreFailure) in
            try store.deleteSubscription(id, of: user, for: request.id)
        }
        guard isDone else { throw EventError.forbidden }
        return .afterCommit(.plainJSON(.ok, []))
    }
}

extension Subscription {
    /// Users differ in any of their scalars.
    package func belongs(to name: String) -> Bool { user.utf8.elementsEqual(name.utf8) }
}

/// Where the policy service is asked about a user, below its own address.
enum PolicyPath {
    /// The user is one segment, whatever is in the name.
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
    /// The same with the methods that the path takes.
    fileprivate func allowing(_ methods: String) -> Answer {
        func marked(_ response: Response) -> Response {
            var response = response
            if response.head.headerFields[.allow] == nil { response.head.headerFields[.allow] = methods }
            return response
        }
        switch self {
        case .now(let response): return .now(marked(response))
        case .afterCommit(let response): return .afterCommit(marked(response))
        case .madeAfterCommit(let make): return .madeAfterCommit { marked(make()) }
        case .inParts(let response, let rest): return .inParts(marked(response), rest: rest)
        case .wait, .ask: return self
        }
    }
}

/// What a client is told when the store fails.
package func eventResponse(to failure: StoreFailure, version: String) -> Response {
    EventError(failure).response(version: version)
}
