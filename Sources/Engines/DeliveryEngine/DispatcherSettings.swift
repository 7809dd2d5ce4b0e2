package import Delivery

/// How deliveries are made.
package struct DispatcherSettings: Equatable, Sendable {
    /// Attempts at a time, to all destinations together; one with a large body counts for several (`Parcel.slots`).
    package var inFlight = 512
    /// Attempts beyond them, for owners that have few (`AttemptRoom`).
    package var reserve = 64
    /// The part of them that may be to destinations somebody must agree for, where there is somebody to ask.
    package var approvalShare = 0.5
    /// Of one request, from the name's resolution to the last byte of the response. An attempt makes up to three: for
    /// consent, for approval, and the call.
    package var timeoutSeconds = 10.0
    package var connectTimeoutSeconds = 3.0
    /// Of the response's body: what the log keeps, and what is read.
    package var keptBytes = 16 << 10
    package var readBytes = 128 << 10
    package var policies = RetryPolicies()
    /// Whether 410 disables a destination.
    package var disablesOnGone = true
    package var headers = CallHeaders()
    /// How long the key before the one that signs is still of use.
    package var overlapSeconds = 86400.0
    /// Where to ask for the agreement that destinations need; `nil`: nobody is asked.
    package var approvalURL: String?
    /// A running attempt belongs to its worker for so much longer than each of its requests may take.
    package var leaseMarginSeconds = 15.0

    /// - Parameter userAgent: how calls name their sender.
    package init(userAgent: String = "Postroom") { headers.userAgent = userAgent }

    /// While nothing is being made.
    var room: AttemptRoom {
        let part = Int((Double(inFlight) * approvalShare).rounded(.up))
        return AttemptRoom(inFlight, needingApproval: approvalURL == nil ? nil : part, reserve: reserve)
    }
}
