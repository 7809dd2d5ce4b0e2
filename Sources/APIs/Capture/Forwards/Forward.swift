package import Delivery
internal import HTTP
package import Values

/// The duty to send a notification on to one URL, and how far that has come.
package struct Forward: Equatable, Sendable {
    package enum State: String, CaseIterable, Sendable {
        case pending, delivered, failed
    }

    /// Numbers the forwards of an endpoint, from 1 on; never used twice.
    package let number: UInt64
    /// The number of the notification in its endpoint.
    package let notification: UInt64
    package let url: String
    /// Whether the endpoint's settings ask for it. Such a forward is tried again if it fails.
    package let isStanding: Bool
    /// The numbers of the forwards that were begun together, of the same notification. They share its content.
    package let group: Range<UInt64>
    /// By the time of day.
    package let created: Timestamp
    package var state = State.pending
    /// How many attempts were begun.
    package var attempts: UInt32 = 0
    /// While it is pending: when the next attempt may begin. On the steady clock.
    package var due: Timestamp
    /// Whether an attempt has begun whose end is not known.
    package var isBegun = false
    /// The last attempt that has ended, or why there was none.
    package var last: ForwardResult?

    package init(
        number: UInt64, notification: UInt64, url: String, isStanding: Bool, group: Range<UInt64>, created: Timestamp,
        due: Timestamp
    ) {
        self.number = number
        self.notification = notification
        self.url = url
        self.isStanding = isStanding
        self.group = group
        self.created = created
        self.due = due
    }

    /// When the next attempt may begin if it has not begun; on the steady clock.
    package var nextAttempt: Timestamp? { state == .pending && !isBegun ? due : nil }

    /// Takes it for an attempt. Nobody else may make one before the lease is over.
    package mutating func begin(leaseSeconds: Double, at moment: Moment) {
        attempts += 1
        isBegun = true
        due = moment.steady.adding(seconds: leaseSeconds)
    }

    /// Notes how an attempt has ended.
    /// - Parameters:
    ///   - policy: when a standing forward is tried again. Others are not.
    ///   - jitter: from 0 to 1.
    package mutating func conclude(_ result: ForwardResult, _ policy: RetryPolicy, jitter: Double, at moment: Moment) {
        isBegun = false
        last = result
        guard let failure = result.failure else {
            state = .delivered
            return
        }
        let wait =
            isStanding && failure.kind != .unavailable
            ? policy.wait(
                after: Int(attempts), asked: result.retryAfter,
                isOverloaded: result.status == 429 || failure.kind == .timeout, jitter: jitter) : nil
        if let wait {
            due = moment.steady.adding(seconds: wait)
        } else {
            state = .failed
        }
    }

    /// Ends it without another attempt.
    package mutating func giveUp(_ reason: String, at moment: Moment) {
        isBegun = false
        state = .failed
        let status = last?.status
        last = ForwardResult(failure: Attempt.Failure(kind: .unavailable, text: reason), at: moment.wall)
        last?.status = status
    }
}

/// How an attempt to forward a notification has ended.
package struct ForwardResult: Equatable, Sendable {
    /// The status of the response; `nil` if there was none.
    package var status: Int?
    /// `nil` if the target has accepted the request.
    package var failure: Attempt.Failure?
    package var milliseconds: UInt64
    /// The beginning of the response's body as text.
    package var response: [UInt8]
    /// By the time of day.
    package var at: Timestamp
    /// How many seconds the target asks to wait (Retry-After). It is not stored.
    package var retryAfter: Double?

    /// How much of a response is kept.
    package static let responseBytes = 512
    private static let errorBytes = 300

    package init(
        status: Int? = nil, failure: Attempt.Failure? = nil, milliseconds: UInt64 = 0, response: [UInt8] = [],
        at: Timestamp, retryAfter: Double? = nil
    ) {
        self.status = status
        self.failure = failure.map { failure in
            Attempt.Failure(
                kind: failure.kind, text: failure.text.prefix(utf8Bytes: Self.errorBytes))
        }
        self.milliseconds = milliseconds
        self.response = response
        self.at = at
        self.retryAfter = retryAfter
    }
}

/// The URLs of an endpoint's standing forwards, and its backlog.
package struct Forwarding: Equatable, Sendable {
    /// Where each notification that is accepted is sent on to.
    package var urls: [String] = []
    /// The number of the next forward.
    package var next: UInt64 = 1
    /// How many forwards are pending, and the bytes of the notifications that they keep.
    package var pending: UInt64 = 0
    package var bytes: UInt64 = 0
    /// How many forwards are stored, with those that are pending.
    package var count: UInt64 = 0
    /// How many forwards were not begun because the backlog was full.
    package var missed: UInt64 = 0

    package init() {}
}

/// The bounds of forwards.
package enum ForwardLimits {
    /// The most that are pending at one endpoint. The notifications that they keep may have as many bytes as those that
    /// wait at an endpoint (`CaptureLimits.bytesPerEndpoint`).
    package static let pendingPerEndpoint = 1000
    /// How many of an endpoint's forwards that are over stay stored.
    package static let finishedPerEndpoint = 500
    /// The most notifications, and URLs, of one request; and the most URLs of an endpoint's settings.
    package static let notifications = 100
    package static let urls = 10
    /// The most bytes of the notifications of one request, if they are several: they are copied in one transaction.
    package static let requestBytes = 8 << 20
    package static let urlBytes = 2048
    /// How often a request may have been forwarded before. This ends loops.
    package static let hops = 3
}
