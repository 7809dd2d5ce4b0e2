package import Delivery

/// How deliveries are made.
package struct DispatcherSettings: Equatable, Sendable {
    /// Slots for attempts in flight, to all destinations together. An attempt with a large body takes several
    /// (`Payload.slots`).
    package var inFlight = 512
    /// Slots beyond `inFlight`, for owners that take few (`AttemptRoom`).
    package var reserve = 64
    /// The part of `inFlight`, from 0 to 1, for attempts that need approval. Without `approvalURL` it has no effect.
    package var approvalShare = 0.5
    /// The time limit of one request, from the name's resolution to the last byte of the response. An attempt makes up to
    /// three requests: for consent, for approval, and the call.
    package var timeoutSeconds = 10.0
    package var connectTimeoutSeconds = 3.0
    /// How many bytes of the response's body the log keeps, and how many are read.
    package var keptBytes = 16 << 10
    package var readBytes = 128 << 10
    package var policies = RetryPolicies()
    /// Whether the status 410 disables a destination.
    package var disablesOnGone = true
    package var headers = CallHeaders()
    /// How long the previous signing key still signs beside its successor.
    package var overlapSeconds = 86400.0
    /// The URL of the policy service, to which a destination's `approvalPath` is appended. With `nil`, no approval is asked
    /// for.
    package var approvalURL: String?
    /// Added to `timeoutSeconds` to get the lease for each request of an attempt.
    package var leaseMarginSeconds = 15.0

    /// - Parameter userAgent: the `User-Agent` of calls.
    package init(userAgent: String = "Postroom") { headers.userAgent = userAgent }

    /// The room while no attempt is in flight.
    var room: AttemptRoom {
        let part = Int((Double(inFlight) * approvalShare).rounded(.up))
        return AttemptRoom(inFlight, needingApproval: approvalURL == nil ? nil : part, reserve: reserve)
    }
}
