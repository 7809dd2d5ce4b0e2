internal import Delivery
internal import HTTP
internal import StandardWebhooks
internal import Values

/// Applies a client's input to a webhook. Secrets are sealed; where the input has a mask, the stored value stays.
struct WebhookChange {
    let input: WebhookInput
    /// A new secret, used if the client asks for one.
    let newSecret: [UInt8]
    let settings: WebhookSettings
    let sealing: Sealing
    let now: Timestamp

    /// A new webhook with the values of the input, and defaults for the rest.
    func webhook(_ id: UUID, in environment: UUID) throws(APIError) -> Webhook {
        var webhook = Webhook(
            id: id, environment: environment, name: "", events: [],
            destination: Destination(
                number: 0, url: "", policy: .fixed,
                limits: DestinationLimits(inFlight: settings.inFlight)),
            created: now, updated: now)
        try apply(to: &webhook)
        return webhook
    }

    func apply(to webhook: inout Webhook) throws(APIError) {
        let headers = try headers(of: webhook)
        let secret = try secret(of: webhook)
        apply(input.name, default: "", to: &webhook.name)
        apply(input.events, default: [], to: &webhook.events)
        apply(input.description.optional, default: nil, to: &webhook.description)
        apply(input.url, default: "", to: &webhook.destination.url)
        apply(input.method, default: "POST", to: &webhook.destination.method)
        apply(input.rate.optional, default: nil, to: &webhook.destination.limits.rate)
        apply(input.isOrdered, default: false, to: &webhook.destination.limits.isOrdered)
        apply(input.policy, default: .fixed, to: &webhook.destination.policy)
        disable(&webhook.destination)
        if let headers {
            webhook.headerNames = headers.map(\.name)
            webhook.destination.sealedHeaders =
                headers.isEmpty ? nil : sealing.seal(HeaderField.lines(headers), .headers)
        }
        if let secret { webhook.destination.sealedSecret = secret.map { sealing.seal($0, .secret) } }
        webhook.updated = now
    }

    private func apply<Value>(_ change: Change<Value>, default value: Value, to property: inout Value) {
        switch change {
        case .keep: break
        case .reset: property = value
        case .set(let new): property = new
        }
    }

    /// If the client only sends back the time that it was shown, the reason stays.
    private func disable(_ destination: inout Destination) {
        var until = destination.disabledUntil
        apply(input.disabledUntil.optional, default: nil, to: &until)
        guard until?.rfc3339 != destination.disabledUntil?.rfc3339 else { return }
        destination.disabledUntil = until
        destination.disabledReason = nil
    }

    /// The new headers; `nil`: unchanged.
    private func headers(of webhook: Webhook) throws(APIError) -> [HeaderField]? {
        let wanted: [HeaderInput]
        switch input.headers {
        case .keep: return nil
        case .reset: return []
        case .set(let headers): wanted = headers
        }
        let kept = wanted.contains { $0.value == nil } ? try keptHeaders(of: webhook) : []
        var fields: [HeaderField] = []
        var faults: [InputFault] = []
        for header in wanted {
            let name = header.name.lowercased()
            if let value = header.value ?? kept.first(where: { $0.name.lowercased() == name })?.value {
                fields.append(HeaderField(name: header.name, value: value))
            } else {
                let reason = "\"\(HeaderRules.mask)\" means the stored value, but no value is stored"
                faults.append(
                    InputFault(code: .badHeaders, path: "custom_headers.\(shown(header.name))", reason: reason))
            }
        }
        if !faults.isEmpty { throw APIError(faults) }
        return fields
    }

    private func keptHeaders(of webhook: Webhook) throws(APIError) -> [HeaderField] {
        guard let sealed = webhook.destination.sealedHeaders else { return [] }
        guard let fields = sealing.open(sealed, .headers).flatMap({ HeaderField.fields(lines: $0) }) else {
            throw APIError(
                .failure, "The stored custom headers cannot be decrypted.",
                internalMessage: "the headers of webhook \(webhook.id) were encrypted with another secret")
        }
        return fields
    }

    /// The new secret; `nil`: unchanged; `.some(nil)`: none.
    private func secret(of webhook: Webhook) throws(APIError) -> [UInt8]?? {
        switch input.secret {
        case .keep: return nil
        case .reset: return .some(nil)
        case .set(.make): return newSecret
        case .set(.given(let key)): return key
        case .set(.same):
            guard webhook.destination.sealedSecret == nil else { return nil }
            let reason = "\"\(WebhookSecret.mask)\" means the stored secret, but no secret is stored"
            throw APIError([InputFault(code: .validation, path: "secret", reason: reason)])
        }
    }
}

extension Change {
    /// The same change, for an optional property.
    fileprivate var optional: Change<Value?> {
        switch self {
        case .keep: .keep
        case .reset: .reset
        case .set(let value): .set(value)
        }
    }
}
