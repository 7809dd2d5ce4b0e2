package import Delivery
package import HTTP
package import Values

/// The operations by which clients have notifications sent on.
package protocol ForwardRequestStore: AnyObject {
    /// Begins to send notifications of an endpoint on to URLs: all of them, or none.
    func forward(
        _ notifications: [UInt64], to urls: [String], at id: Endpoint.ID, for request: RequestID?, at moment: Moment,
        _ limits: CaptureLimits
    ) async throws(StoreFailure) -> ForwardBeginning

    /// Forwards of an endpoint with lower numbers than `before`, newest first: some of those that are asked for, but at least
    /// one if there are any. `nil` if the endpoint does not exist.
    func forwards(
        at id: Endpoint.ID, before: UInt64, limit: Int, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> (forwards: [Forward], forwarding: Forwarding)?

    /// The URLs of an endpoint's standing forwards, and its backlog; `nil` if the endpoint does not exist.
    func forwarding(
        of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Forwarding?
}

/// What became of a request to forward notifications.
package enum ForwardBeginning: Equatable, Sendable {
    /// In the order of the notifications, and of the URLs for each.
    case begun([Forward])
    case unknownEndpoint
    /// There are no such notifications, or they were collected.
    case unknownNotifications([UInt64])
    case damagedNotifications([UInt64])
    /// The notifications have so many bytes together, more than one request may forward.
    case tooLong(Int)
    /// Too many forwards are pending, or they keep too many bytes.
    case full(Forwarding)
}

/// The operations by which the worker sends notifications on.
package protocol ForwardStore: AnyObject {
    /// The first time after `now` at which an attempt becomes due, on the steady clock; `nil` if there is none.
    func nextForward(after now: Timestamp) async throws(StoreFailure) -> Timestamp?

    /// Takes forwards whose attempts are due, as far as there is room. Writes nothing if there are none.
    /// - Parameters:
    ///   - position: where the last look has ended; `nil`: begin with those that are due longest.
    ///   - limit: the most that are taken.
    func beginForwards(
        _ room: ForwardRoom, from position: ForwardPosition?, limit: Int, leaseSeconds: Double, at moment: Moment
    ) async throws(StoreFailure) -> ForwardStarts

    /// Writes how an attempt has ended.
    /// - Returns: the forward afterwards; `nil` if it is gone, or if it is over, or another attempt has begun meanwhile.
    func conclude(
        _ pending: PendingForward, _ result: ForwardResult, _ policy: RetryPolicy, jitter: Double, at moment: Moment
    ) async throws(StoreFailure) -> Forward?

    /// Makes all forwards in flight due at once. For a worker that knows that no other worker is alive.
    /// - Parameter leaseSeconds: the length of a lease.
    /// - Returns: the number of those forwards.
    func endForwardLeases(longest leaseSeconds: Double, at moment: Moment) async throws(StoreFailure) -> Int

    func forwardMetrics() async throws(StoreFailure) -> ForwardMetrics
}

/// Where a look for due forwards has ended.
package struct ForwardPosition: Equatable, Sendable {
    package let due: Timestamp
    package let lane: ForwardLane

    package init(due: Timestamp, lane: ForwardLane) {
        self.due = due
        self.lane = lane
    }
}

/// Forwards that were taken for attempts.
package struct ForwardStarts: Equatable, Sendable {
    package var begun: [PendingForward] = []
    /// Where the next look goes on; `nil` if this one has reached the end of those that are due.
    package var position: ForwardPosition?

    package init() {}
}

/// A forward that was taken for an attempt.
package struct PendingForward: Equatable, Sendable {
    package let target: ForwardTarget
    package let forward: Forward
    /// The slots that the attempt takes.
    package let slots: Int
    /// `nil` if the content is damaged.
    package let notification: Notification?

    package init(target: ForwardTarget, forward: Forward, slots: Int, notification: Notification?) {
        self.target = target
        self.forward = forward
        self.slots = slots
        self.notification = notification
    }
}

/// Counts of forwards since the store was created.
package struct ForwardMetrics: Equatable, Sendable {
    /// Attempts by outcome: index 0 for success, else the raw value of the error's kind.
    package var attempts = [UInt64](repeating: 0, count: 1 + Int(Attempt.ErrorKind.allCases.map(\.rawValue).max() ?? 0))
    /// Forwards that were not begun because a backlog was full.
    package var missed: UInt64 = 0
    /// Those that are pending now. This is not stored.
    package var pending = 0

    package init() {}
}
