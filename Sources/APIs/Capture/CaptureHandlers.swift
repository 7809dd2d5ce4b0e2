internal import CaptureRules
package import Delivery
package import HTTP
internal import HTTPTypes
internal import JSON
package import Values

/// The capture API: turns a request into an answer, with the help of a store.
package final class CaptureHandlers {
    let store: any CaptureStore
    let limits: CaptureLimits
    let permissions: CapturePermissions
    let urls: any URLRules
    let installation: Installation
    let webhookURL: String
    let bodyLimit: Int
    let now: () -> Moment
    var random: any RandomNumberGenerator
    let sealing: Sealing
    let background: any Background
    /// The settings of receivers that were read, by version.
    var receivers: [UInt64: ReceiverSettings] = [:]
    let matching = MatchingTime()

    /// - Parameters:
    ///   - urls: decides to which URLs notifications may be sent on.
    ///   - webhookURL: the URL to which an endpoint's id is appended to make its capture URL.
    ///   - bodyLimit: the most bytes that a notification's decompressed body may have.
    ///   - sealing: encrypts the secrets of endpoints.
    ///   - background: reads and checks bodies that take long.
    package init(
        store: any CaptureStore, limits: CaptureLimits, permissions: CapturePermissions = CapturePermissions(),
        urls: any URLRules = AddressGuard(), installation: Installation, webhookURL: String, bodyLimit: Int,
        sealing: Sealing, background: any Background = NoBackground(), now: @escaping () -> Moment,
        random: any RandomNumberGenerator
    ) {
        self.store = store
        self.limits = limits
        self.permissions = permissions
        self.urls = urls
        self.installation = installation
        self.webhookURL = webhookURL
        self.bodyLimit = bodyLimit
        self.sealing = sealing
        self.background = background
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
            guard request.fields.firstValue(of: "origin") != nil else {
                return try await receive(request, at: path[1], context)
            }
            return try await receiveFromPage(request, at: path[1], context)
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
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "settings":
            guard request.method == .get else { return .whole(.methodNotAllowed(allowed: "GET")) }
            return try await settings(of: path[2])
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "preview":
            guard request.method == .post else { return .whole(.methodNotAllowed(allowed: "POST")) }
            return try await preview(request, path[2])
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "forwards":
            return try await forwards(request, at: path[2], context)
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

    func receive(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        switch try await reception(of: request, at: text, context) {
        case .answered(let response): .whole(response)
        case .stored(let outcome): await answer(outcome, at: text, context)
        }
    }

    /// What became of a request that was sent to an endpoint.
    private enum Reception {
        case answered(Response)
        /// It is stored, and answered as the endpoint's settings say.
        case stored(ReceiverOutcome)
    }

    /// Stores a request that was sent to an endpoint. It is a function of its own, so that nothing holds the body while the
    /// answer is held back.
    @inline(never)
    private func reception(
        of request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Reception {
        let moment = now()
        var notification: Notification
        do throws(BodyRefusal) {
            guard let read = try await self.notification(of: request, at: moment) else { return busy() }
            notification = read
        } catch {
            store.count(.receptionRefused)
            if error == .tooLarge { try await keepRefused(request, .tooLarge, at: text, moment, context) }
            return .answered(refusal(error, limit: bodyLimit))
        }
        guard notification.reading.fault != .corruptData else {
            store.count(.receptionRefused)
            try await keepRefused(request, .undecodable, notification.reading, at: text, moment, context)
            return .answered(refusal(.unreadable(BodyFault.corruptData.text), limit: bodyLimit))
        }
        var acceptance = Acceptance.unknownEndpoint
        var outcome: ReceiverOutcome?
        if let id = Endpoint.ID(inURL: text) {
            do throws(StoreFailure) {
                acceptance = try await store.accept(notification, at: id, for: request.id, at: now(), limits)
                var rounds = 0
                while case .answers(let receiver) = acceptance {
                    rounds += 1
                    let mayWait = rounds <= Self.waitingRounds
                    guard let found = try await self.outcome(of: notification, receiver, mayWait: mayWait) else {
                        return busy()
                    }
                    outcome = found
                    notification.outcome = SenderOutcome(found)
                    if found.isRejected { break }
                    acceptance = try await store.accept(
                        notification, at: id, for: request.id, using: next(receiver, after: found),
                        confirming: found.confirmation.map { Confirmation($0, at: moment) }, at: now(), limits)
                }
            } catch {
                store.count(.receptionRefused)
                throw error
            }
        }
        store.count(acceptance == .stored ? .received : .receptionRefused)
        switch acceptance {
        case .stored:
            try await context.committed()
            return outcome.map { .stored($0) } ?? .answered(Self.accepted)
        case .answers:
            try await keepRefused(
                request, .unverified, notification.reading, outcome: notification.outcome, at: text, moment, context)
            return .answered(outcome?.answer?.response ?? Self.accepted)
        case .unknownEndpoint:
            return .answered(unknown(text))
        case .noSubpaths:
            try await keepRefused(request, .path, notification.reading, at: text, moment, context)
            return .answered(
                .text(
                    .notFound, "Endpoint '\(text)' does not accept paths below its id: its setting subpaths is false."))
        case .disabled:
            try await keepRefused(request, .disabled, notification.reading, at: text, moment, context)
            return .answered(.text(.internalServerError, "Endpoint '\(text)' was disabled by its owner."))
        case .tooManyBytes:
            try await keepRefused(request, .full, notification.reading, at: text, moment, context)
            let limit = limits.bytesPerEndpoint
            return .answered(
                .text(.insufficientStorage, "Endpoint '\(text)' is full: it keeps at most \(limit) bytes."))
        case .tooMany:
            try await keepRefused(request, .full, notification.reading, at: text, moment, context)
            let limit = limits.notificationsPerEndpoint
            return .answered(
                .text(.insufficientStorage, "Endpoint '\(text)' is full: it keeps at most \(limit) notifications."))
        }
    }

    private func busy() -> Reception {
        store.count(.receptionRefused)
        return .answered(Self.tooManyBodies)
    }

    /// The background thread has too much to do.
    static let tooManyBodies = Response.text(
        .serviceUnavailable, "Too many long bodies are being read. Try again."
    ).retryAfter(5)

    /// Keeps a request that is refused. The answer is the refusal also if there is no room for that.
    private func keepRefused(
        _ request: Request, _ reason: RefusedNotification.Reason, _ reading: BodyReading? = nil,
        outcome: SenderOutcome? = nil, at text: String, _ moment: Moment, _ context: any RequestContext
    ) async throws(StoreFailure) {
        guard let id = Endpoint.ID(inURL: text) else { return }
        let refused = RefusedNotification(
            request, segments: 2, reason: reason, reading, outcome: outcome, receivedAt: moment.wall)
        try await store.keep(refused, at: id, at: moment, limits)
        do throws(StoreFailure) { try await context.committed() } catch {
            guard error == .full else { throw error }
        }
    }

    static let accepted = Response(.ok)

    func refusal(_ error: BodyRefusal, limit: Int) -> Response {
        switch error {
        case .tooLarge: .text(.contentTooLarge, "A body may have no more than \(limit) bytes.")
        case .unreadable(let reason): .text(.badRequest, "The body cannot be read: \(reason).")
        }
    }

    func unknown(_ id: String) -> Response {
        // On one line, whatever the path has.
        let shown = id.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : String($0) }
            .joined()
        return .text(.notFound, "Endpoint '\(shown)' does not exist or was removed.")
    }
}
