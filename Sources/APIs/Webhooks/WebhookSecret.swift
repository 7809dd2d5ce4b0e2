internal import StandardWebhooks

extension WebhookSecret {
    /// Stands for the secret in what clients are shown.
    static let mask = prefix + "***"
}
