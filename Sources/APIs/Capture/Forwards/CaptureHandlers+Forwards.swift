internal import CaptureRules
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

/// Sends notifications on to other addresses.
extension CaptureHandlers {
    func forwards(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        guard request.method == .get || request.method == .post else {
            return .whole(.methodNotAllowed(allowed: "GET,POST"))
        }
        guard permissions.allowsForwarding else {
            return .whole(
                .text(.forbidden, "Nothing is forwarded here: the operator has not set ENDPOINT_FORWARDING."))
        }
        return request.method == .get
            ? try await listForwards(request, at: text) : try await forward(request, at: text, context)
    }

    private func forward(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let wish: ForwardRequest
        do throws(BodyRefusal) {
            let body = try Notification.decompressed(request, limit: configurationLimit)
            do throws(ConfigurationError) {
                wish = try ForwardRequest(parsing: body, urls)
            } catch {
                return .whole(.text(.badRequest, error.reason))
            }
        } catch {
            return .whole(refusal(error, limit: configurationLimit))
        }
        guard let id = Endpoint.ID(inURL: text) else { return .whole(unknown(text)) }
        let moment = now()
        let beginning = try await store.forward(
            wish.notifications, to: wish.urls, at: id, for: request.id, at: moment, limits)
        switch beginning {
        case .begun(let forwards):
            try await context.committed()
            return .whole(.json(.accepted, forwardsJSON(forwards, nil, limits, at: moment)))
        case .unknownEndpoint: return .whole(unknown(text))
        case .unknownNotifications(let numbers):
            return .whole(
                .text(
                    .notFound,
                    "Endpoint '\(text)' does not have the notifications \(Self.list(numbers)): they were collected, or never existed. Nothing is forwarded."
                ))
        case .damagedNotifications(let numbers):
            return .whole(
                .text(
                    .internalServerError,
                    "The notifications \(Self.list(numbers)) are damaged in the store. Nothing is forwarded."))
        case .full(let forwarding):
            return .whole(
                .text(
                    .insufficientStorage,
                    """
                    Too many forwards are pending: \(forwarding.pending) of at most \(limits.pendingForwards), with \
                    \(forwarding.bytes) bytes of at most \(limits.bytesPerEndpoint). Try again when some have ended.
                    """))
        case .tooLong(let bytes):
            return .whole(
                .text(
                    .contentTooLarge,
                    """
                    The notifications have \(bytes) bytes together. One request forwards at most \
                    \(ForwardLimits.requestBytes), or a single notification: ask for fewer at a time.
                    """))
        }
    }

    private static func list(_ numbers: [UInt64]) -> String { numbers.map(String.init).joined(separator: ", ") }

    private func listForwards(_ request: Request, at text: String) async throws(StoreFailure) -> Answer {
        var (before, limit) = (UInt64.max, 100)
        do throws(QueryError) {
            if let value = request.target.queryValue("before") {
                guard let number = UInt64(value), number > 0 else {
                    throw QueryError(
                        reason: "The query parameter \"before\" must be the id of a forward, or a higher number.")
                }
                before = number
            }
            limit = try request.target.wholeNumber("limit", in: 1...1000) ?? limit
        } catch {
            return .whole(.text(.badRequest, error.reason))
        }
        let moment = now()
        guard let id = Endpoint.ID(inURL: text),
            let found = try await store.forwards(at: id, before: before, limit: limit, at: moment, limits)
        else { return .whole(unknown(text)) }
        return .whole(.json(.ok, forwardsJSON(found.forwards, found.forwarding, limits, at: moment)))
    }
}
