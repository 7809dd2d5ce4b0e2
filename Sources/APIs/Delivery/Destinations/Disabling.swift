internal import HTTP
package import Values

extension DestinationHealth {
    /// Counts an attempt that is over.
    /// - Returns: why its destination is disabled from now on; `nil` where it is not.
    package mutating func conclude(
        _ result: DeliveryResult, _ verdict: Verdict, _ policy: RetryPolicy, _ kind: ProtocolKind, at now: Timestamp
    ) -> String? {
        // What others did not agree to is no fault of the receiver.
        let failing = result.attempt.reachedReceiver ? conclude(verdict, policy, kind, at: now) : nil
        return result.disablingReason(verdict, kind, failing: failing)
    }
}

extension DeliveryResult {
    /// Why the destination is disabled from now on; `nil` where it is not.
    ///
    /// The last attempt to deliver an event disables its destination by what it failed of, and by nothing else; other attempts
    /// do where the receiver asks for it, or has only failed for too long.
    /// - Parameter failing: why by the failures so far.
    package func disablingReason(_ verdict: Verdict, _ kind: ProtocolKind, failing: String?) -> String? {
        if kind == .event, verdict == .givenUp, !wish.abortsMessage { return attempt.disablingText(delivery.trigger) }
        guard wish.disables else { return failing }
        return attempt.status == 410 ? "the receiver answered 410 Gone" : "the receiver asked for it"
    }
}

extension Attempt {
    /// Why a destination of events is to be disabled once a delivery is given up; `nil` where it is not.
    ///
    /// What the receiver, or whoever was asked before it, has said of it stands as it was said.
    package func disablingText(_ trigger: Trigger) -> String? {
        guard let failure, trigger != .manual, trigger != .test else { return nil }
        switch failure.kind {
        case .disabled, .unavailable, .withheld: return nil
        case .approval:
            guard let approval, let status = approval.status, status >= 500 else { return nil }
            return String(decoding: approval.body, as: UTF8.self)
        case .status: return String(decoding: responseText, as: UTF8.self)
        default: return failure.text
        }
    }
}
