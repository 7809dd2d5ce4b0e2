internal import CaptureRules
internal import HTTP
internal import HTTPTypes
internal import Values

/// Looks for the first notification that a JSONPath query selects.
extension CaptureHandlers {
    /// How long notifications are evaluated before other requests have their turn.
    private static let sliceSeconds = 0.005

    func look(
        for match: RequestMatch, at id: Endpoint.ID, _ text: String, _ window: Window, until deadline: Deadline,
        _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        var after = window.after
        var mayWait = window.waitMilliseconds > 0
        while true {
            while let milliseconds = matching.wait(at: now().steady) {
                // Nothing arrives after this number.
                let wait = context.deadline(milliseconds: milliseconds)
                switch await context.news(for: EndpointInterest(id, after: .max), until: wait) {
                case .news, .over: break
                case .refused, .gone:
                    return .whole(.text(.tooManyRequests, Response.tooManyWaitText).retryAfter(5))
                }
            }
            let start = now().steady
            guard let page = try await MatchPage(after: after, at: id, self) else { return .whole(unknown(text)) }
            var isLate = false
            for piece in page.pieces where !isLate {
                after = piece.numbered.number
                if match.matches(RequestDocument(ReceivedRequest(piece))) {
                    matching.spend(from: start, to: now().steady)
                    return try await look(at: id, .after(after - 1), text, limit: 1, mayWait: false, context)
                        ?? .whole(.json(.ok, notificationsJSON([])))
                }
                isLate = now().steady.seconds(since: start) > Self.sliceSeconds
            }
            matching.spend(from: start, to: now().steady)
            if !isLate { after = page.last }
            if !isLate, !page.isAtEnd { continue }
            guard isLate || mayWait else { return .whole(.json(.ok, notificationsJSON([]))) }
            let end = isLate ? context.deadline(milliseconds: 0) : deadline
            switch await context.news(for: EndpointInterest(id, after: after), until: end) {
            case .news: break
            case .over: mayWait = mayWait && isLate
            case .refused, .gone:
                return .whole(.text(.tooManyRequests, Response.tooManyWaitText).retryAfter(5))
            }
        }
    }
}

/// The time that all looks for a match take together, so that others have half of it at least.
final class MatchingTime {
    /// Until when no look goes on.
    private var pausedUntil: Timestamp?

    /// What may be spent at once.
    private static let burstSeconds = 0.005

    /// How long a look has to wait before it evaluates notifications, in milliseconds; `nil`: not at all.
    func wait(at now: Timestamp) -> Int? {
        guard let pausedUntil else { return nil }
        let seconds = pausedUntil.seconds(since: now)
        return seconds > Self.burstSeconds ? max(1, Int(seconds * 1000)) : nil
    }

    /// Notes that notifications were evaluated.
    func spend(from start: Timestamp, to end: Timestamp) {
        let paused = pausedUntil.map { max($0, end) } ?? end
        pausedUntil = paused.adding(seconds: max(0, end.seconds(since: start)))
    }
}

/// Some notifications of an endpoint, to be tried one after the other. A body that is too long to be tried is cut off.
private struct MatchPage {
    let pieces: [NotificationPiece]
    /// The number of the last notification that this page covers.
    let last: UInt64
    /// Whether there are no notifications after these.
    let isAtEnd: Bool

    private static let count = 16
    /// The longest body that is tried.
    static let bodyBytes = max(ReceivedRequest.jsonBytes, ReceivedRequest.formBytes)

    /// - Returns: `nil` if there is no such endpoint.
    init?(after number: UInt64, at id: Endpoint.ID, _ handlers: CaptureHandlers) async throws(StoreFailure) {
        let store = handlers.store
        let found = try await store.look(
            at: id, .after(number), limit: Self.count, at: handlers.now(), handlers.limits, mayBeLong: true)
        switch found {
        case .unknownEndpoint: return nil
        case .tooLong: (pieces, last, isAtEnd) = ([], number, true)
        case .notifications(let notifications):
            pieces = notifications.map { NotificationPiece(numbered: $0, bodyBytes: $0.notification.body.count) }
            last = pieces.last?.numbered.number ?? number
            isAtEnd = pieces.isEmpty
        case .long(let range):
            var pieces = try await store.page(of: range, from: range.first, atMost: Self.bodyBytes + 1)
            // A body that had no room beside the others is read again, as the first one.
            if pieces.count > 1, let end = pieces.last, end.numbered.notification.body.count < end.bodyBytes {
                pieces.removeLast()
            }
            self.pieces = pieces
            // Those that are damaged are left out.
            last = pieces.last?.numbered.number ?? range.end - 1
            isAtEnd = false
        }
    }
}

extension ReceivedRequest {
    /// A notification as rules see it, without a body that is too long.
    fileprivate convenience init(_ piece: NotificationPiece) {
        let notification = piece.numbered.notification
        let isShort =
            notification.body.count == piece.bodyBytes && notification.reading.decodedBytes <= MatchPage.bodyBytes
        self.init(notification, hasBody: isShort)
    }

    /// - Parameter hasBody: whether the body is looked at.
    convenience init(_ notification: Notification, hasBody: Bool = true) {
        self.init(
            method: notification.method, url: notification.url ?? [], path: notification.path,
            query: notification.query, fields: notification.fields, wireBody: hasBody ? notification.body : [],
            bodyByteCount: hasBody ? notification.bodyByteCount : 0,
            decode: { hasBody ? notification.decodedBody : [] })
    }
}
