package import Delivery
package import HTTP
internal import HTTPTypes
internal import JSON
internal import StandardWebhooks
package import Values

/// Whether an environment exists.
package enum EnvironmentAnswer: Equatable, Sendable {
    case yes
    case no
    /// Whoever knows has been asked, and has not answered yet.
    case pending
    /// Whoever knows does not answer.
    case unknown
    /// Too much is being asked to ask for this too.
    case tooMany
}

/// Whether keys can be made at once.
package enum KeyStanding: Equatable, Sendable {
    case ready
    /// They are being made.
    case pending
    /// Too many are being made.
    case tooMany
}

/// The webhooks API: from a request and a store to an answer.
package final class WebhookHandlers {
    let store: any WebhookStore
    let settings: WebhookSettings
    private let rules: WebhookInput.Rules
    private let urls: any URLChecking
    private let sealing: Sealing
    let makeKey: (_ signsFrom: Timestamp) -> Keyring.Key?
    private let keys: (_ count: Int) -> KeyStanding
    private let environmentExists: (UUID) -> EnvironmentAnswer
    let now: () -> Moment
    var random: any RandomNumberGenerator

    /// - Parameters:
    ///   - makeKey: makes a key pair, the private half sealed; `nil` where that fails. It is called within a transaction.
    ///   - keys: says whether `makeKey` returns at once if it is called so often, and if not begins to make keys.
    package init(
        store: any WebhookStore, settings: WebhookSettings, urls: any URLChecking, sealing: Sealing,
        makeKey: @escaping (_ signsFrom: Timestamp) -> Keyring.Key?,
        keys: @escaping (_ count: Int) -> KeyStanding = { _ in .ready },
        environmentExists: @escaping (UUID) -> EnvironmentAnswer, now: @escaping () -> Moment,
        random: any RandomNumberGenerator
    ) {
        self.store = store
        self.settings = settings
        self.urls = urls
        rules = WebhookInput.Rules(
            urls: urls,
            headers: HeaderRules(signatureHeaders: [settings.signatureHeader, settings.signatureTimestampHeader]),
            maximumRetrySeconds: settings.retentionSeconds)
        self.sealing = sealing
        self.makeKey = makeKey
        self.keys = keys
        self.environmentExists = environmentExists
        self.now = now
        self.random = random
    }

    /// Answers what belongs to this API, and `nil` to all else.
    /// - Parameter path: the segments of the request's path below the mount point.
    package func answer(_ request: Request, path: [String]) throws(StoreFailure) -> Answer? {
        guard let own = WebhookRoute.own(path) else { return nil }
        guard let route = WebhookRoute(own) else {
            return refuse(.nothingThere, "There is nothing at this path.")
        }
        // What is named by no UUID is not there, whatever is to be done with it.
        if let name = route.unreadableID { return refuse(.nothingThere, "The \(name)'s id is no UUID.") }
        guard route.methods.contains(request.method.rawValue) else {
            let allowed = route.methods.joined(separator: ",")
            var response = APIError(.wrongMethod, "Only \(allowed) can be used here.").response()
            response.head.headerFields[.allow] = allowed
            return .now(response)
        }
        switch route {
        case .webhooks(let environment):
            return try inEnvironment(environment) { id throws(StoreFailure) in
                request.method == .post ? try create(request, in: id) : try list(request, id)
            }
        case .publish(let environment):
            return try inEnvironment(environment) { id throws(StoreFailure) in try publish(request, in: id) }
        case .settings(let environment):
            return try inEnvironment(environment) { id throws(StoreFailure) in
                try withKeys(for: id, { $0 ? 0 : 1 }) { () throws(StoreFailure) in try showSettings(id) }
            }
        case .rotate(let environment):
            return try inEnvironment(environment) { id throws(StoreFailure) in
                try withKeys(for: id, { $0 ? 1 : 2 }) { () throws(StoreFailure) in try rotate(id) }
            }
        case .eventTypes: return .now(.json(.ok, Self.eventTypes))
        case .webhook(let text):
            return try atWebhook(text) { id throws(StoreFailure) in
                switch request.method {
                case .put, .patch: try update(request, id)
                case .delete: try delete(request, id)
                default: try show(id)
                }
            }
        case .log(let text): return try atWebhook(text) { id throws(StoreFailure) in try log(request, of: id) }
        case .retry(let text, let entry):
            return try atWebhook(text) { id throws(StoreFailure) in try retry(request, entry, of: id) }
        case .test(let text): return try atWebhook(text) { id throws(StoreFailure) in try test(request, id) }
        case .recover(let text): return try atWebhook(text) { id throws(StoreFailure) in try recover(request, id) }
        case .statistics(let text): return try atWebhook(text) { id throws(StoreFailure) in try statistics(of: id) }
        }
    }

    /// Whether what follows a path is told in this API's words.
    package static func owns(_ path: [String]) -> Bool { WebhookRoute.own(path) != nil }

    private static let eventTypes = eventTypesJSON()

    // MARK: What several routes do

    func refuse(_ error: APIError) -> Answer { .now(error.response(isDebugging: settings.isDebugging)) }

    func refuse(_ code: ErrorCode, _ message: String) -> Answer { refuse(APIError(code, message)) }

    var unknownWebhook: Answer { refuse(.unknownWebhook, "There is no such webhook.") }

    private func inEnvironment(
        _ text: String, _ body: (UUID) throws(StoreFailure) -> Answer
    ) throws(StoreFailure) -> Answer {
        guard let id = UUID(text) else { return refuse(.nothingThere, "The id is no UUID.") }
        switch environmentExists(id) {
        case .yes: return try body(id)
        case .no: return refuse(.unknownEnvironment, "There is no such environment.")
        case .pending: return ask { [environmentExists] in environmentExists(id) != .pending }
        case .tooMany: return .now(busy)
        case .unknown:
            return refuse(.projectsUnavailable, "It cannot be told at the moment what environments there are.")
        }
    }

    private var busy: Response {
        APIError(.busy, "Too much has to be asked elsewhere at the moment. The request can be sent again.")
            .response(isDebugging: settings.isDebugging)
    }

    private func ask(until isOver: @escaping () -> Bool) -> Answer {
        .ask(Pending(isOver: isOver, giveUp: { self.busy }))
    }

    /// Goes on where a URL's name leads to nothing that may not be called, as far as that can be told.
    /// - Parameter url: `nil`: it is not to be looked at.
    func reaching(_ url: String?, _ body: () throws(StoreFailure) -> Answer) throws(StoreFailure) -> Answer {
        guard let url else { return try body() }
        switch urls.reach(url) {
        case .open: return try body()
        case .closed(let reason):
            return refuse(APIError([InputFault(code: .badURL, place: "url", reason: reason)]))
        case .pending: return ask { [urls] in urls.reach(url) != .pending }
        case .tooMany: return .now(busy)
        }
    }

    /// Goes on once keys can be made in no time.
    /// - Parameter count: how many, for an environment that has keys, or has none.
    func withKeys(
        for environment: UUID, _ count: (_ hasKeys: Bool) -> Int, _ body: () throws(StoreFailure) -> Answer
    ) throws(StoreFailure) -> Answer {
        let count = count(try store.hasKeyring(environment))
        guard count > 0 else { return try body() }
        switch keys(count) {
        case .ready: return try body()
        case .pending: return ask { [keys] in keys(count) != .pending }
        case .tooMany: return .now(busy)
        }
    }

    private func atWebhook(
        _ text: String, _ body: (UUID) throws(StoreFailure) -> Answer
    ) throws(StoreFailure) -> Answer {
        guard let id = UUID(text) else { return refuse(.nothingThere, "The id is no UUID.") }
        return try body(id)
    }

    /// Reads a request's body, and refuses what cannot be read.
    /// - Parameter isOptional: whether there need not be one; `parse` is given `{}` then.
    func reading<Value>(
        _ request: Request, isOptional: Bool = false, _ parse: ([UInt8]) throws(APIError) -> Value,
        _ body: (Value) throws(StoreFailure) -> Answer
    ) throws(StoreFailure) -> Answer {
        let value: Value
        do throws(APIError) {
            value = try parse(try bytes(of: request, isOptional: isOptional))
        } catch {
            return refuse(error)
        }
        return try body(value)
    }

    private func bytes(of request: Request, isOptional: Bool) throws(APIError) -> [UInt8] {
        switch request.body {
        case .whole([]) where isOptional: return Array("{}".utf8)
        case .incomplete: throw APIError(.malformedJSON, "The body is shorter than announced.")
        case .whole, .tooLarge: break
        }
        if let reason = MediaType.fault(request.fields) { throw APIError(.wrongMediaType, reason) }
        guard case .whole(let bytes) = request.body, bytes.count <= settings.maximumBodyBytes else {
            throw APIError(.bodyTooLarge, "A body may have no more than \(settings.maximumBodyBytes) bytes.")
        }
        return bytes
    }

    // MARK: Webhooks

    /// JSON of up to so many bytes is made at once; what is longer, in parts.
    static let shortBytes = 32 << 10

    /// An array, in parts where it is long.
    /// - Parameters:
    ///   - items: what the parts are made of.
    func long<Item>(
        _ request: Request, _ items: [Item], with response: Response = .json(.ok, []),
        _ write: @escaping (Item, inout JSONWriter) throws(StoreFailure) -> Void
    ) -> Answer {
        guard request.mayBeLong else {
            return .now(APIError(.busy, Response.noRoomText).response(isDebugging: settings.isDebugging))
        }
        return .inParts(response, rest: JSONArrayParts(items, write: write).next)
    }

    private func list(_ request: Request, _ environment: UUID) throws(StoreFailure) -> Answer {
        let webhooks = try store.webhooks(of: environment)
        let bytes = webhooks.reduce(0) { $0 + $1.jsonBytes }
        guard bytes <= Self.shortBytes else {
            return long(request, webhooks.map(\.id)) { [store] id, json throws(StoreFailure) in
                if let webhook = try store.webhook(id) { webhook.write(to: &json) }
            }
        }
        return .madeAfterCommit { .json(.ok, arrayJSON(webhooks) { json, webhook in webhook.write(to: &json) }) }
    }

    private func show(_ id: UUID) throws(StoreFailure) -> Answer {
        guard let webhook = try store.webhook(id) else { return unknownWebhook }
        return .afterCommit(.json(.ok, valueJSON { json in webhook.write(to: &json) }))
    }

    private func create(_ request: Request, in environment: UUID) throws(StoreFailure) -> Answer {
        let moment = now()
        let parse = { (body: [UInt8]) throws(APIError) -> (Webhook, WebhookInput) in
            let input = try WebhookInput(parsing: body, isPartial: false, self.rules)
            let id = UUID(random: &self.random)
            return (try self.change(input, at: moment.wall).webhook(id, in: environment), input)
        }
        return try reading(request, parse) { (webhook, input) throws(StoreFailure) in
            try reaching(webhook.destination.url) { () throws(StoreFailure) in
                try withKeys(for: environment, { $0 ? 0 : 1 }) { () throws(StoreFailure) in
                    let make = { self.makeKey(moment.wall) }
                    let limit = settings.webhooksPerEnvironment
                    switch try store.create(webhook, for: request.id, limit: limit, make) {
                    case .created(let created): return .afterCommit(.json(.created, json(created, changedBy: input)))
                    case .tooMany: return refuse(.validation, "An environment has no more than \(limit) webhooks.")
                    case .noKey: return noKey
                    }
                }
            }
        }
    }

    private func update(_ request: Request, _ id: UUID) throws(StoreFailure) -> Answer {
        let isPartial = request.method == .patch
        let parse = { (body: [UInt8]) throws(APIError) in
            try WebhookInput(parsing: body, isPartial: isPartial, self.rules)
        }
        return try reading(request, parse) { input throws(StoreFailure) in
            let url = try newURL(input, of: id)
            return try reaching(url) { () throws(StoreFailure) in
                if let answer = try update(id, to: input, checked: url != nil) { return answer }
                // The URL that it had, and was to keep, has been changed meanwhile: now it is a new one.
                guard case .set(let url) = input.url else { preconditionFailure("only a URL is checked") }
                return try reaching(url) { () throws(StoreFailure) in
                    try update(id, to: input, checked: true) ?? unknownWebhook
                }
            }
        }
    }

    /// The URL that a webhook does not have yet.
    private func newURL(_ input: WebhookInput, of id: UUID) throws(StoreFailure) -> String? {
        guard case .set(let url) = input.url, let webhook = try store.webhook(id), webhook.destination.url != url
        else { return nil }
        return url
    }

    /// - Parameter isChecked: whether the URL in `input` may be called.
    /// - Returns: `nil` where it is not known to, and would be a new one; then nothing is changed.
    private func update(_ id: UUID, to input: WebhookInput, checked isChecked: Bool) throws(StoreFailure) -> Answer? {
        let change = change(input, at: now().wall)
        var refusal: APIError?
        var needsCheck = false
        let webhook = try store.change(id) { webhook in
            guard !input.isEmpty else { return false }
            if case .set(let url) = input.url, !isChecked, webhook.destination.url != url {
                needsCheck = true
                return false
            }
            do throws(APIError) {
                try change.apply(to: &webhook)
                return true
            } catch {
                refusal = error
                return false
            }
        }
        guard let webhook else { return unknownWebhook }
        if needsCheck { return nil }
        if let refusal { return refuse(refusal) }
        return .afterCommit(.json(.ok, json(webhook, changedBy: input)))
    }

    private func delete(_ request: Request, _ id: UUID) throws(StoreFailure) -> Answer {
        guard try store.delete(id, for: request.id) else { return unknownWebhook }
        return .afterCommit(Response(.noContent))
    }

    private func change(_ input: WebhookInput, at now: Timestamp) -> WebhookChange {
        WebhookChange(
            input: input, newSecret: WebhookSecret(random: &random).bytes, settings: settings, sealing: sealing,
            now: now
        )
    }

    /// A webhook as its client is told that it has become. The secret that is kept is shown, which is another than this
    /// request has made if the same request was done before.
    private func json(_ webhook: Webhook, changedBy input: WebhookInput) -> [UInt8] {
        let isShown =
            switch input.secret {
            case .set(.make), .set(.given): true
            case .keep, .reset, .set(.same): false
            }
        let secret = isShown ? webhook.destination.sealedSecret.flatMap { sealing.open($0, .secret) } : nil
        return valueJSON { json in webhook.write(to: &json, secret: secret) }
    }

    var noKey: Answer {
        refuse(
            APIError(
                .failure, "A key to sign with could not be made.", internalMessage: "libcrypto has made no key pair"))
    }
}

/// What a client is told when the store fails.
package func webhookResponse(to failure: StoreFailure, isDebugging: Bool = false) -> Response {
    APIError(failure).response(isDebugging: isDebugging)
}

extension Webhook {
    /// About as many bytes as it has in JSON.
    fileprivate var jsonBytes: Int {
        headerNames.reduce(1024 + name.utf8.count + (description ?? "").utf8.count + destination.url.utf8.count) {
            $0 + $1.utf8.count
        }
    }
}
