package import Values

/// The operations by which the worker makes the calls that confirm subscriptions.
package protocol ConfirmationStore: AnyObject {
    /// When the next call is due, on the steady clock; `nil` if none is pending.
    func nextConfirmation() async throws(StoreFailure) -> Timestamp?

    /// Takes the confirmation whose call has been due for the longest time; `nil` if none is due.
    func beginConfirmation(
        leaseSeconds: Double, at moment: Moment
    ) async throws(StoreFailure) -> PendingConfirmation?

    /// Writes how a call has ended.
    /// - Returns: the confirmation afterwards; `nil` if its endpoint is gone.
    func conclude(
        _ pending: PendingConfirmation, _ result: ConfirmationResult, at moment: Moment
    ) async throws(StoreFailure) -> Confirmation?
}

/// A confirmation that was taken for a call.
package struct PendingConfirmation: Equatable, Sendable {
    /// The endpoint's number.
    package let endpoint: UInt64
    package let confirmation: Confirmation

    package init(endpoint: UInt64, confirmation: Confirmation) {
        self.endpoint = endpoint
        self.confirmation = confirmation
    }
}

/// The bounds of confirmations. Anyone who knows the URL of an endpoint can ask for some.
package enum ConfirmationLimits {
    /// The most that are pending at one endpoint, and in all.
    package static let pendingPerEndpoint = 20
    package static let pending = 200
    /// The most that an endpoint keeps. The oldest ones that are not pending are dropped.
    package static let perEndpoint = 100
    /// The shortest time between the beginnings of two calls, of all endpoints together.
    package static let secondsBetweenCalls = 0.5
    package static let callsInFlight = 4
}
