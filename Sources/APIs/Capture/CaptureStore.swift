package import HTTP
package import Values

/// What capture needs of a store. Each operation is whole: it happens or it does not, also when the process dies in it.
///
/// An engine may gather what several requests write; it is kept for good once the engine's own `commit` has returned.
/// Where a request has an id, doing it again with the same id changes nothing and answers the same.
package protocol CaptureStore: AnyObject {
    /// Opens an endpoint under a new id, or says that there are as many as may be.
    /// - Parameter address: the client's; an IPv6 network of 64 bits counts as one.
    func create(
        _ id: Endpoint.ID, for request: RequestID?, from address: String?, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Creation

    /// Keeps a notification for collection.
    func accept(
        _ notification: Notification, at id: Endpoint.ID, for request: RequestID?, at moment: Moment,
        _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Acceptance

    /// Hands out all that waits, oldest first, each to one collector only.
    ///
    /// What is handed out as `.long` stays in the store, to be read piece by piece, for two minutes from the request's time,
    /// or from that of the last `keepCollected`.
    /// - Parameter mayBeLong: whether the caller can take `.long`; if not, nothing is changed and the finding is `.tooLong`.
    func collect(
        from id: Endpoint.ID, for request: RequestID?, at moment: Moment, _ limits: CaptureLimits, mayBeLong: Bool
    ) async throws(StoreFailure) -> Finding

    /// Shows what waits after `number`, oldest first, and leaves it there. It may be less than there is, but never nothing
    /// where there is something.
    ///
    /// Looking is using: it puts off the end of an idle endpoint, to the second.
    func look(
        at id: Endpoint.ID, after number: UInt64, limit: Int, at moment: Moment, _ limits: CaptureLimits,
        mayBeLong: Bool
    ) async throws(StoreFailure) -> Finding

    /// Reads the notifications of a range from `number` on, until so many bytes were read; of the last one perhaps only the
    /// beginning of its body. Those that are gone are left out.
    func page(
        of range: NotificationRange, from number: UInt64, atMost bytes: Int
    ) async throws(StoreFailure) -> [NotificationPiece]

    /// Reads bytes of a notification's body, which has `bodyBytes` in all; `nil` where the notification is gone.
    func body(
        of range: NotificationRange, at number: UInt64, bytes: Range<Int>, of bodyBytes: Int
    ) async throws(StoreFailure) -> [UInt8]?

    /// Keeps what was collected readable for two more minutes, from `number` on, while a client is still reading it.
    /// - Returns: the range under which to ask again; `nil` where it is gone.
    func keepCollected(
        _ range: NotificationRange, from number: UInt64, at moment: Moment
    ) async throws(StoreFailure) -> NotificationRange?

    /// Whether `look` would show something, or would find no endpoint: for each endpoint, behind a number.
    func hasNews(
        at endpoints: [(id: Endpoint.ID, after: UInt64)], at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> [Bool]

    /// Drops what waits up to and with `number`; false where there is no such endpoint.
    func acknowledge(
        through number: UInt64, at id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Bool

    /// Changes an endpoint; false where there is none.
    func configure(
        _ id: Endpoint.ID, _ configuration: Configuration, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Bool

    /// Removes an endpoint and all it keeps; false where there was none.
    func delete(_ id: Endpoint.ID) async throws(StoreFailure) -> Bool

    /// Adds one to a shared counter. It is not worth failing for: where it cannot be kept now, it is kept later.
    func count(_ event: CaptureEvent)

    /// The shared counters, and the newest endpoints in the order they were created.
    func overview(newest limit: Int) async throws(StoreFailure) -> Overview

    /// Removes endpoints that are overdue.
    /// - Parameter limit: the most endpoints to deal with in this one operation.
    /// - Returns: how many it dealt with; as many as `limit` means that there may be more.
    func removeOverdue(at moment: Moment, _ limits: CaptureLimits, limit: Int) async throws(StoreFailure) -> Int
}

/// What a client is shown of an endpoint.
package enum Finding: Equatable, Sendable {
    case unknownEndpoint
    case notifications([NumberedNotification])
    /// More than is read at once.
    case long(NotificationRange)
    /// It would be long, which the caller cannot take.
    case tooLong

    /// Bytes of records that are read at once.
    package static let shortBytes = 16 << 10
}

/// Notifications of one endpoint, from `first` up to, without, `end`.
package struct NotificationRange: Equatable, Sendable {
    /// The endpoint's number.
    package let endpoint: UInt64
    package let first: UInt64
    package let end: UInt64
    /// Under which the store remembers that they were collected; `nil` where they were not.
    package let collectedBy: RequestID?

    package init(endpoint: UInt64, first: UInt64, end: UInt64, collectedBy: RequestID? = nil) {
        self.endpoint = endpoint
        self.first = first
        self.end = end
        self.collectedBy = collectedBy
    }
}

/// A notification, or one whose body is only the beginning of what it has.
package struct NotificationPiece: Equatable, Sendable {
    package let numbered: NumberedNotification
    /// Bytes of the whole body.
    package let bodyBytes: Int

    package init(numbered: NumberedNotification, bodyBytes: Int) {
        self.numbered = numbered
        self.bodyBytes = bodyBytes
    }

    package var isWhole: Bool { numbered.notification.body.count == bodyBytes }
}

package enum Creation: Equatable, Sendable {
    case created(Endpoint.ID)
    case tooMany
    /// There are some places left, for addresses that have fewer endpoints.
    case tooManyOfAddress
}

/// What a client may change of an endpoint.
package struct Configuration: Equatable, Sendable {
    package var isEnabled: Bool
    /// `nil` leaves it as it is.
    package var takesSubpaths: Bool?

    package init(isEnabled: Bool, takesSubpaths: Bool? = nil) {
        self.isEnabled = isEnabled
        self.takesSubpaths = takesSubpaths
    }
}

/// What is counted; the order is that of the stored counters, so new ones go to the end.
package enum CaptureEvent: Int, CaseIterable, Sendable {
    case created, creationRefused
    case collected, collectionRefused
    case received, receptionRefused
    case configured, configurationRefused
    case deleted, deletionRefused

    /// Each kind of request, done and refused.
    static let outcomes: [(CaptureEvent, CaptureEvent)] = [
        (.created, .creationRefused), (.collected, .collectionRefused), (.received, .receptionRefused),
        (.configured, .configurationRefused), (.deleted, .deletionRefused),
    ]
}

package struct CaptureCounters: Equatable, Sendable {
    private var values = [UInt64](repeating: 0, count: CaptureEvent.allCases.count)

    package init() {}

    package subscript(event: CaptureEvent) -> UInt64 {
        get { values[event.rawValue] }
        set { values[event.rawValue] = newValue }
    }

    /// Counts all that was done as refused instead.
    package mutating func refuse() {
        for (done, refused) in CaptureEvent.outcomes {
            self[refused] += self[done]
            self[done] = 0
        }
    }

    /// Drops what was counted as done.
    package mutating func forgetDone() {
        for (done, _) in CaptureEvent.outcomes { self[done] = 0 }
    }

    package var isEmpty: Bool { values.allSatisfy { $0 == 0 } }

    package static func + (left: CaptureCounters, right: CaptureCounters) -> CaptureCounters {
        var sum = left
        for event in CaptureEvent.allCases { sum[event] &+= right[event] }
        return sum
    }
}

package struct Overview: Equatable, Sendable {
    package let counters: CaptureCounters
    /// How many endpoints there are.
    package let total: Int
    package let newest: [Endpoint]

    package init(counters: CaptureCounters, total: Int, newest: [Endpoint]) {
        self.counters = counters
        self.total = total
        self.newest = newest
    }
}
