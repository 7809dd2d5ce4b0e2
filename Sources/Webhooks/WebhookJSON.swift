internal import ContentDecoding
internal import Delivery
internal import Gateway
internal import JSON
internal import WebhookSignatures

extension JSONWriter {
    mutating func member(_ name: StaticString, _ text: String) {
        self.name(name)
        string(text)
    }

    mutating func member(_ name: StaticString, _ time: Timestamp) { member(name, time.rfc3339) }

    mutating func member(_ name: StaticString, _ number: some BinaryInteger) {
        self.name(name)
        integer(number)
    }

    mutating func member(_ name: StaticString, _ value: Bool) {
        self.name(name)
        bool(value)
    }

    /// A number with a fraction, if it has one.
    mutating func member(_ name: StaticString, number: Double) {
        self.name(name)
        value(.number(Int(exactly: number).map { String($0) } ?? String(number)))
    }

    mutating func member(_ name: StaticString, orNull text: String?) {
        self.name(name)
        if let text { string(text) } else { null() }
    }

    mutating func member(_ name: StaticString, orNull time: Timestamp?) { member(name, orNull: time?.rfc3339) }

    mutating func member(_ name: StaticString, orNull number: Int?) {
        self.name(name)
        if let number { integer(number) } else { null() }
    }
}

extension Webhook {
    /// The documented members and our own; those that need not be there are left out where they are not.
    /// - Parameter secret: the key itself, for the client that has just set it; others see that there is one.
    func write(to json: inout JSONWriter, secret: [UInt8]? = nil) {
        json.beginObject()
        json.member("webhook_id", id.description)
        json.member("environment_id", environment.description)
        json.member("name", name)
        json.member("url", destination.url)
        json.name("events")
        json.beginArray()
        for event in events { json.string(event) }
        json.endArray()
        json.member("method", destination.method.lowercased())
        if let description { json.member("description", description) }
        if let until = destination.disabledUntil { json.member("disabled_until", until) }
        if let reason = destination.disabledReason { json.member("disabled_reason", reason) }
        if !headerNames.isEmpty {
            json.name("custom_headers")
            json.beginObject()
            for name in headerNames {
                json.name(name)
                json.string(HeaderRules.mask)
            }
            json.endObject()
        }
        json.name("retry_policy")
        write(destination.policy, to: &json)
        if let rate = destination.limits.rate { json.member("rate_limit", number: rate) }
        json.member("ordered", destination.limits.isOrdered)
        if destination.sealedSecret != nil {
            json.member("secret", secret.flatMap { WebhookSecret(bytes: $0)?.text } ?? WebhookSecret.mask)
        }
        json.member("created_at", created)
        json.member("updated_at", updated)
        if let lastTriggered {
            json.name("last_triggered")
            lastTriggered.write(to: &json, asError: false)
        }
        if let lastErrored {
            json.name("last_errored")
            lastErrored.write(to: &json, asError: true)
        }
        json.endObject()
    }

    private func write(_ policy: RetryChoice, to json: inout JSONWriter) {
        switch policy {
        case .fixed, .own(.fixed): json.string("fixed")
        case .standard: json.string("standard")
        case .events: json.string("events")
        case .own(.schedule(let waits)):
            json.beginArray()
            for wait in waits { json.string(GoDuration.text(wait)) }
            json.endArray()
        }
    }
}

extension AttemptSummary {
    func write(to json: inout JSONWriter, asError: Bool) {
        json.beginObject()
        json.member("log_id", logID)
        json.member("event", event)
        json.member("event_id", eventID)
        json.member("triggered_at", triggeredAt)
        json.member("attempt", attempt)
        json.member("status_code", orNull: status)
        json.member("duration_ms", durationMilliseconds)
        if asError {
            json.member("errored_at", triggeredAt.adding(seconds: Double(durationMilliseconds) / 1000))
            json.member("error", orNull: failure?.text)
            json.member("error_kind", orNull: failure?.kind.word)
        }
        json.endObject()
    }
}

extension LogEntry {
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("log_id", id)
        json.member("webhook_id", webhook.description)
        json.member("environment_id", environment.description)
        json.member("event", event)
        json.member("event_id", eventID)
        json.member("attempt", attempt)
        json.member("trigger", trigger.word)
        json.member("method", method.lowercased())
        json.member("url", url)
        json.name("request_headers")
        json.headers(outcome.requestHeaders)
        json.name("request_body")
        if let requestBody { json.string(utf8: requestBody) } else { json.null() }
        json.member("status_code", orNull: outcome.status)
        json.name("response_headers")
        let hasResponse = outcome.status != nil
        if hasResponse { json.headers(outcome.responseHeaders) } else { json.null() }
        json.name("response_body")
        if hasResponse { json.string(utf8: outcome.responseBody) } else { json.null() }
        if hasResponse, String(validating: outcome.responseBody, as: UTF8.self) == nil {
            json.member("response_body_base64", Base64.standard.encode(outcome.responseBody))
        }
        json.member("response_truncated", outcome.isResponseTruncated)
        json.member("error_kind", orNull: outcome.failure?.kind.word)
        json.member("error", orNull: outcome.failure?.text)
        json.member("duration_ms", outcome.durationMilliseconds)
        json.member("triggered_at", outcome.triggeredAt)
        json.member("next_retry_at", orNull: nextRetryAt)
        json.member("final", isFinal)
        json.endObject()
    }
}

extension JSONWriter {
    /// An object from names to values, those of repeated fields with a comma between (RFC 9110, section 5.3).
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
        beginObject()
        for name in names {
            self.name(name)
            string(values[name.lowercased()] ?? "")
        }
        endObject()
    }
}

extension WebhookStatistics {
    func write(to json: inout JSONWriter, at moment: Moment) {
        let wall = { (steady: Timestamp) in moment.wall(at: steady) }
        json.beginObject()
        json.member("pending", pending)
        json.member("delivered", health.delivered)
        json.member("failed_attempts", health.failedAttempts)
        json.member("given_up", health.givenUp)
        json.member("consecutive_failures", health.failuresInRow)
        json.member("failing_since", orNull: health.failingSince.map(wall))
        json.member("circuit", health.opensAt == nil ? "closed" : isOpen(at: moment) ? "open" : "half_open")
        json.member("circuit_probe_at", orNull: isOpen(at: moment) ? health.opensAt.map(wall) : nil)
        json.endObject()
    }

    private func isOpen(at moment: Moment) -> Bool { health.opensAt.map { moment.steady < $0 } ?? false }
}

/// An array of objects.
func arrayJSON<Item>(_ items: [Item], reserving count: Int = 0, _ write: (Item, inout JSONWriter) -> Void) -> [UInt8] {
    var json = JSONWriter(reserving: count)
    json.beginArray()
    for item in items { write(item, &json) }
    json.endArray()
    return json.bytes
}

func objectJSON(_ write: (inout JSONWriter) -> Void) -> [UInt8] {
    var json = JSONWriter()
    write(&json)
    return json.bytes
}
