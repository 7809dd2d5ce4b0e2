internal import CaptureRules
internal import JSON

/// What an endpoint answers to senders, and how it checks their signatures, as a store keeps it: `ReceiverSettings`, and how
/// far its rules have come.
package struct StoredReceiver: Equatable, Sendable {
    /// Another number after each change.
    package let version: UInt64
    /// JSON, with masks instead of secrets.
    package let settings: [UInt8]
    /// `nil` if there are none.
    package let sealedSecrets: [UInt8]?
    /// For each rule with a sequence, the position of its next answer; 0 if it is not there.
    package let positions: [Int: Int]

    package init(version: UInt64, settings: [UInt8], sealedSecrets: [UInt8]?, positions: [Int: Int]) {
        self.version = version
        self.settings = settings
        self.sealedSecrets = sealedSecrets
        self.positions = positions
    }
}

/// A change of an endpoint's receiver, which is made if it still is what the change was made from.
package struct ReceiverChange: Equatable, Sendable {
    /// The version of the receiver that the change was made from; `nil` if there was none.
    package let base: UInt64?
    /// `nil`: there is none any longer.
    package let receiver: StoredReceiver?
    /// Whether confirmations that are pending are given up.
    package let endsConfirmations: Bool

    package init(base: UInt64?, receiver: StoredReceiver?, endsConfirmations: Bool = false) {
        self.base = base
        self.receiver = receiver
        self.endsConfirmations = endsConfirmations
    }
}

/// What the sender of a notification was answered, and the verdict on its signature.
package struct SenderOutcome: Equatable, Sendable {
    /// What has answered, as clients see it; `nil`: the endpoint, as usual.
    package let answeredBy: String?
    package let status: Int
    /// JSON; `nil` if the endpoint checks no signatures.
    package let verdict: [UInt8]?
    /// `nil` if the notification does not ask for a confirmation.
    package var confirmation: ConfirmationReference?

    package init(
        answeredBy: String?, status: Int, verdict: [UInt8]?, confirmation: ConfirmationReference? = nil
    ) {
        self.answeredBy = answeredBy
        self.status = status
        self.verdict = verdict
        self.confirmation = confirmation
    }
}

extension SenderOutcome {
    init(_ outcome: ReceiverOutcome) {
        self.init(
            answeredBy: outcome.answerer?.description, status: outcome.answer?.status ?? 200,
            verdict: outcome.verdict.map { verdict in valueJSON { json in verdict.write(to: &json) } })
        if outcome.answerer == .recipe(.sns) {
            confirmation = outcome.confirmation.map { .to($0.id) } ?? .refusedURL
        }
    }
}
