internal import Delivery
internal import Gateway
internal import JSON

extension EventHistory {
    /// - Parameters:
    ///   - user: whose subscriptions are told of.
    ///   - needsApproval: whether the event is shown only to whom it was delivered, or who might have it.
    func write(to json: inout JSONWriter, for user: String, needsApproval: Bool) {
        let own = matches.filter { $0.user.utf8.elementsEqual(user.utf8) }
        json.beginObject()
        json.name("uuid")
        json.string(id.description)
        json.name("received")
        json.string(receivedAt.naive)
        json.name("state")
        json.string(isWaiting ? "waiting" : "matched")
        json.name("matched")
        json.integer(matches.count + otherMatches)
        json.name("event")
        if !needsApproval || own.contains(where: \.wasApproved) { json.value(text: body) } else { json.null() }
        json.name("deliveries")
        json.beginArray()
        for match in own { match.write(to: &json) }
        json.endArray()
        json.endObject()
    }
}

extension EventHistory.Match {
    /// Whether the policy service has agreed, or nobody had to be asked.
    fileprivate var wasApproved: Bool {
        attempts.contains { attempt in
            attempt.outcome.approval?.status.map { (200..<300).contains($0) } ?? (attempt.outcome.failure == nil)
        }
    }

    /// Whether another attempt follows, or the first.
    package var isUnderWay: Bool { attempts.last.map { !$0.isFinal } ?? true }

    /// How the delivery stands.
    package var state: String {
        guard let last = attempts.last else { return "pending" }
        if !last.isFinal { return last.nextRetryAt == nil ? "pending" : "retrying" }
        guard let failure = last.outcome.failure else { return "delivered" }
        return failure.kind == .withheld ? "withheld" : "failed"
    }

    fileprivate func write(to json: inout JSONWriter) {
        json.beginObject()
        json.name("eventmatch")
        json.string(subscription.description)
        json.name("state")
        json.string(state)
        json.name("attempts")
        json.beginArray()
        for attempt in attempts { attempt.write(to: &json) }
        json.endArray()
        json.endObject()
    }
}

extension DeliveryLine {
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.name("id")
        json.integer(id)
        json.name("event")
        json.string(event.description)
        json.name("type")
        json.string(type)
        json.name("attempt")
        json.integer(attempt)
        json.name("trigger")
        json.string(trigger.word)
        json.name("policy_status_code")
        json.optional(outcome.approval?.status)
        json.name("policy_resp_body")
        json.optional(outcome.approval.map { String(decoding: $0.body, as: UTF8.self) })
        json.name("target_status_code")
        json.optional(outcome.status)
        json.name("target_resp_body")
        json.optional(outcome.status.map { _ in String(decoding: outcome.responseBody, as: UTF8.self) })
        json.name("error_kind")
        json.optional(outcome.failure?.kind.word)
        json.name("error")
        json.optional(outcome.failure?.text)
        json.name("duration_ms")
        json.integer(outcome.durationMilliseconds)
        json.name("created")
        json.string(outcome.triggeredAt.naive)
        json.name("next_retry")
        json.optional(nextRetryAt?.naive)
        json.name("final")
        json.bool(isFinal)
        json.endObject()
    }
}

extension JSONWriter {
    mutating func optional(_ number: Int?) {
        if let number { integer(number) } else { null() }
    }
}
