package import HTTP
package import HTTPTypes
package import Values

/// The queue API: turns a request into an answer, with the help of a store.
package final class QueueHandlers {
    let store: any QueueStore
    let file: any ConfigurationFile
    let hashKind: PasswordHash.Kind
    let maximumMessageBytes: Int
    let now: () -> Moment
    var random: any RandomNumberGenerator
    let report: (ConfigurationFailure) -> Void
    let passwords: PasswordCheck
    let background: any Background
    /// The key of the digests of wrong passwords that the store holds.
    let loginKey: [UInt8]
    /// Cached: a hash of each kind that users have, and until when it is used.
    var knownHashes: (hashes: [PasswordHash], until: Timestamp)?

    /// - Parameters:
    ///   - hashKind: how a new password is stored.
    ///   - maximumMessageBytes: the longest message that the server accepts.
    ///   - loginKey: a secret of 32 bytes that all processes of a store share; `nil`: a random one for this process.
    ///   - background: runs slow tasks: expensive hashes, and access to the configuration file.
    ///   - report: called with failures that clients are not told in full.
    package init(
        store: any QueueStore, file: any ConfigurationFile, hashKind: PasswordHash.Kind, maximumMessageBytes: Int,
        loginKey: [UInt8]? = nil, now: @escaping () -> Moment, random: any RandomNumberGenerator,
        background: any Background = NoBackground(),
        report: @escaping (ConfigurationFailure) -> Void = { _ in }
    ) {
        self.store = store
        self.file = file
        self.report = report
        self.hashKind = hashKind
        self.maximumMessageBytes = maximumMessageBytes
        self.now = now
        var random = random
        passwords = PasswordCheck(background, random: &random)
        self.loginKey = loginKey ?? [UInt8](randomCount: 32, using: &random)
        self.random = random
        self.background = background
    }

    /// Answers the requests of this API; `nil` for all other paths.
    /// - Parameter path: the segments of the request's path below the mount point.
    package func answer(
        _ request: Request, path: [String], _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer? {
        guard let (allowed, isOurs) = Self.routes[path.first ?? ""], isOurs.contains(path.count) else { return nil }
        // To the original, a slash within a name separates segments, so that the path does not exist.
        guard !path.contains(where: { $0.isEmpty || $0.utf8.contains(UInt8(ascii: "/")) }) else { return nil }
        if path[0] == "queues", path.count > 1, path[2] != "messages" { return nil }
        guard allowed.contains(request.method.rawValue) else {
            return .whole(methodNotAllowed(allowed.joined(separator: ",")))
        }
        guard request.target.isText else {
            return .whole(errorResponse(.badRequest, "The path is not UTF-8, or has an invalid percent-encoding."))
        }
        switch path[0] {
        case "q": return try await post(request, to: path[1], context)
        case "read": return try await read(request, path[1], context)
        case "listen": return try await listen(request, path[1], to: path[2], context)
        case "unlisten": return try await unlisten(request, path[1], context)
        case "ack": return try await acknowledge(request, path[1], through: path[2], context)
        case "queues" where path.count == 3: return try await peek(request, at: path[1], context)
        case "queues" where path.count == 4: return try await message(request, path[3], of: path[1], context)
        case "queues": return try await overview(request, context)
        case "setPassword": return try await setPassword(request, context)
        case "reload": return try await reload(request, context)
        default: return .whole(plain(String(try await store.time())))
        }
    }

    /// Whether there is something new to read for each of the waiting clients.
    package func news(for interests: [ClientInterest]) async throws(StoreFailure) -> [Bool] {
        try await store.hasNews(for: interests.map { ($0.client, $0.user) })
    }

    /// Whether errors at this path have the format of this API.
    package static func owns(_ path: [String]) -> Bool { routes[path.first ?? ""] != nil }

    /// By first segment: the methods that the routes accept, and how many segments they may have.
    private static let routes: [String: ([String], Set<Int>)] = [
        "q": (["POST"], [2]), "read": (["GET", "POST"], [2]), "listen": (["GET", "POST"], [3]),
        "unlisten": (["GET", "POST"], [2]), "ack": (["POST"], [3]), "queues": (["GET", "HEAD"], [1, 3, 4]),
        "setPassword": (["POST"], [1]), "reload": (["GET", "POST"], [1]), "time": (["GET", "HEAD"], [1]),
    ]

    private func methodNotAllowed(_ allowed: String) -> Response {
        var response = errorResponse(.methodNotAllowed, "Only \(allowed) can be used here.")
        response.head.headerFields[.allow] = allowed
        return response
    }

    private func plain(_ text: String) -> Response {
        var response = Response.text(.ok, text)
        response.head.headerFields[.cacheControl] = "no-store"
        return response
    }

    static let done = Response(.ok, fields: [.cacheControl: "no-store"])

    // MARK: Messages

    @inline(never)
    private func post(
        _ request: Request, to name: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        // As in the original: queue names are not revealed, and senders do not retry.
        guard let queue = try await store.queue(named: name) else { return .whole(Self.done) }
        if let answer = try await post(request, to: queue, context) { return answer }
        // A reload has changed the queue meanwhile. The queue in force now decides, and cannot change before the commit.
        guard let changed = try await store.current(queue) else { return .whole(Self.done) }
        return try await post(request, to: changed, context) ?? .whole(Self.done)
    }

    /// - Returns: `nil` if the queue has changed since it was read; then nothing is done.
    private func post(
        _ request: Request, to queue: Queue, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer? {
        guard queue.settings.allows(request.remoteAddress) else {
            return .whole(errorResponse(.forbidden, "Your address may not send messages to this queue."))
        }
        let authentication = queue.settings.authentication
        let limit = queue.settings.limits.messageBytes
        func tooLarge() -> Response {
            errorResponse(.contentTooLarge, "A message may have no more than \(limit) bytes.")
        }
        switch request.body {
        case .incomplete:
            return .whole(errorResponse(.badRequest, "The body is shorter than its Content-Length."))
        case .tooLarge:
            if let authentication {
                // The signature cannot be checked, so readers are not told of the message: anybody may have sent it.
                return .whole(authentication.claim(in: request.fields) == nil ? Self.unsigned : tooLarge())
            }
            guard try await store.skip(in: queue, for: request.id) else { return nil }
            return try await context.committed(tooLarge())
        case .whole(let body):
            guard authentication?.accepts(body, request.fields) ?? true else { return .whole(Self.unsigned) }
            guard body.count <= limit else {
                guard try await store.skip(in: queue, for: request.id) else { return nil }
                return try await context.committed(tooLarge())
            }
            let message = Message(body: body, receivedAt: now().wall)
            guard try await store.post(message, to: queue, for: request.id) else { return nil }
            return try await context.committed(Self.done)
        }
    }

    private static let unsigned = errorResponse(.forbidden, "The signature of the message is missing or wrong.")

    @inline(never)
    private func read(
        _ request: Request, _ client: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let query: ReadQuery
        do throws(QueryError) {
            query = try ReadQuery(request.target)
        } catch {
            return .whole(errorResponse(.badRequest, error.reason))
        }
        let reader: ClientInterest
        switch try await logIn(request, context) {
        case .user(let user): reader = ClientInterest(client, of: user)
        case .refused(let answer): return answer
        }
        let deadline = context.deadline(milliseconds: query.waitMilliseconds)
        var mayWait = query.waitMilliseconds > 0
        while true {
            if let answer = try await read(request, query.reading, reader, mayWait: mayWait, context) { return answer }
            switch await context.news(for: reader, until: deadline) {
            case .news: break
            case .over: mayWait = false
            case .refused, .gone:
                return .whole(errorResponse(.tooManyRequests, Response.tooManyWaitText).retryAfter(5))
            }
        }
    }

    /// - Returns: `nil` if there is nothing to read yet, and the client may wait.
    @inline(never)
    private func read(
        _ request: Request, _ reading: Reading, _ reader: ClientInterest, mayWait: Bool, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer? {
        var reading = reading
        reading.mayBeLong = context.mayBeLong
        let found = try await store.read(reader.client, of: reader.user, reading, for: request.id)
        if mayWait, case .messages([], _) = found { return nil }
        return try await answer(found, reading, reader, context)
    }

    private func answer(
        _ outcome: ReadOutcome, _ reading: Reading, _ reader: ClientInterest, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        switch outcome {
        case .unknownClient: return .whole(Self.unknownClient)
        case .disconnected: return .whole(Self.disconnected)
        case .tooLong: return .whole(errorResponse(.serviceUnavailable, Response.noRoomText).retryAfter(5))
        case .lost(let current) where reading.isManual:
            let message = "Messages were lost. Acknowledge \"current_message\" to continue after it."
            return .whole(errorResponse(.gone, message, refresh: true, current: current))
        case .lost:
            let message = "Messages were lost. The next read continues after the newest one."
            return try await context.committed(errorResponse(.gone, message, refresh: true))
        case .messages(let messages, let current):
            let time = try await store.time()
            // Commit first: the list takes long to make, and others wait for the transaction.
            if !messages.isEmpty { try await context.committed() }
            return .whole(.json(.ok, messageListJSON(messages, current: current, time: time)))
        case .long(let range, let current):
            let parts = MessageParts(
                range, current: current, time: try await store.time(), store,
                takingBackFrom: reading.isManual ? nil : reader)
            return try await context.committed(.json(.ok, []), parts)
        }
    }

    private static let unknownClient = errorResponse(.notFound, "There is no such client.")
    private static let disconnected = errorResponse(.gone, "The client is disconnected. It must listen again.")

    // MARK: Clients

    private func listen(
        _ request: Request, _ client: String, to queue: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        try await loggedIn(request, context) { user async throws(StoreFailure) in
            switch try await store.listen(client, of: user, to: queue, for: request.id) {
            case .listening: try await context.committed(Self.done)
            case .unknownQueue:
                .whole(errorResponse(.notFound, "There is no such queue, or this user may not listen to it."))
            case .inUse: .whole(errorResponse(.badRequest, "The client is already listening."))
            }
        }
    }

    private func unlisten(
        _ request: Request, _ client: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        try await loggedIn(request, context) { user async throws(StoreFailure) in
            guard try await store.unlisten(client, of: user, for: request.id) else {
                return .whole(Self.unknownClient)
            }
            return try await context.committed(Self.done)
        }
    }

    private func acknowledge(
        _ request: Request, _ client: String, through text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        try await loggedIn(request, context) { user async throws(StoreFailure) in
            guard let id = UInt64(text) else {
                return .whole(errorResponse(.badRequest, "The id of the message must be a whole number."))
            }
            return switch try await store.acknowledge(through: id, by: client, of: user) {
            case .done: try await context.committed(Self.done)
            case .unknownClient: .whole(Self.unknownClient)
            case .disconnected: .whole(Self.disconnected)
            case .unknownMessage: .whole(errorResponse(.badRequest, "No message has this id yet."))
            }
        }
    }

    private func overview(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        let page: Page
        do throws(QueryError) {
            page = try Page(request.target)
        } catch {
            return .whole(errorResponse(.badRequest, error.reason))
        }
        return try await loggedIn(request, context) { user async throws(StoreFailure) in
            let overview = try await store.overview(of: user, after: page.after, limit: page.limit)
            return .whole(.json(.ok, overviewJSON(overview, time: try await store.time(), at: now().wall)))
        }
    }
}

/// The interest of a client that waits for messages.
package final class ClientInterest: Interest {
    package let client: String
    package let user: User

    init(_ client: String, of user: User) {
        self.client = client
        self.user = user
    }

    package var subject: String { "user \(user.number)" }
}

/// An error in the format of this API.
package func queueResponse(_ status: HTTPResponse.Status, _ message: String) -> Response {
    errorResponse(status, message)
}

/// The response to a client when the store fails.
package func queueResponse(to failure: StoreFailure) -> Response {
    let plain = Response.failure(failure)
    var response = errorResponse(plain.head.status, String(decoding: plain.body, as: UTF8.self))
    response.head.headerFields[.retryAfter] = plain.head.headerFields[.retryAfter]
    return response
}
