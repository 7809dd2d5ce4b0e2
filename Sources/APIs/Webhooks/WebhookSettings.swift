/// What an operator has decided about webhooks.
package struct WebhookSettings: Equatable, Sendable {
    /// Whether a signature, or its time, may be in the header of that name.
    package static func mayHaveSignature(_ name: String) -> Bool { HeaderRules.mayHaveSignature(name) }

    /// How many an environment may have.
    package var webhooksPerEnvironment = 100
    /// Of a webhook, an event or settings in a request's body.
    package var maximumInputBytes = 256 << 10
    /// Attempts at a time to one webhook.
    package var inFlight = 16
    package var signatureHeader = "X-3dverse-Signature"
    package var signatureTimestampHeader = "X-3dverse-Signature-Timestamp"
    /// How long a key is shown before it signs, and after it has.
    package var rotationSeconds = 86_400.0
    /// How long what was sent is kept.
    package var retentionSeconds = 30 * 86_400.0
    /// How many deliveries one request recovers.
    package var recoverLimit = 1000
    /// Clients see what is meant for operators.
    package var isDebugging = false

    package init() {}
}
