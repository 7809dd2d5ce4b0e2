/// The operator's settings for webhooks.
package struct WebhookSettings: Equatable, Sendable {
    /// Whether the signature, or its timestamp, may be sent in the header of that name.
    package static func mayHaveSignature(_ name: String) -> Bool { HeaderRules.mayHaveSignature(name) }

    /// The most webhooks that an environment may have.
    package var webhooksPerEnvironment = 100
    /// The size limit of a body with a webhook, an event or settings.
    package var maximumInputBytes = 256 << 10
    /// The most attempts in flight for one webhook.
    package var inFlight = 16
    package var signatureHeader = "X-3dverse-Signature"
    package var signatureTimestampHeader = "X-3dverse-Signature-Timestamp"
    /// How long a key is shown before it signs, and after another key has replaced it.
    package var rotationSeconds = 86_400.0
    /// How long payloads are stored.
    package var retentionSeconds = 30 * 86_400.0
    /// The most deliveries that one request recovers.
    package var recoverLimit = 1000
    /// Whether clients see internal messages, which are meant for operators.
    package var isDebugging = false

    package init() {}
}
