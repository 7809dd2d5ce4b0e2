package import HTTP
internal import HTTPTypes
internal import JSON
package import Values

/// The capture API: from a request and a store to an answer.
package final class CaptureHandlers {
    private let store: any CaptureStore
    private let limits: CaptureLimits
    private let installation: Installation
    private let webhookURL: String
    private let bodyLimit: Int
    private let now: () -> Moment
    private var random: any RandomNumberGenerator

    /// - Parameters:
    ///   - webhookURL: what an endpoint's id is appended to, to make the URL handed out for it.
    ///   - bodyLimit: bytes that a notification's decompressed body may have.
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

    /// Answers what belongs to this API, and `nil` to all else.
    /// - Parameter path: the segments of the request's path below the mount point.
    package func answer(_ request: Request, path: [String]) throws(StoreFailure) -> Answer? {
        switch (path.first, path.count) {
        case ("webhook", 2...):
            return try receive(request, at: path[1])
        case ("manage", 1):
            guard request.method == .get else { return .now(.methodNotAllowed(allowed: "GET")) }
            return try status()
        case ("manage", 2) where path[1] == "endpoint":
            guard request.method == .post else { return .now(.methodNotAllowed(allowed: "POST")) }
            return try create(request)
        case ("manage", 3) where path[1] == "endpoint":
            switch request.method {
            case .get: return try collect(request, from: path[2])
            case .put: return try configure(request, path[2])
            case .delete: return try delete(path[2])
            default: return .now(.methodNotAllowed(allowed: "DELETE,GET,PUT"))
            }
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "notifications":
            switch request.method {
            case .get: return try look(request, at: path[2])
            case .delete: return try acknowledge(request, at: path[2])
            default: return .now(.methodNotAllowed(allowed: "DELETE,GET"))
            }
        default:
            return nil
        }
    }

    // MARK: The original's routes

    private func receive(_ request: Request, at text: String) throws(StoreFailure) -> Answer {
        let moment = now()
        let notification: Notification
        do throws(BodyRefusal) {
            notification = try Notification(request, segments: 2, bodyLimit: bodyLimit, receivedAt: moment.wall)
        } catch {
            store.count(.receptionRefused)
            return .now(refusal(error))
        }
        var acceptance = Acceptance.unknownEndpoint
        defer { store.count(acceptance == .stored ? .received : .receptionRefused) }
        if let id = Endpoint.ID(text) {
            acceptance = try store.accept(notification, at: id, for: request.id, at: moment, limits)
        }
        switch acceptance {
        case .stored:
            return .afterCommit(Self.accepted)
        case .unknownEndpoint:
            return .now(unknown(text))
        case .disabled:
            return .now(.text(.internalServerError, "Endpoint '\(text)' is disabled, as its owner asked."))
        case .tooManyBytes:
            let limit = limits.bytesPerEndpoint
            return .now(.text(.insufficientStorage, "Endpoint '\(text)' keeps no more than \(limit) bytes."))
        case .tooMany:
            let limit = limits.notificationsPerEndpoint
            return .now(.text(.insufficientStorage, "Endpoint '\(text)' keeps no more than \(limit) notifications."))
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

    private func create(_ request: Request) throws(StoreFailure) -> Answer {
        let id = Endpoint.ID(random: &random)
        switch try store.create(id, for: request.id, from: request.remoteAddress, at: now(), limits) {
        case .created(let id):
            store.count(.created)
            let body = objectJSON { json in
                json.member("endpointId", id.description)
                json.member("fullyQualifiedEndpoint", webhookURL + id.description)
            }
            return .afterCommit(.json(.created, body))
        case .tooManyOfAddress:
            store.count(.creationRefused)
            let text = "Your address has too many endpoints: the last places are for addresses that have fewer."
            return .now(.text(.insufficientStorage, text))
        case .tooMany:
            store.count(.creationRefused)
            return .now(.text(.insufficientStorage, "There are no more than \(limits.endpoints) endpoints."))
        }
    }

    private func collect(_ request: Request, from text: String) throws(StoreFailure) -> Answer {
        let found =
            try Endpoint.ID(text).map { id throws(StoreFailure) in
                try store.collect(from: id, for: request.id, at: now(), limits, mayBeLong: request.mayBeLong)
            } ?? .unknownEndpoint
        switch found {
        case .unknownEndpoint, .tooLong: store.count(.collectionRefused)
        case .notifications, .long: store.count(.collected)
        }
        return answer(found, text)
    }

    private func answer(_ found: Finding, _ id: String) -> Answer {
        switch found {
        case .unknownEndpoint: return .now(unknown(id))
        case .tooLong: return .now(.text(.serviceUnavailable, Response.noRoomText).retryAfter(5))
        case .notifications(let notifications): return .madeAfterCommit { .json(.ok, notificationsJSON(notifications)) }
        case .long(let range):
            return .inParts(.json(.ok, []), rest: NotificationParts(range, store, now: now).next)
        }
    }

    private func configure(_ request: Request, _ text: String) throws(StoreFailure) -> Answer {
        let body: [UInt8]
        do throws(BodyRefusal) {
            body = try Notification.decompressed(request, limit: bodyLimit)
        } catch {
            store.count(.configurationRefused)
            return .now(refusal(error))
        }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration(parsing: body)
        } catch {
            store.count(.configurationRefused)
            return .now(.text(.badRequest, error.reason))
        }
        guard let id = Endpoint.ID(text), try store.configure(id, configuration, at: now(), limits) else {
            store.count(.configurationRefused)
            return .now(unknown(text))
        }
        store.count(.configured)
        return .afterCommit(Response(.noContent))
    }

    private func delete(_ text: String) throws(StoreFailure) -> Answer {
        let wasThere: Bool = if let id = Endpoint.ID(text) { try store.delete(id) } else { false }
        store.count(wasThere ? .deleted : .deletionRefused)
        return .afterCommit(Response(.noContent))
    }

    private func status() throws(StoreFailure) -> Answer {
        let overview = try store.overview(newest: statusPageEndpoints)
        return .now(.text(.ok, statusPage(installation, limits, overview, at: now())))
    }

    // MARK: Looking and acknowledging, which the original has not

    private func look(_ request: Request, at text: String) throws(StoreFailure) -> Answer {
        let window: Window
        do throws(QueryError) {
            window = try Window(request.target)
        } catch {
            return .now(.text(.badRequest, error.reason))
        }
        guard let id = Endpoint.ID(text) else { return .now(unknown(text)) }
        let first = try look(at: id, window, mayBeLong: request.mayBeLong)
        guard first == .notifications([]), window.waitMilliseconds > 0 else { return answer(first, text) }

        let again = { [self] (mayBeLong: Bool) throws(StoreFailure) -> Answer in
            answer(try look(at: id, window, mayBeLong: mayBeLong), text)
        }
        // A client that waits uses its endpoint: it is sent home before the endpoint counts as idle.
        let idleMilliseconds = limits.idleSeconds * 500
        return .wait(
            Waiting(
                milliseconds: Int(min(Double(window.waitMilliseconds), max(0, idleMilliseconds))), subject: text,
                tooMany: .text(.tooManyRequests, Response.tooManyWaitText).retryAfter(5),
                look: { [self] mayBeLong in
                    do throws(StoreFailure) {
                        guard try store.hasNews(at: id, after: window.after, at: now(), limits) else { return nil }
                        return try again(mayBeLong)
                    } catch {
                        return .now(.failure(error))
                    }
                },
                giveUp: { mayBeLong in
                    do throws(StoreFailure) { return try again(mayBeLong) } catch { return .now(.failure(error)) }
                }))
    }

    private func look(at id: Endpoint.ID, _ window: Window, mayBeLong: Bool) throws(StoreFailure) -> Finding {
        try store.look(
            at: id, after: window.after, limit: window.limit, at: now(), limits, mayBeLong: mayBeLong)
    }

    private func acknowledge(_ request: Request, at text: String) throws(StoreFailure) -> Answer {
        guard let value = request.target.queryValue("through"), let number = UInt64(value) else {
            return .now(.text(.badRequest, "The query parameter \"through\" takes the id of a notification."))
        }
        guard let id = Endpoint.ID(text), try store.acknowledge(through: number, at: id, at: now(), limits) else {
            return .now(unknown(text))
        }
        return .afterCommit(Response(.noContent))
    }
}

/// Which notifications a client wants to look at.
struct Window: Equatable {
    var after: UInt64 = 0
    var limit = 100
    var waitMilliseconds = 0

    init(_ target: Target) throws(QueryError) {
        if let text = target.queryValue("after") {
            guard let number = UInt64(text) else {
                throw QueryError(reason: "The query parameter \"after\" takes the id of a notification, or 0.")
            }
            after = number
        }
        limit = try target.wholeNumber("limit", in: 1...1000) ?? limit
        waitMilliseconds = try target.waitMilliseconds()
    }
}
