package import HTTP
package import HTTPTypes
package import Values

/// The queue API: from a request and a store to an answer.
package final class QueueHandlers {
    let store: any QueueStore
    let file: any ConfigurationFile
    let hashKind: PasswordHash.Kind
    let maximumMessageBytes: Int
    let now: () -> Moment
    var random: any RandomNumberGenerator
    let report: (ConfigurationFailure) -> Void
    let passwords: PasswordCheck
    let passwordChanges: BackgroundTasks<Result<ChangedPassword, PasswordFault>>
    let configurations: BackgroundTasks<LoadedConfiguration>
    /// Keys the digests of wrong passwords that the store keeps.
    let loginKey: [UInt8]
    /// One of each kind that users have, and until when that is taken to hold.
    var knownHashes: (hashes: [PasswordHash], until: Timestamp)?

    /// - Parameters:
    ///   - hashKind: how a new password is stored.
    ///   - maximumMessageBytes: the longest message that can arrive at all.
    ///   - loginKey: a secret of 32 bytes that all processes of a store share; `nil`: one of this process alone.
    ///   - background: does what takes long: costly hashes, and what is done to the configuration file.
    ///   - report: told of what a client is not told in full.
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
        self.loginKey = loginKey ?? (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        self.random = random
        passwordChanges = BackgroundTasks(background)
        configurations = BackgroundTasks(background)
    }

    /// Answers what belongs to this API, and `nil` to all else.
    /// - Parameter path: the segments of the request's path below the mount point.
    package func answer(_ request: Request, path: [String]) throws(StoreFailure) -> Answer? {
        guard let (allowed, isOurs) = Self.routes[path.first ?? ""], isOurs.contains(path.count) else { return nil }
        // A slash within a name is one in the path to the original, and leads nowhere.
        guard !path.contains(where: { $0.isEmpty || $0.utf8.contains(UInt8(ascii: "/")) }) else { return nil }
        guard allowed.contains(request.method.rawValue) else {
            return .now(methodNotAllowed(allowed.joined(separator: ",")))
        }
        guard request.target.isText else {
            return .now(errorResponse(.badRequest, "The path is not UTF-8, or has a broken escape."))
        }
        switch path[0] {
        case "q": return try post(request, to: path[1])
        case "read": return try read(request, path[1])
        case "listen": return try listen(request, path[1], to: path[2])
        case "unlisten": return try unlisten(request, path[1])
        case "ack": return try acknowledge(request, path[1], through: path[2])
        case "queues": return try overview(request)
        case "setPassword": return try setPassword(request)
        case "reload": return try reload(request)
        default: return .now(plain(String(try store.time())))
        }
    }

    /// Whether what follows a path is told in this API's words.
    package static func owns(_ path: [String]) -> Bool { routes[path.first ?? ""] != nil }

    /// By their first segment: the methods that routes take, and how many segments they have.
    private static let routes: [String: ([String], Set<Int>)] = [
        "q": (["POST"], [2]), "read": (["GET", "POST"], [2]), "listen": (["GET", "POST"], [3]),
        "unlisten": (["GET", "POST"], [2]), "ack": (["POST"], [3]), "queues": (["GET", "HEAD"], [1]),
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

    private func post(_ request: Request, to name: String) throws(StoreFailure) -> Answer {
        // As the original: names are not told, and senders do not try again.
        guard let queue = try store.queue(named: name) else { return .now(Self.done) }
        if let answer = try post(request, to: queue) { return answer }
        // A reload has changed the queue since: what is in force by now decides, and stays until this is committed.
        guard let changed = try store.current(queue) else { return .now(Self.done) }
        return try post(request, to: changed) ?? .now(Self.done)
    }

    /// - Returns: `nil` where the queue is no longer as given; then nothing is done.
    private func post(_ request: Request, to queue: Queue) throws(StoreFailure) -> Answer? {
        guard queue.settings.allows(request.remoteAddress) else {
            return .now(errorResponse(.forbidden, "Messages to this queue cannot come from your address."))
        }
        let authentication = queue.settings.authentication
        let limit = queue.settings.limits.messageBytes
        func tooLarge() -> Response {
            errorResponse(.contentTooLarge, "A message may have no more than \(limit) bytes.")
        }
        switch request.body {
        case .incomplete:
            return .now(errorResponse(.badRequest, "The body is shorter than announced."))
        case .tooLarge:
            if let authentication {
                // Nothing can be said of its signature: readers are not to learn of what may be anybody's.
                return .now(authentication.claim(in: request.fields) == nil ? Self.unsigned : tooLarge())
            }
            guard try store.skip(in: queue, for: request.id) else { return nil }
            return .afterCommit(tooLarge())
        case .whole(let body):
            guard authentication?.accepts(body, request.fields) ?? true else { return .now(Self.unsigned) }
            guard body.count <= limit else {
                guard try store.skip(in: queue, for: request.id) else { return nil }
                return .afterCommit(tooLarge())
            }
            let message = Message(body: body, receivedAt: now().wall)
            guard try store.post(message, to: queue, for: request.id) else { return nil }
            return .afterCommit(Self.done)
        }
    }

    private static let unsigned = errorResponse(.forbidden, "The signature of the message is missing or wrong.")

    private func read(_ request: Request, _ client: String) throws(StoreFailure) -> Answer {
        let query: ReadQuery
        do throws(QueryError) {
            query = try ReadQuery(request.target)
        } catch {
            return .now(errorResponse(.badRequest, error.reason))
        }
        let user: User
        switch try logIn(request) {
        case .user(let found): user = found
        case .refused(let answer): return answer
        }
        var reading = query.reading
        reading.mayBeLong = request.mayBeLong
        // Requests that wait must not hold on to the rest of the request.
        let id = request.id
        let first = try store.read(client, of: user, reading, for: id)
        guard case .messages([], _) = first, query.waitMilliseconds > 0 else {
            return try answer(first, query.reading, client, user)
        }
        return .wait(
            Waiting(
                milliseconds: query.waitMilliseconds, subject: "user \(user.number)",
                tooMany: errorResponse(.tooManyRequests, Response.tooManyWaitText).retryAfter(5),
                look: { [self] mayBeLong in
                    reading.mayBeLong = mayBeLong
                    do throws(StoreFailure) {
                        guard try store.hasNews(for: client, of: user) else { return nil }
                        let found = try store.read(client, of: user, reading, for: id)
                        // Another reader of the same client was faster.
                        if case .messages([], _) = found { return nil }
                        return try answer(found, reading, client, user)
                    } catch {
                        return .now(queueResponse(to: error))
                    }
                },
                giveUp: { [self] mayBeLong in
                    reading.mayBeLong = mayBeLong
                    do throws(StoreFailure) {
                        return try answer(
                            try store.read(client, of: user, reading, for: id), reading, client, user)
                    } catch {
                        return .now(queueResponse(to: error))
                    }
                }))
    }

    private func answer(
        _ outcome: ReadOutcome, _ reading: Reading, _ client: String, _ user: User
    ) throws(StoreFailure) -> Answer {
        switch outcome {
        case .unknownClient: return .now(Self.unknownClient)
        case .disconnected: return .now(Self.disconnected)
        case .tooLong: return .now(errorResponse(.serviceUnavailable, Response.noRoomText).retryAfter(5))
        case .lost(let current) where reading.isManual:
            let message = "Messages were lost. Acknowledge \"current_message\" to go on behind it."
            return .now(errorResponse(.gone, message, refresh: true, current: current))
        case .lost:
            let message = "Messages were lost. The next read goes on behind the newest one."
            return .afterCommit(errorResponse(.gone, message, refresh: true))
        case .messages(let messages, let current):
            let time = try store.time()
            if messages.isEmpty { return .now(.json(.ok, messageListJSON([], current: current, time: time))) }
            return .madeAfterCommit { .json(.ok, messageListJSON(messages, current: current, time: time)) }
        case .long(let range, let current):
            let parts = MessageParts(range, current: current, time: try store.time(), store) {
                [store] () throws(StoreFailure) in
                if !reading.isManual { try store.takeBack(range, of: client, user) }
            }
            return .inParts(.json(.ok, []), rest: parts.next)
        }
    }

    private static let unknownClient = errorResponse(.notFound, "There is no such client.")
    private static let disconnected = errorResponse(.gone, "The client is disconnected: it has to listen again.")

    // MARK: Clients

    private func listen(_ request: Request, _ client: String, to queue: String) throws(StoreFailure) -> Answer {
        try loggedIn(request) { user throws(StoreFailure) in
            switch try store.listen(client, of: user, to: queue, for: request.id) {
            case .listening: .afterCommit(Self.done)
            case .unknownQueue: .now(errorResponse(.notFound, "There is no such queue that you may listen to."))
            case .inUse: .now(errorResponse(.badRequest, "The client is listening already."))
            }
        }
    }

    private func unlisten(_ request: Request, _ client: String) throws(StoreFailure) -> Answer {
        try loggedIn(request) { user throws(StoreFailure) in
            try store.unlisten(client, of: user, for: request.id) ? .afterCommit(Self.done) : .now(Self.unknownClient)
        }
    }

    private func acknowledge(_ request: Request, _ client: String, through text: String) throws(StoreFailure) -> Answer
    {
        try loggedIn(request) { user throws(StoreFailure) in
            guard let id = UInt64(text) else {
                return .now(errorResponse(.badRequest, "The id of a message was expected, a whole number."))
            }
            return switch try store.acknowledge(through: id, by: client, of: user) {
            case .done: .afterCommit(Self.done)
            case .unknownClient: .now(Self.unknownClient)
            case .disconnected: .now(Self.disconnected)
            case .unknownMessage: .now(errorResponse(.badRequest, "No message has this id yet."))
            }
        }
    }

    private func overview(_ request: Request) throws(StoreFailure) -> Answer {
        let page: Page
        do throws(QueryError) {
            page = try Page(request.target)
        } catch {
            return .now(errorResponse(.badRequest, error.reason))
        }
        return try loggedIn(request) { user throws(StoreFailure) in
            let overview = try store.overview(of: user, after: page.after, limit: page.limit)
            return .now(.json(.ok, overviewJSON(overview, time: try store.time(), at: now().wall)))
        }
    }
}

/// An error in this API's words.
package func queueResponse(_ status: HTTPResponse.Status, _ message: String) -> Response {
    errorResponse(status, message)
}

/// What a client is told when the store fails.
package func queueResponse(to failure: StoreFailure) -> Response {
    let plain = Response.failure(failure)
    var response = errorResponse(plain.head.status, String(decoding: plain.body, as: UTF8.self))
    response.head.headerFields[.retryAfter] = plain.head.headerFields[.retryAfter]
    return response
}
