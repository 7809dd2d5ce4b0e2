internal import StandardWebhooks

extension WebhookSecret {
    /// Shown to clients instead of the secret.
    static let mask = prefix + "***"
}
