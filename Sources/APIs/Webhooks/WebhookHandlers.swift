package import Delivery
package import HTTP
internal import HTTPTypes
internal import JSON
internal import StandardWebhooks
package import Values

/// Makes the signing keys of environments.
package protocol KeyMaking: AnyObject {
    /// A new key pair, the private half sealed. It may take long.
    func key(signsFrom: Timestamp) async -> KeyMade
}

package enum KeyMade: Equatable, Sendable {
    case key(Keyring.Key)
    /// libcrypto could not make a key pair.
    case failed
    /// Too many keys are being made.
    case tooMany
}

/// Knows which environments exist.
package protocol EnvironmentDirectory: AnyObject {
    /// Whether an environment exists.
    /// - Parameter context: the context of the request that waits for the answer.
    func environment(_ id: UUID, _ context: any RequestContext) async -> LookupResult<Bool>
}

/// The webhooks API: turns a request into an answer, with the help of a store.
package final class WebhookHandlers: APIHandlers {
    package typealias Failure = APIError

    let store: any WebhookStore
    let settings: WebhookSettings
    private let rules: WebhookInput.Rules
    private let urls: any URLChecking
    private let sealing: Sealing
    private let keys: any KeyMaking
    private let environments: any EnvironmentDirectory
    let now: () -> Moment
    var random: any RandomNumberGenerator

    package init(
        store: any WebhookStore, settings: WebhookSettings, urls: any URLChecking, sealing: Sealing,
        keys: any KeyMaking, environments: any EnvironmentDirectory, now: @escaping () -> Moment,
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
        self.keys = keys
        self.environments = environments
        self.now = now
        self.random = random
    }

    /// Answers the requests of this API; `nil` for all other paths.
    /// - Parameter path: the segments of the request's path below the mount point.
    package func answer(
        _ request: Request, path: [String], _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer? {
        guard let own = WebhookRoute.own(path) else { return nil }
        do throws(APIError) {
            guard let route = WebhookRoute(own) else {
                throw APIError(.nothingThere, "There is nothing at this path.")
            }
            // An object whose id is not a UUID does not exist, whatever the method.
            if let name = route.unreadableID { throw APIError(.nothingThere, "The id of the \(name) is not a UUID.") }
            guard route.methods.contains(request.method.rawValue) else {
                let allowed = route.methods.joined(separator: ",")
                var response = APIError(.wrongMethod, "Only \(allowed) can be used here.").response()
                response.head.headerFields[.allow] = allowed
                return .whole(response)
            }
            return try await answer(request, route, context)
        } catch {
            if let failure = error.failure { throw failure }
            return .whole(error.response(isDebugging: settings.isDebugging))
        }
    }

    private func answer(
        _ request: Request, _ route: WebhookRoute, _ context: any RequestContext
    ) async throws(APIError) -> Answer {
        switch route {
        case .webhooks(let text):
            let environment = try await environment(text, context)
            return request.method == .post
                ? try await create(request, in: environment, context) : try await list(request, environment, context)
        case .publish(let text):
            return try await publish(request, in: try await environment(text, context), context)
        case .settings(let text): return try await showSettings(try await environment(text, context), context)
        case .rotate(let text): return try await rotate(try await environment(text, context), context)
        case .eventTypes: return .whole(.json(.ok, Self.eventTypes))
        case .webhook(let text):
            let id = try id(text)
            switch request.method {
            case .put, .patch: return try await update(request, id, context)
            case .delete: return try await delete(request, id, context)
            default: return try await show(id, context)
            }
        case .log(let text): return try await log(request, of: try id(text), context)
        case .retry(let text, let entry): return try await retry(request, entry, of: try id(text), context)
        case .test(let text): return try await test(request, try id(text), context)
        case .recover(let text): return try await recover(request, try id(text), context)
        case .statistics(let text): return try await statistics(of: try id(text), context)
        }
    }

    /// Whether errors at this path have the format of this API.
    package static func owns(_ path: [String]) -> Bool { WebhookRoute.own(path) != nil }

    private static let eventTypes = eventTypesJSON()

    // MARK: What several routes do

    static let unknownWebhook = APIError(.unknownWebhook, "There is no such webhook.")

    static let noKey = APIError(
        .failure, "The signing key could not be created.", internalMessage: "libcrypto could not create a key pair")

    private static let busy = APIError(
        .busy, "Too many lookups are pending. Try again.")

    private func id(_ text: String) throws(APIError) -> UUID {
        guard let id = UUID(text) else { throw APIError(.nothingThere, "The id in the path is not a UUID.") }
        return id
    }

    /// The id of an environment that exists.
    @inline(never)
    private func environment(_ text: String, _ context: any RequestContext) async throws(APIError) -> UUID {
        let id = try id(text)
        switch await environments.environment(id, context) {
        case .found(true): return id
        case .found(false): throw APIError(.unknownEnvironment, "There is no such environment.")
        case .tooMany: throw Self.busy
        case .unanswered:
            throw APIError(
                .projectsUnavailable, "The project-management service is not responding. Try again.")
        }
    }

    /// Refuses a URL whose host name leads to an address that may not be called, as far as lookups can tell.
    func checkReach(of url: String, _ context: any RequestContext) async throws(APIError) {
        switch await urls.refusal(of: url, context) {
        case .found(nil): return
        case .found(let reason?): throw APIError([InputFault(code: .badURL, path: "url", reason: reason)])
        case .unanswered, .tooMany: throw Self.busy
        }
    }

    func newKey(signsFrom time: Timestamp) async throws(APIError) -> Keyring.Key {
        switch await keys.key(signsFrom: time) {
        case .key(let key): return key
        case .failed: throw Self.noKey
        case .tooMany: throw Self.busy
        }
    }

    /// A request's body.
    /// - Parameter isOptional: whether the body may be empty; then it is `{}`.
    func bytes(of request: Request, isOptional: Bool = false) throws(APIError) -> [UInt8] {
        switch request.body {
        case .whole([]) where isOptional: return Array("{}".utf8)
        case .incomplete: throw APIError(.malformedJSON, "The body is shorter than its Content-Length.")
        case .whole, .tooLarge: break
        }
        if let reason = MediaType.fault(request.fields) { throw APIError(.wrongMediaType, reason) }
        guard case .whole(let bytes) = request.body, bytes.count <= settings.maximumInputBytes else {
            throw APIError(.bodyTooLarge, "A body may have no more than \(settings.maximumInputBytes) bytes.")
        }
        return bytes
    }

    // MARK: Webhooks

    /// The longest JSON that is made at once; a longer answer is made in parts.
    static let shortBytes = 32 << 10

    /// An array in parts.
    /// - Parameter items: the items of the array; each is written when its part is made.
    func long<Item>(
        _ items: [Item], with response: Response = .json(.ok, []), _ context: any RequestContext,
        _ write: @escaping (Item, inout JSONWriter) async throws(StoreFailure) -> Void
    ) async throws(APIError) -> Answer {
        guard context.mayBeLong else { throw APIError(.busy, Response.noRoomText) }
        return try await stored { () async throws(StoreFailure) in
            try await context.committed(response, JSONArrayParts(items, write: write))
        }
    }

    private func list(
        _ request: Request, _ environment: UUID, _ context: any RequestContext
    ) async throws(APIError) -> Answer {
        let webhooks = try await stored { () async throws(StoreFailure) in
            try await store.webhooks(of: environment)
        }
        let bytes = webhooks.reduce(0) { $0 + $1.jsonBytes }
        guard bytes <= Self.shortBytes else {
            return try await long(webhooks.map(\.id), context) { [store] id, json async throws(StoreFailure) in
                if let webhook = try await store.webhook(id) { webhook.write(to: &json) }
            }
        }
        return try await committed(context) {
            .json(.ok, arrayJSON(webhooks) { json, webhook in webhook.write(to: &json) })
        }
    }

    func webhook(_ id: UUID) async throws(APIError) -> Webhook {
        let found = try await stored { () async throws(StoreFailure) in try await store.webhook(id) }
        guard let found else { throw Self.unknownWebhook }
        return found
    }

    private func show(_ id: UUID, _ context: any RequestContext) async throws(APIError) -> Answer {
        let webhook = try await webhook(id)
        return try await committed(.json(.ok, valueJSON { json in webhook.write(to: &json) }), context)
    }

    private func create(
        _ request: Request, in environment: UUID, _ context: any RequestContext
    ) async throws(APIError) -> Answer {
        let moment = now()
        let input = try WebhookInput(parsing: try bytes(of: request), isPartial: false, rules)
        let id = UUID(random: &random)
        let webhook = try change(input, at: moment.wall).webhook(id, in: environment)
        try await checkReach(of: webhook.destination.url, context)
        let limit = settings.webhooksPerEnvironment
        var key: Keyring.Key?
        while true {
            let creation = try await stored { [key] () async throws(StoreFailure) in
                try await store.create(webhook, for: request.id, limit: limit, key: key)
            }
            switch creation {
            case .created(let created):
                return try await committed(.json(.created, json(created, changedBy: input)), context)
            case .tooMany: throw APIError(.validation, "An environment can have at most \(limit) webhooks.")
            case .noKey:
                // A new key was passed, but the environment's own keyring cannot be read, and must not be replaced.
                guard key == nil else { throw Self.noKey }
                key = try await newKey(signsFrom: moment.wall)
            }
        }
    }

    private func update(
        _ request: Request, _ id: UUID, _ context: any RequestContext
    ) async throws(APIError) -> Answer {
        let isPartial = request.method == .patch
        let input = try WebhookInput(parsing: try bytes(of: request), isPartial: isPartial, rules)
        let change = change(input, at: now().wall)
        var webhook = try await webhook(id)
        var checkedURL: String?
        while !input.isEmpty {
            // If another request has changed the URL meanwhile, setting it back is a change, and it must be checked.
            if case .set(let url) = input.url, url != webhook.destination.url, url != checkedURL {
                try await checkReach(of: url, context)
                checkedURL = url
            }
            let before = webhook
            try change.apply(to: &webhook)
            let changed = webhook
            let replacement = try await stored { () async throws(StoreFailure) in
                try await store.replace(before, by: changed)
            }
            switch replacement {
            case .replaced: return try await committed(.json(.ok, json(changed, changedBy: input)), context)
            case .differs(let current): webhook = current
            case .gone: throw Self.unknownWebhook
            }
        }
        return try await committed(.json(.ok, json(webhook, changedBy: input)), context)
    }

    private func delete(
        _ request: Request, _ id: UUID, _ context: any RequestContext
    ) async throws(APIError) -> Answer {
        let isDone = try await stored { () async throws(StoreFailure) in
            try await store.delete(id, for: request.id)
        }
        guard isDone else { throw Self.unknownWebhook }
        return try await committed(Response(.noContent), context)
    }

    private func change(_ input: WebhookInput, at now: Timestamp) -> WebhookChange {
        WebhookChange(
            input: input, newSecret: WebhookSecret(random: &random).bytes, settings: settings, sealing: sealing,
            now: now
        )
    }

    /// The answer to a client that has changed a webhook. It shows the stored secret: if the same request was done
    /// before, that is the secret made then, not the one made by this attempt.
    private func json(_ webhook: Webhook, changedBy input: WebhookInput) -> [UInt8] {
        let isShown =
            switch input.secret {
            case .set(.make), .set(.given): true
            case .keep, .reset, .set(.same): false
            }
        let secret = isShown ? webhook.destination.sealedSecret.flatMap { sealing.open($0, .secret) } : nil
        return valueJSON { json in webhook.write(to: &json, secret: secret) }
    }
}

/// The response to a client when the store fails.
package func webhookResponse(to failure: StoreFailure, isDebugging: Bool = false) -> Response {
    APIError(failure).response(isDebugging: isDebugging)
}

extension Webhook {
    /// The approximate length of its JSON in bytes.
    fileprivate var jsonBytes: Int {
        headerNames.reduce(1024 + name.utf8.count + (description ?? "").utf8.count + destination.url.utf8.count) {
            $0 + $1.utf8.count
        }
    }
}
