package import HTTP
package import Values

/// The operations that capture needs of a store. Each operation is atomic, even if the process dies in the middle.
///
/// An engine may collect the writes of several requests; they last once the engine's own `commit` has returned. A request
/// with an id can be retried: with the same id it changes nothing more and gets the same answer.
package protocol CaptureStore: ForwardRequestStore {
    /// Opens an endpoint under a new id, unless a limit is reached.
    /// - Parameters:
    ///   - id: makes the id from the number of the endpoint.
    ///   - name: the name of the endpoint, of which the id is made then.
    ///   - address: the client's address; limits count an IPv6 network of 64 bits as one address.
    func create(
        _ id: @escaping (UInt64) -> Endpoint.ID, name: String?, for request: RequestID?, from address: String?,
        at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Creation

    /// An endpoint; `nil` if it does not exist.
    func endpoint(
        _ id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Endpoint?

    /// The receiver of an endpoint; `nil` if there is none, or no such endpoint.
    func receiver(
        of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> StoredReceiver?

    /// The receiver of an endpoint that is to be changed, as it is in the open transaction; `nil` if there is none, or no such
    /// endpoint.
    func receiverToChange(
        of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> StoredReceiver?

    /// Stores a notification for collection. If there is no room, and the endpoint is configured so, the oldest ones are
    /// removed.
    /// - Parameter use: the receiver that has judged the notification, and what it is afterwards. If the endpoint has another
    ///   one, the result is `.answers`.
    /// - Parameter confirmation: begun unless it is already pending, or confirmed. If too many are pending, the notification
    ///   says so.
    func accept(
        _ notification: Notification, at id: Endpoint.ID, for request: RequestID?, using use: ReceiverChange?,
        confirming confirmation: Confirmation?, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Acceptance

    /// Keeps a refused request, and drops the oldest ones above the limits. Keeps nothing if the endpoint does not exist, or
    /// if there is no room.
    func keep(
        _ refused: RefusedNotification, at id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure)

    /// Returns refused requests, oldest first: some of those that are asked for, but at least one if there are any; `nil` if the
    /// endpoint does not exist.
    func refused(
        at id: Endpoint.ID, _ position: Position, limit: Int, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> [NumberedRefusal]?

    /// Returns all notifications that wait, oldest first, each to one collector only.
    ///
    /// Notifications returned as `.long` stay in the store, to be read in pieces, until two minutes after the request, or
    /// after the last `keepCollected`.
    /// - Parameter mayBeLong: whether the caller can accept `.long`; if not, nothing is changed and the result is
    ///   `.tooLong`.
    func collect(
        from id: Endpoint.ID, for request: RequestID?, at moment: Moment, _ limits: CaptureLimits, mayBeLong: Bool
    ) async throws(StoreFailure) -> Finding

    /// Returns notifications that wait, oldest first, and leaves them there. It may return only some of those that are asked
    /// for, but at least one if there are any.
    ///
    /// Looking counts as use: it postpones the end of an idle endpoint, to the second.
    func look(
        at id: Endpoint.ID, _ position: Position, limit: Int, at moment: Moment, _ limits: CaptureLimits,
        mayBeLong: Bool
    ) async throws(StoreFailure) -> Finding

    /// Reads the notifications of a range from `number` on, until `bytes` bytes are read; the body of the last one may be
    /// incomplete. Notifications that are gone are left out.
    func page(
        of range: NotificationRange, from number: UInt64, atMost bytes: Int
    ) async throws(StoreFailure) -> [NotificationPiece]

    /// Reads bytes of a notification's body, which has `bodyBytes` in all; `nil` if the notification is gone.
    func body(
        of range: NotificationRange, at number: UInt64, bytes: Range<Int>, of bodyBytes: Int
    ) async throws(StoreFailure) -> [UInt8]?

    /// Keeps collected notifications readable for two more minutes, from `number` on, while a client is still reading them.
    /// - Returns: the range for the next call; `nil` if it is gone.
    func keepCollected(
        _ range: NotificationRange, from number: UInt64, at moment: Moment
    ) async throws(StoreFailure) -> NotificationRange?

    /// For each endpoint and number: whether a `look` after the number would return notifications, or would not find the
    /// endpoint.
    func hasNews(
        at endpoints: [(id: Endpoint.ID, after: UInt64)], at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> [Bool]

    /// Removes the notifications up to and including `number`; false if there is no such endpoint.
    func acknowledge(
        through number: UInt64, at id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Bool

    /// Changes an endpoint; false if it does not exist. Throws `rolledBack` if its receiver is not what the change was made
    /// from.
    func configure(
        _ id: Endpoint.ID, _ configuration: Configuration, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Bool

    /// Removes an endpoint and its notifications; false if it did not exist.
    func delete(_ id: Endpoint.ID) async throws(StoreFailure) -> Bool

    /// Increments a shared counter. It never fails: if the counter cannot be stored now, it is stored later.
    func count(_ event: CaptureEvent)

    /// The shared counters, and the newest endpoints in the order they were created.
    func overview(newest limit: Int) async throws(StoreFailure) -> Overview

    /// Removes endpoints that have been idle or open for too long.
    /// - Parameter limit: the most endpoints to process in this call.
    /// - Returns: how many it processed; if that equals `limit`, there may be more.
    func removeOverdue(at moment: Moment, _ limits: CaptureLimits, limit: Int) async throws(StoreFailure) -> Int
}

extension CaptureStore {
    /// Stores a notification that no receiver has judged.
    package func accept(
        _ notification: Notification, at id: Endpoint.ID, for request: RequestID?, at moment: Moment,
        _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Acceptance {
        try await accept(notification, at: id, for: request, using: nil, confirming: nil, at: moment, limits)
    }
}

/// Which notifications of an endpoint, or requests that it has refused, a client asks for.
package enum Position: Equatable, Sendable {
    /// Those with higher numbers than this one. If they are too many, the newer ones are left out.
    case after(UInt64)
    /// Those with lower numbers than this one. If they are too many, the older ones are left out.
    case before(UInt64)
}

/// The notifications that a client gets from an endpoint.
package enum Finding: Equatable, Sendable {
    case unknownEndpoint
    case notifications([NumberedNotification])
    /// More notifications than are read at once.
    case long(NotificationRange)
    /// The result would be `.long`, which the caller cannot accept.
    case tooLong

    /// The most bytes of records that are read at once.
    package static let shortBytes = 16 << 10
}

/// Notifications of one endpoint, from `first` up to but not including `end`.
package struct NotificationRange: Equatable, Sendable {
    /// The endpoint's number.
    package let endpoint: UInt64
    package let first: UInt64
    package let end: UInt64
    /// The request under which the store remembers that they were collected; `nil` if they were not.
    package let collectedBy: RequestID?

    package init(endpoint: UInt64, first: UInt64, end: UInt64, collectedBy: RequestID? = nil) {
        self.endpoint = endpoint
        self.first = first
        self.end = end
        self.collectedBy = collectedBy
    }
}

/// A notification whose body may be incomplete.
package struct NotificationPiece: Equatable, Sendable {
    package var numbered: NumberedNotification
    /// The length of the whole body.
    package let bodyBytes: Int

    package init(numbered: NumberedNotification, bodyBytes: Int) {
        self.numbered = numbered
        self.bodyBytes = bodyBytes
    }

    /// Whether the body is complete, and not much longer when it is decompressed.
    package var isWhole: Bool {
        let notification = numbered.notification
        return notification.body.count == bodyBytes && notification.reading.decodedBytes <= Finding.shortBytes
    }
}

package enum Creation: Equatable, Sendable {
    case created(Endpoint.ID)
    case tooMany
    /// Only addresses that have fewer endpoints may use the endpoints that are left.
    case tooManyOfAddress
    /// Another endpoint has the name.
    case taken
}

/// The counted events, in the order of the stored counters: add new ones at the end.
package enum CaptureEvent: Int, CaseIterable, Sendable {
    case created, creationRefused
    case collected, collectionRefused
    case received, receptionRefused
    case configured, configurationRefused
    case deleted, deletionRefused

    /// For each kind of request, the counters of successes and of refusals.
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

    /// Counts all successes as refusals instead.
    package mutating func refuse() {
        for (done, refused) in CaptureEvent.outcomes {
            self[refused] += self[done]
            self[done] = 0
        }
    }

    /// Resets the counters of successes.
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
