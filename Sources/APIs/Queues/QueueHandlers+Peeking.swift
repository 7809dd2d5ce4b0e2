internal import HTTP
internal import HTTPTypes
internal import Values

/// Looks at the messages of a queue. No cursor moves, and nothing is written.
extension QueueHandlers {
    func peek(
        _ request: Request, at queue: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let query: PeekQuery
        do throws(QueryError) {
            query = try PeekQuery(request.target)
        } catch {
            return .whole(errorResponse(.badRequest, error.reason))
        }
        return try await loggedIn(request, context) { user async throws(StoreFailure) in
            let found = try await store.peek(at: queue, for: user, before: query.before, limit: query.limit)
            guard let found else { return .whole(Self.unreadableQueue) }
            return .whole(.json(.ok, peekJSON(found, time: try await store.time())))
        }
    }

    /// The exact bytes of a message.
    func message(
        _ request: Request, _ text: String, of queue: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        try await loggedIn(request, context) { user async throws(StoreFailure) in
            guard let id = UInt64(text), id > 0 else {
                return .whole(errorResponse(.badRequest, "The id of the message must be a whole number from 1 on."))
            }
            switch try await store.message(id, of: queue, for: user) {
            case .unknownQueue: return .whole(Self.unreadableQueue)
            case .unknownMessage:
                return .whole(errorResponse(.notFound, "The queue keeps no message with this id."))
            case .found(let piece, _) where piece.isWhole:
                return .whole(Self.bytes(id, piece.numbered.message.body))
            case .found(let piece, let range):
                guard context.mayBeLong else {
                    return .whole(errorResponse(.serviceUnavailable, Response.noRoomText).retryAfter(5))
                }
                var response = Self.bytes(id, [])
                response.head.headerFields[.contentLength] = String(piece.bodyBytes)
                return try await context.committed(response, BodyPieces(piece, range, store))
            }
        }
    }

    private static let unreadableQueue = errorResponse(
        .notFound, "There is no such queue, or this user may not read it.")

    private static func bytes(_ id: UInt64, _ body: [UInt8]) -> Response {
        let fields: HTTPFields = [
            .contentType: "application/octet-stream",
            .contentDisposition: "attachment; filename=\"message-\(id)\"",
            .cacheControl: "no-store", .noSniff: "nosniff",
        ]
        return Response(.ok, fields: fields, body: body)
    }
}

extension BodyPieces {
    /// The bytes of one message.
    fileprivate convenience init(_ piece: MessagePiece, _ range: MessageRange, _ store: any QueueStore) {
        let (id, bodyBytes) = (piece.numbered.id, piece.bodyBytes)
        var offset = 0
        self.init { () async throws(StoreFailure) in
            let end = min(offset + Self.partBytes, bodyBytes)
            guard let bytes = try await store.body(of: range, at: id, bytes: offset..<end) else {
                throw .unavailable("a message was dropped from the queue while it was sent")
            }
            offset = end
            return (bytes, end == bodyBytes)
        }
    }
}
