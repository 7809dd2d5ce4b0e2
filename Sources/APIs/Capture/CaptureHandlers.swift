package import HTTP
internal import HTTPTypes
internal import JSON
package import Values

/// The capture API: turns a request into an answer, with the help of a store.
package final class CaptureHandlers {
    private let store: any CaptureStore
    private let limits: CaptureLimits
    private let installation: Installation
    private let webhookURL: String
    private let bodyLimit: Int
    private let now: () -> Moment
    private var random: any RandomNumberGenerator

    /// - Parameters:
    ///   - webhookURL: the URL to which an endpoint's id is appended to make its capture URL.
    ///   - bodyLimit: the most bytes that a notification's decompressed body may have.
    package init(
        store: any CaptureStore, limits: CaptureLimits, installation: Installation, webhookURL: String, bodyLimit: Int,
        now: @escaping () -> Moment, random: any RandomNumberGenerator
    ) {
        self.store = store
        self.limits = limits
        self.installation = installation
        self.webhookURL = webhookURL
        self.bodyLimit = bodyLimit
        self.now = now
        self.random = random
    }

    /// Answers the requests of this API; `nil` for all other paths.
    /// - Parameter path: the segments of the request's path below the mount point.
    package func answer(
        _ request: Request, path: [String], _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer? {
        switch (path.first, path.count) {
        case ("webhook", 2...):
            return try await receive(request, at: path[1], context)
        case ("manage", 1):
            guard request.method == .get else { return .whole(.methodNotAllowed(allowed: "GET")) }
            return try await status()
        case ("manage", 2) where path[1] == "endpoint":
            guard request.method == .post else { return .whole(.methodNotAllowed(allowed: "POST")) }
            return try await create(request, context)
        case ("manage", 3) where path[1] == "endpoint":
            switch request.method {
            case .get: return try await collect(request, from: path[2], context)
            case .put: return try await configure(request, path[2], context)
            case .delete: return try await delete(path[2], context)
            default: return .whole(.methodNotAllowed(allowed: "DELETE,GET,PUT"))
            }
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "notifications":
            switch request.method {
            case .get: return try await look(request, at: path[2], context)
            case .delete: return try await acknowledge(request, at: path[2], context)
            default: return .whole(.methodNotAllowed(allowed: "DELETE,GET"))
            }
        case ("manage", 6) where path[1] == "endpoint" && path[3] == "notifications" && path[5] == "body":
            guard request.method == .get else { return .whole(.methodNotAllowed(allowed: "GET")) }
            return try await body(request, of: path[4], at: path[2], context)
        default:
            return nil
        }
    }

    /// Whether there is something new to read for each of the waiting clients.
    package func news(for interests: [EndpointInterest]) async throws(StoreFailure) -> [Bool] {
        try await store.hasNews(at: interests.map { ($0.endpoint, $0.after) }, at: now(), limits)
    }

    // MARK: The original's routes

    private func receive(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let moment = now()
        let notification: Notification
        do throws(BodyRefusal) {
            notification = try Notification(request, segments: 2, bodyLimit: bodyLimit, receivedAt: moment.wall)
        } catch {
            store.count(.receptionRefused)
            return .whole(refusal(error))
        }
        guard notification.reading.fault != .corruptData else {
            store.count(.receptionRefused)
            return .whole(refusal(.unreadable(BodyFault.corruptData.text)))
        }
        var acceptance = Acceptance.unknownEndpoint
        if let id = Endpoint.ID(text) {
            do throws(StoreFailure) {
                acceptance = try await store.accept(notification, at: id, for: request.id, at: moment, limits)
            } catch {
                store.count(.receptionRefused)
                throw error
            }
        }
        store.count(acceptance == .stored ? .received : .receptionRefused)
        switch acceptance {
        case .stored:
            try await context.committed()
            return .whole(Self.accepted)
        case .unknownEndpoint:
            return .whole(unknown(text))
        case .disabled:
            return .whole(.text(.internalServerError, "Endpoint '\(text)' was disabled by its owner."))
        case .tooManyBytes:
            let limit = limits.bytesPerEndpoint
            return .whole(.text(.insufficientStorage, "Endpoint '\(text)' is full: it keeps at most \(limit) bytes."))
        case .tooMany:
            let limit = limits.notificationsPerEndpoint
            return .whole(
                .text(.insufficientStorage, "Endpoint '\(text)' is full: it keeps at most \(limit) notifications."))
        }
    }

    private static let accepted = Response(.ok)

    private func refusal(_ error: BodyRefusal) -> Response {
        switch error {
        case .tooLarge: .text(.contentTooLarge, "A body may have no more than \(bodyLimit) bytes.")
        case .unreadable(let reason): .text(.badRequest, "The body cannot be read: \(reason).")
        }
    }

    private func unknown(_ id: String) -> Response {
        .text(.notFound, "Endpoint '\(id)' does not exist or was removed.")
    }

    private func create(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        let id = Endpoint.ID(random: &random)
        let creation = try await store.create(
            id.numbered, for: request.id, from: request.remoteAddress, at: now(), limits)
        switch creation {
        case .created(let id):
            store.count(.created)
            let body = objectJSON { json in
                json.member("endpointId", id.description)
                json.member("fullyQualifiedEndpoint", webhookURL + id.description)
            }
            return try await context.committed(.json(.created, body))
        case .tooManyOfAddress:
            store.count(.creationRefused)
            let text = "Your address has too many endpoints: the remaining ones are reserved for addresses with fewer."
            return .whole(.text(.insufficientStorage, text))
        case .tooMany:
            store.count(.creationRefused)
            return .whole(
                .text(
                    .insufficientStorage,
                    "There are already \(limits.endpoints) endpoints, the most that this service allows."))
        }
    }

    private func collect(
        _ request: Request, from text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        var found = Finding.unknownEndpoint
        if let id = Endpoint.ID(text) {
            found = try await store.collect(
                from: id, for: request.id, at: now(), limits, mayBeLong: context.mayBeLong)
        }
        switch found {
        case .unknownEndpoint, .tooLong: store.count(.collectionRefused)
        case .notifications, .long: store.count(.collected)
        }
        return try await answer(found, text, context)
    }

    private func answer(
        _ found: Finding, _ id: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        switch found {
        case .unknownEndpoint: return .whole(unknown(id))
        case .tooLong: return .whole(.text(.serviceUnavailable, Response.noRoomText).retryAfter(5))
        case .notifications(let notifications):
            // Commit first: the answer takes long to make, and others wait for the transaction.
            try await context.committed()
            return .whole(.json(.ok, notificationsJSON(notifications)))
        case .long(let range):
            return try await context.committed(.json(.ok, []), NotificationParts(range, store, now: now))
        }
    }

    private func configure(
        _ request: Request, _ text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let body: [UInt8]
        do throws(BodyRefusal) {
            body = try Notification.decompressed(request, limit: bodyLimit)
        } catch {
            store.count(.configurationRefused)
            return .whole(refusal(error))
        }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration(parsing: body)
        } catch {
            store.count(.configurationRefused)
            return .whole(.text(.badRequest, error.reason))
        }
        guard let id = Endpoint.ID(text), try await store.configure(id, configuration, at: now(), limits) else {
            store.count(.configurationRefused)
            return .whole(unknown(text))
        }
        store.count(.configured)
        return try await context.committed(Response(.noContent))
    }

    private func delete(_ text: String, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        let wasThere: Bool = if let id = Endpoint.ID(text) { try await store.delete(id) } else { false }
        store.count(wasThere ? .deleted : .deletionRefused)
        return try await context.committed(Response(.noContent))
    }

    private func status() async throws(StoreFailure) -> Answer {
        let overview = try await store.overview(newest: statusPageEndpoints)
        return .whole(.text(.ok, statusPage(installation, limits, overview, at: now())))
    }

    // MARK: Looking and acknowledging, which the original API does not have

    private func look(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let window: Window
        do throws(QueryError) {
            window = try Window(request.target)
        } catch {
            return .whole(.text(.badRequest, error.reason))
        }
        guard let id = Endpoint.ID(text) else { return .whole(unknown(text)) }
        // A client that waits uses its endpoint: the wait ends before the endpoint counts as idle.
        let milliseconds = min(Double(window.waitMilliseconds), max(0, limits.idleSeconds * 500))
        let deadline = context.deadline(milliseconds: Int(milliseconds))
        let interest = EndpointInterest(id, after: window.after)
        var mayWait = window.waitMilliseconds > 0
        while true {
            if let answer = try await look(interest, text, limit: window.limit, mayWait: mayWait, context) {
                return answer
            }
            switch await context.news(for: interest, until: deadline) {
            case .news: break
            case .over: mayWait = false
            case .refused, .gone:
                return .whole(.text(.tooManyRequests, Response.tooManyWaitText).retryAfter(5))
            }
        }
    }

    /// - Returns: `nil` if there is nothing to show yet, and the client may wait.
    @inline(never)
    private func look(
        _ interest: EndpointInterest, _ text: String, limit: Int, mayWait: Bool, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer? {
        let found = try await store.look(
            at: interest.endpoint, after: interest.after, limit: limit, at: now(), limits, mayBeLong: context.mayBeLong)
        guard !mayWait || found != .notifications([]) else { return nil }
        return try await answer(found, text, context)
    }

    /// The body of one notification, as it was sent; with the parameter `decoded`, without its content coding.
    private func body(
        _ request: Request, of number: String, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        guard let number = UInt64(number), number > 0 else { return .whole(unknown(notification: number, text)) }
        guard let id = Endpoint.ID(text) else { return .whole(unknown(text)) }
        let found = try await store.look(
            at: id, after: number - 1, limit: 1, at: now(), limits, mayBeLong: context.mayBeLong)
        let isDecoded = request.target.queryNames.contains("decoded")
        switch found {
        case .unknownEndpoint: return .whole(unknown(text))
        case .tooLong: return .whole(.text(.serviceUnavailable, Response.noRoomText).retryAfter(5))
        case .notifications(let notifications):
            guard let found = notifications.first, found.number == number else { break }
            let notification = found.notification
            return .whole(bodyResponse(number, isDecoded ? notification.decodedBody : notification.body))
        case .long(let range):
            guard range.first <= number,
                let piece = try await store.page(of: range, from: number, atMost: 1).first,
                piece.numbered.number == number
            else { break }
            var response = bodyResponse(number, [])
            let reading = piece.numbered.notification.reading
            if !isDecoded || reading.fault == nil {
                let bytes = isDecoded && reading.coding != nil ? reading.decodedBytes : piece.bodyBytes
                response.head.headerFields[.contentLength] = String(bytes)
            }
            return try await context.committed(
                response, BodyBytes(StoredBody(piece, isDecoded: isDecoded), range, store))
        }
        return .whole(unknown(notification: String(number), text))
    }

    private func bodyResponse(_ number: UInt64, _ body: [UInt8]) -> Response {
        let fields: HTTPFields = [
            .contentType: "application/octet-stream",
            .contentDisposition: "attachment; filename=\"notification-\(number)\"",
            .cacheControl: "no-store", .noSniff: "nosniff",
        ]
        return Response(.ok, fields: fields, body: body)
    }

    private func unknown(notification number: String, _ id: String) -> Response {
        .text(.notFound, "Endpoint '\(id)' has no notification '\(number)'.")
    }

    private func acknowledge(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        guard let value = request.target.queryValue("through"), let number = UInt64(value) else {
            return .whole(.text(.badRequest, "The query parameter \"through\" must be the id of a notification."))
        }
        guard let id = Endpoint.ID(text), try await store.acknowledge(through: number, at: id, at: now(), limits)
        else { return .whole(unknown(text)) }
        return try await context.committed(Response(.noContent))
    }
}

/// The interest of a client that waits at an endpoint.
package final class EndpointInterest: Interest {
    package let endpoint: Endpoint.ID
    /// The client waits for a notification with a higher number.
    package let after: UInt64

    init(_ endpoint: Endpoint.ID, after: UInt64) {
        self.endpoint = endpoint
        self.after = after
    }

    package var subject: String { endpoint.description }
}

/// The notifications that a client asks to look at.
struct Window: Equatable {
    var after: UInt64 = 0
    var limit = 100
    var waitMilliseconds = 0

    init(_ target: Target) throws(QueryError) {
        if let text = target.queryValue("after") {
            guard let number = UInt64(text) else {
                throw QueryError(reason: "The query parameter \"after\" must be the id of a notification, or 0.")
            }
            after = number
        }
        limit = try target.wholeNumber("limit", in: 1...1000) ?? limit
        waitMilliseconds = try target.waitMilliseconds()
    }
}
