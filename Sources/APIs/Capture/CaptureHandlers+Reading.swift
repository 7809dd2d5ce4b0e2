internal import CaptureRules
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

/// Collects notifications, and reads and removes them in the ways that the original API does not have.
extension CaptureHandlers {
    func collect(
        _ request: Request, from text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        var found = Finding.unknownEndpoint
        if let id = Endpoint.ID(inURL: text) {
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

    func look(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let window: Window
        do throws(QueryError) {
            window = try Window(request.target)
        } catch {
            return .whole(.text(.badRequest, error.reason))
        }
        guard let id = Endpoint.ID(inURL: text) else { return .whole(unknown(text)) }
        if window.isOfRefused {
            let refused = try await store.refused(
                at: id, window.position, limit: window.limit, at: now(), limits)
            return .whole(refused.map { .json(.ok, refusalsJSON($0)) } ?? unknown(text))
        }
        // A client that waits uses its endpoint: the wait ends before the endpoint counts as idle.
        let milliseconds = min(Double(window.waitMilliseconds), max(0, limits.idleSeconds * 500))
        let deadline = context.deadline(milliseconds: Int(milliseconds))
        if let match = window.match {
            return try await look(for: match, at: id, text, window, until: deadline, context)
        }
        let interest = EndpointInterest(id, after: window.after)
        var mayWait = window.waitMilliseconds > 0
        while true {
            let answer = try await look(
                at: id, window.position, text, limit: window.limit, mayWait: mayWait, context)
            if let answer { return answer }
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
    func look(
        at id: Endpoint.ID, _ position: Position, _ text: String, limit: Int, mayWait: Bool,
        _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer? {
        let found = try await store.look(
            at: id, position, limit: limit, at: now(), limits, mayBeLong: context.mayBeLong)
        guard !mayWait || found != .notifications([]) else { return nil }
        return try await answer(found, text, context)
    }

    /// The body of one notification, as it was sent; with the parameter `decoded`, without its content coding.
    func body(
        _ request: Request, of number: String, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        guard let number = UInt64(number), number > 0 else { return .whole(unknown(notification: number, text)) }
        guard let id = Endpoint.ID(inURL: text) else { return .whole(unknown(text)) }
        if request.target.queryNames.contains("refused") {
            let refused = try await store.refused(at: id, .after(number - 1), limit: 1, at: now(), limits)
            guard let refused else { return .whole(unknown(text)) }
            guard let found = refused.first, found.number == number else {
                return .whole(unknown(notification: String(number), text))
            }
            return .whole(bodyResponse(number, found.refused.notification.body))
        }
        let found = try await store.look(
            at: id, .after(number - 1), limit: 1, at: now(), limits, mayBeLong: context.mayBeLong)
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
                response, BodyPieces(StoredBody(piece, isDecoded: isDecoded), range, store))
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

    func acknowledge(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        guard let value = request.target.queryValue("through"), let number = UInt64(value) else {
            return .whole(.text(.badRequest, "The query parameter \"through\" must be the id of a notification."))
        }
        guard let id = Endpoint.ID(inURL: text), try await store.acknowledge(through: number, at: id, at: now(), limits)
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
struct Window {
    var after: UInt64 = 0
    /// The client asks for the newest notifications with lower numbers, and does not wait.
    var before: UInt64?
    var limit = 100
    var waitMilliseconds = 0
    /// Whether the client asks for what was refused instead.
    var isOfRefused = false
    /// The client asks for the first notification that matches.
    var match: RequestMatch?

    var position: Position { before.map { .before($0) } ?? .after(after) }

    private static let parameters = ["after", "before", "limit", "match", "refused", "wait"]

    /// A parameter that is not known is refused: a `match` that is misspelt would let every notification pass.
    init(_ target: Target) throws(QueryError) {
        if let name = target.queryNames.first(where: { !Self.parameters.contains($0) }) {
            let known = Self.parameters.joined(separator: ", ")
            throw QueryError(
                reason: "Unknown query parameter \(name.shortened(to: 64).debugDescription). Known are \(known).")
        }
        if let text = target.queryValue("after") {
            guard let number = UInt64(text) else {
                throw QueryError(reason: "The query parameter \"after\" must be the id of a notification, or 0.")
            }
            after = number
        }
        if let text = target.queryValue("before") {
            guard let number = UInt64(text), number > 0 else {
                throw QueryError(
                    reason: "The query parameter \"before\" must be the id of a notification, or a higher number.")
            }
            before = number
        }
        limit = try target.wholeNumber("limit", in: 1...1000) ?? limit
        waitMilliseconds = try target.waitMilliseconds()
        isOfRefused = target.queryNames.contains("refused")
        // Generated clients send `after=0` and `wait=0` where their callers say nothing.
        if before != nil, after > 0 { throw Self.conflict("after", "before") }
        if before != nil, waitMilliseconds > 0 { throw Self.conflict("before", "wait") }
        guard let text = target.queryValue("match") else { return }
        if before != nil { throw Self.conflict("before", "match") }
        if isOfRefused { throw Self.conflict("match", "refused") }
        do throws(InvalidMatch) { match = try RequestMatch(text) } catch {
            throw QueryError(reason: "The query parameter \"match\" is not valid. \(error.reason)")
        }
    }

    private static func conflict(_ one: String, _ other: String) -> QueryError {
        QueryError(reason: "The query parameters \"\(one)\" and \"\(other)\" exclude each other.")
    }
}
