package import Gateway

/// What capture needs of a store. Each operation is whole: it happens or it does not, also when the process dies in it.
///
/// An engine may gather what several requests write; it is kept for good once the engine's own `commit` has returned.
/// Where a request has an id, doing it again with the same id changes nothing and answers the same.
package protocol CaptureStore: AnyObject {
    /// Opens an endpoint under a new id, or says that there are as many as may be.
    func create(
        _ id: Endpoint.ID, for request: RequestID?, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Creation

    /// Keeps a notification for collection.
    func accept(
        _ notification: Notification, at id: Endpoint.ID, for request: RequestID?, at moment: Moment,
        _ limits: CaptureLimits
    ) throws(StoreFailure) -> Acceptance

    /// Hands out all that waits, oldest first, each to one collector only; `nil` where there is no such endpoint.
    func collect(
        from id: Endpoint.ID, for request: RequestID?, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> [NumberedNotification]?

    /// Shows what waits after `number`, oldest first, and leaves it there; `nil` where there is no such endpoint. It may be
    /// less than there is, but never nothing where there is something.
    ///
    /// Looking is using: it puts off the end of an idle endpoint, to the second.
    func look(
        at id: Endpoint.ID, after number: UInt64, limit: Int, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> [NumberedNotification]?

    /// Whether `look` would show something, or would find no endpoint.
    func hasNews(
        at id: Endpoint.ID, after number: UInt64, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Bool

    /// Drops what waits up to and with `number`; false where there is no such endpoint.
    func acknowledge(
        through number: UInt64, at id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Bool

    /// Changes an endpoint; false where there is none.
    func configure(
        _ id: Endpoint.ID, _ configuration: Configuration, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Bool

    /// Removes an endpoint and all it keeps; false where there was none.
    func delete(_ id: Endpoint.ID) throws(StoreFailure) -> Bool

    /// Adds one to a shared counter. It is not worth failing for: where it cannot be kept now, it is kept later.
    func count(_ event: CaptureEvent)

    /// The shared counters, and the newest endpoints in the order they were created.
    func overview(newest limit: Int) throws(StoreFailure) -> Overview

    /// Removes endpoints that are overdue.
    /// - Parameter limit: the most endpoints to deal with in this one operation.
    /// - Returns: how many it dealt with; as many as `limit` means that there may be more.
    func removeOverdue(at moment: Moment, _ limits: CaptureLimits, limit: Int) throws(StoreFailure) -> Int
}

package enum Creation: Equatable, Sendable {
    case created(Endpoint.ID)
    case tooMany
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
