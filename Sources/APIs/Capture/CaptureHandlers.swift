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
            guard request.method == .get else { return notAllowed(only: "GET") }
            return try await status()
        case ("manage", 2) where path[1] == "endpoint":
            guard request.method == .post else { return notAllowed(only: "POST") }
            return try await create(request, context)
        case ("manage", 3) where path[1] == "endpoint":
            switch request.method {
            case .get: return try await collect(request, from: path[2], context)
            case .put: return try await configure(request, path[2], context)
            case .delete: return try await delete(path[2], context)
            default: return notAllowed(only: "DELETE,GET,PUT")
            }
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "settings":
            guard request.method == .get else { return notAllowed(only: "GET") }
            return try await settings(of: path[2])
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "preview":
            guard request.method == .post else { return notAllowed(only: "POST") }
            return try await preview(request, path[2])
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "forwards":
            return try await forwards(request, at: path[2], context)
        case ("manage", 4) where path[1] == "endpoint" && path[3] == "notifications":
            switch request.method {
            case .get: return try await look(request, at: path[2], context)
            case .delete: return try await acknowledge(request, at: path[2], context)
            default: return notAllowed(only: "DELETE,GET")
            }
        case ("manage", 6) where path[1] == "endpoint" && path[3] == "notifications" && path[5] == "body":
            guard request.method == .get else { return notAllowed(only: "GET") }
            return try await body(request, of: path[4], at: path[2], context)
        default:
            return nil
        }
    }

    @inline(never)
    private func notAllowed(only methods: String) -> Answer { .whole(.methodNotAllowed(allowed: methods)) }

    /// Whether there is something new to read for each of the waiting clients.
    package func news(for interests: [EndpointInterest]) async throws(StoreFailure) -> [Bool] {
        try await store.hasNews(at: interests.map { ($0.endpoint, $0.after) }, at: now(), limits)
    }

    // MARK: The original's routes

    @inline(never)
    func receive(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        switch try await reception(of: request, at: text, context) {
        case .answered(let response): .whole(response)
        case .ruled(let answer): await self.answer(answer, at: text, context)
        }
    }

    /// What became of a request that was sent to an endpoint.
    private enum Reception {
        case answered(Response)
        /// It is stored, and the endpoint's settings say how it is answered.
        case ruled(RuleAnswer)
    }

    /// Stores a request that was sent to an endpoint. It is a function of its own, so that nothing holds the body while the
    /// answer is held back. What most requests do not need is in other functions: the variables of asynchronous functions are
    /// on the heap.
    @inline(never)
    private func reception(
        of request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Reception {
        let moment = now()
        let takesLong = takesLong(request)
        let arrival = takesLong ? await longArrival(of: request, at: moment) : arrival(of: request, at: moment)
        guard arrival.isReadable, let id = Endpoint.ID(inURL: text) else {
            return try await refuse(arrival, of: request, at: text, moment, context)
        }
        let acceptance = try await accept(arrival, at: id, for: request.id)
        guard case .stored = acceptance else {
            return try await settle(acceptance, arrival, of: request, at: id, text, moment, context)
        }
        store.count(.received)
        try await context.committed()
        return .answered(Self.accepted)
    }

    /// Answers a request that cannot be read, or was sent to no endpoint.
    @inline(never)
    private func refuse(
        _ arrival: Arrival, of request: Request, at text: String, _ moment: Moment, _ context: any RequestContext
    ) async throws(StoreFailure) -> Reception {
        store.count(.receptionRefused)
        switch arrival {
        case .tooMany:
            return .answered(Self.tooManyBodies)
        case .refused(let refusal):
            if refusal == .tooLarge { try await keepRefused(request, .tooLarge, at: text, moment, context) }
            return .answered(self.refusal(refusal, limit: bodyLimit))
        case .notification(let notification):
            guard !arrival.isReadable else { return .answered(unknown(text)) }
            try await keepRefused(request, .undecodable, notification.reading, at: text, moment, context)
            return .answered(refusal(.unreadable(BodyFault.corruptData.text), limit: bodyLimit))
        }
    }

    /// Stores what has arrived, unless the endpoint's settings have to be asked.
    @inline(never)
    private func accept(
        _ arrival: Arrival, at id: Endpoint.ID, for request: RequestID?
    ) async throws(StoreFailure) -> Acceptance {
        guard case .notification(let notification) = arrival else { preconditionFailure("there is no notification") }
        return try await accept(notification, at: id, for: request, using: nil, confirming: nil)
    }

    private func accept(
        _ notification: Notification, at id: Endpoint.ID, for request: RequestID?, using use: ReceiverChange?,
        confirming confirmation: Confirmation?
    ) async throws(StoreFailure) -> Acceptance {
        do throws(StoreFailure) {
            return try await store.accept(
                notification, at: id, for: request, using: use, confirming: confirmation, at: now(), limits)
        } catch {
            store.count(.receptionRefused)
            throw error
        }
    }

    /// Answers a request that was not stored at once: because the endpoint's settings say how it is answered, or it is refused.
    @inline(never)
    private func settle(
        _ first: Acceptance, _ arrival: Arrival, of request: Request, at id: Endpoint.ID, _ text: String,
        _ moment: Moment, _ context: any RequestContext
    ) async throws(StoreFailure) -> Reception {
        guard case .notification(var notification) = arrival else { preconditionFailure("there is no notification") }
        var acceptance = first
        var judgement: Judgement?
        var rounds = 0
        while case .answers(let receiver) = acceptance {
            rounds += 1
            let mayWait = rounds <= Self.waitingRounds
            do throws(StoreFailure) {
                judgement = try await self.judgement(of: notification, receiver, mayWait: mayWait)
            } catch {
                store.count(.receptionRefused)
                throw error
            }
            guard let judgement else {
                store.count(.receptionRefused)
                return .answered(Self.tooManyBodies)
            }
            notification.outcome = judgement.sent()
            if judgement.outcome.isRejected { break }
            acceptance = try await accept(
                notification, at: id, for: request.id, using: next(receiver, after: judgement),
                confirming: judgement.outcome.confirmation.map { Confirmation($0, at: moment) })
        }
        if case .stored = acceptance {
            store.count(.received)
            try await context.committed()
            return judgement?.outcome.answer.map { .ruled($0) } ?? .answered(Self.accepted)
        }
        store.count(.receptionRefused)
        let (reason, response) = refusal(acceptance, judgement, at: text)
        if let reason {
            try await keepRefused(
                request, reason, notification.reading, outcome: reason == .unverified ? notification.outcome : nil,
                at: text, moment, context)
        }
        return .answered(response)
    }

    /// Why a request is refused that an endpoint did not accept, and the answer. No reason: it is not kept.
    @inline(never)
    private func refusal(
        _ acceptance: Acceptance, _ judgement: Judgement?, at text: String
    ) -> (RefusedNotification.Reason?, Response) {
        switch acceptance {
        case .stored:
            return (nil, Self.accepted)
        case .answers:
            return (.unverified, judgement?.outcome.answer?.response ?? Self.accepted)
        case .unknownEndpoint:
            return (nil, unknown(text))
        case .noSubpaths:
            let reason = "Endpoint '\(text)' does not accept paths below its id: its setting subpaths is false."
            return (.path, .text(.notFound, reason))
        case .disabled:
            return (.disabled, .text(.internalServerError, "Endpoint '\(text)' was disabled by its owner."))
        case .tooManyBytes:
            let reason = "Endpoint '\(text)' is full: it keeps at most \(limits.bytesPerEndpoint) bytes."
            return (.full, .text(.insufficientStorage, reason))
        case .tooMany:
            let reason =
                "Endpoint '\(text)' is full: it keeps at most \(limits.notificationsPerEndpoint) notifications."
            return (.full, .text(.insufficientStorage, reason))
        }
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
