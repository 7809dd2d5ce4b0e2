internal import Delivery
internal import HTTP
internal import JSON
internal import Values

extension EventHistory {
    /// - Parameters:
    ///   - user: whose deliveries are shown.
    ///   - needsApproval: whether the event is shown only if a delivery of it to the user was approved.
    func write(to json: inout JSONWriter, for user: String, needsApproval: Bool) {
        let own = matches.filter { $0.user.utf8.elementsEqual(user.utf8) }
        json.object { json in
            json.member("uuid", id.description)
            json.member("received", receivedAt.naive)
            json.member("state", isWaiting ? "waiting" : "matched")
            json.member("matched", matches.count + otherMatches)
            json.name("event")
            if !needsApproval || own.contains(where: \.wasApproved) { json.value(text: body) } else { json.null() }
            json.member("deliveries", arrayOf: own) { json, match in
                match.write(to: &json, needsApproval: needsApproval)
            }
        }
    }
}

extension EventHistory.Match {
    fileprivate var wasApproved: Bool { attempts.contains(where: \.wasApproved) }

    /// Whether an attempt is still to follow.
    package var isUnderWay: Bool { last.map { !$0.isFinal } ?? true }

    /// The last attempt that decides the state. An attempt that failed after another worker had taken the delivery does not.
    private var last: DeliveryLine? { attempts.last { $0.isFinal || $0.nextRetryAt != nil } }

    /// The state of the delivery.
    package var state: String {
        guard let last else { return "pending" }
        if !last.isFinal { return "retrying" }
        guard let failure = last.outcome.failure else { return "delivered" }
        return failure.kind == .withheld ? "withheld" : "failed"
    }

    fileprivate func write(to json: inout JSONWriter, needsApproval: Bool) {
        json.object { json in
            json.member("eventmatch", subscription.description)
            json.member("state", state)
            json.member("attempts", arrayOf: attempts) { json, attempt in
                attempt.write(to: &json, needsApproval: needsApproval)
            }
        }
    }
}

extension DeliveryLine {
    /// Whether the policy service has approved the attempt, or no approval was needed.
    fileprivate var wasApproved: Bool {
        outcome.approval?.status.map { (200..<300).contains($0) } ?? (outcome.failure == nil)
    }

    /// - Parameter needsApproval: whether to hide the event unless the policy service has approved: both its type and the
    ///   service's answer, which may describe the event.
    func write(to json: inout JSONWriter, needsApproval: Bool) {
        let isShown = !needsApproval || wasApproved
        json.object { json in
            json.member("id", id)
            json.member("event", eventID)
            json.member("type", orNull: isShown ? event : nil)
            json.member("attempt", attempt)
            json.member("trigger", trigger.word)
            json.member("policy_status_code", orNull: outcome.approval?.status)
            json.member("policy_resp_body", orNull: isShown ? outcome.approval?.body : nil)
            json.member("target_status_code", orNull: outcome.status)
            json.member("target_resp_body", orNull: outcome.status == nil ? nil : outcome.responseText)
            json.member("error_kind", orNull: outcome.failure?.kind.word)
            json.member("error", orNull: outcome.failure?.text)
            json.member("duration_ms", outcome.durationMilliseconds)
            json.member("created", outcome.triggeredAt.naive)
            json.member("next_retry", orNull: nextRetryAt?.naive)
            json.member("final", isFinal)
        }
    }
}
