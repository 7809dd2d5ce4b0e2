internal import HTTP
package import Values

extension DestinationHealth {
    /// Counts an attempt that has ended.
    /// - Returns: why its destination must be disabled now; `nil` if it stays enabled.
    package mutating func conclude(
        _ result: DeliveryResult, _ verdict: Verdict, _ policy: RetryPolicy, _ kind: ProtocolKind, at now: Timestamp
    ) -> String? {
        // A refusal or failure before the receiver was called does not count against it.
        let failing = result.attempt.reachedReceiver ? conclude(verdict, policy, kind, at: now) : nil
        return result.disablingReason(verdict, kind, failing: failing)
    }
}

extension DeliveryResult {
    /// Why the destination must be disabled now; `nil` if it stays enabled.
    ///
    /// For a destination of events, the last attempt of a delivery disables it, for the reason of that failure alone. Other
    /// attempts disable a destination if the receiver asks for it, or if it has failed for too long.
    /// - Parameter failing: the reason that follows from the failures so far.
    package func disablingReason(_ verdict: Verdict, _ kind: ProtocolKind, failing: String?) -> String? {
        if kind == .event, verdict == .givenUp, !wish.abortsMessage { return attempt.disablingText(delivery.trigger) }
        guard wish.disables else { return failing }
        return attempt.status == 410 ? "the receiver answered 410 Gone" : "the receiver asked to be disabled"
    }
}

extension Attempt {
    /// Why a destination of events must be disabled once a delivery is given up; `nil` if it stays enabled.
    ///
    /// A response of the receiver or of the policy service is quoted as it came; one without a body is described.
    package func disablingText(_ trigger: Trigger) -> String? {
        guard let failure, trigger != .manual, trigger != .test else { return nil }
        switch failure.kind {
        case .disabled, .unavailable, .withheld: return nil
        case .approval:
            guard let approval, let status = approval.status, status >= 500 else { return nil }
            return approval.body.isEmpty ? failure.text : String(decoding: approval.body, as: UTF8.self)
        case .status: return responseText.isEmpty ? failure.text : String(decoding: responseText, as: UTF8.self)
        default: return failure.text
        }
    }
}
