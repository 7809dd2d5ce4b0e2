internal import Delivery
internal import Encodings
internal import HTTP
internal import JSON
internal import StandardWebhooks
internal import Values

extension Webhook {
    /// Writes the documented members and the newer ones; optional members without a value are left out.
    /// - Parameter secret: the secret itself, for the client that has just set it; other answers only show that it exists.
    func write(to json: inout JSONWriter, secret: [UInt8]? = nil) {
        json.object { json in
            json.member("webhook_id", id.description)
            json.member("environment_id", environment.description)
            json.member("name", name)
            json.member("url", destination.url)
            json.member("events", events)
            json.member("method", destination.method.lowercased())
            if let description { json.member("description", description) }
            if let until = destination.disabledUntil { json.member("disabled_until", until.rfc3339) }
            if let reason = destination.disabledReason { json.member("disabled_reason", reason) }
            if !headerNames.isEmpty {
                json.member("custom_headers") { json in
                    for name in headerNames { json.member(name, HeaderRules.mask) }
                }
            }
            json.name("retry_policy")
            write(destination.policy, to: &json)
            if let rate = destination.limits.rate { json.member("rate_limit", JSON(rate)) }
            json.member("ordered", destination.limits.isOrdered)
            if destination.sealedSecret != nil {
                json.member("secret", secret.flatMap { WebhookSecret(bytes: $0)?.text } ?? WebhookSecret.mask)
            }
            json.member("created_at", created.rfc3339)
            json.member("updated_at", updated.rfc3339)
            if let lastTriggered {
                json.member("last_triggered") { lastTriggered.writeMembers(to: &$0, asError: false) }
            }
            if let lastErrored { json.member("last_errored") { lastErrored.writeMembers(to: &$0, asError: true) } }
        }
    }

    private func write(_ policy: RetryChoice, to json: inout JSONWriter) {
        switch policy {
        case .fixed, .own(.fixed): json.string("fixed")
        case .standard: json.string("standard")
        case .events: json.string("events")
        case .own(.schedule(let waits)): json.array(of: waits) { json, wait in json.string(GoDuration.text(wait)) }
        }
    }
}

extension JSON {
    /// A number, with a fraction only if it is not whole.
    fileprivate init(_ number: Double) { self = .number(Int(exactly: number).map { String($0) } ?? String(number)) }
}

extension AttemptSummary {
    fileprivate func writeMembers(to json: inout JSONWriter, asError: Bool) {
        json.member("log_id", logID)
        json.member("event", event)
        json.member("event_id", eventID)
        json.member("triggered_at", triggeredAt.rfc3339)
        json.member("attempt", attempt)
        json.member("status_code", orNull: status)
        json.member("duration_ms", durationMilliseconds)
        if asError {
            json.member("errored_at", triggeredAt.adding(seconds: Double(durationMilliseconds) / 1000).rfc3339)
            json.member("error", orNull: failure?.text)
            json.member("error_kind", orNull: failure?.kind.word)
        }
    }
}

extension LogEntry {
    func write(to json: inout JSONWriter) {
        let outcome = line.outcome
        let hasResponse = outcome.status != nil
        json.object { json in
            json.member("log_id", line.id)
            json.member("webhook_id", webhook.description)
            json.member("environment_id", environment.description)
            json.member("event", line.event)
            json.member("event_id", line.eventID)
            json.member("attempt", line.attempt)
            json.member("trigger", line.trigger.word)
            json.member("method", line.method.lowercased())
            json.member("url", line.url)
            json.name("request_headers")
            json.headers(outcome.requestHeaders)
            json.member("request_body", orNull: requestBody)
            json.member("status_code", orNull: outcome.status)
            json.name("response_headers")
            if hasResponse { json.headers(outcome.responseHeaders) } else { json.null() }
            let text = hasResponse ? outcome.responseText : nil
            json.member("response_body", orNull: text)
            // If the text is not identical to the bytes, the bytes are included too.
            if let text, text != outcome.responseBody || !isUTF8(text) {
                json.member("response_body_base64", Base64.standard.encode(outcome.responseBody))
            }
            json.member("response_truncated", outcome.isResponseTruncated)
            json.member("error_kind", orNull: outcome.failure?.kind.word)
            json.member("error", orNull: outcome.failure?.text)
            json.member("duration_ms", outcome.durationMilliseconds)
            json.member("triggered_at", outcome.triggeredAt.rfc3339)
            json.member("next_retry_at", orNull: line.nextRetryAt?.rfc3339)
            json.member("final", line.isFinal)
        }
    }
}

extension JSONWriter {
    /// An object of names and values; the values of repeated fields are joined by a comma (RFC 9110, section 5.3).
    fileprivate mutating func headers(_ fields: [HeaderField]) {
        var names: [String] = []
        var values: [String: String] = [:]
        for field in fields {
            let key = field.name.lowercased()
            if let before = values[key] {
                values[key] = "\(before), \(field.value)"
            } else {
                names.append(field.name)
                values[key] = field.value
            }
        }
        object { json in
            for name in names { json.member(name, values[name.lowercased()] ?? "") }
        }
    }
}

extension WebhookStatistics {
    func writeMembers(to json: inout JSONWriter, at moment: Moment) {
        let isOpen = health.opensAt.map { moment.steady < $0 } ?? false
        json.member("pending", pending)
        json.member("delivered", health.delivered)
        json.member("failed_attempts", health.failedAttempts)
        json.member("given_up", health.givenUp)
        json.member("consecutive_failures", health.failuresInRow)
        json.member("failing_since", orNull: health.failingSince.map { moment.wall(at: $0).rfc3339 })
        json.member("circuit", health.opensAt == nil ? "closed" : isOpen ? "open" : "half_open")
        json.member("circuit_probe_at", orNull: isOpen ? health.opensAt.map { moment.wall(at: $0).rfc3339 } : nil)
    }
}
