/// How a sender signs its requests.
package enum VerificationPreset: String, CaseIterable, Sendable {
    case standardWebhooks = "standard-webhooks"
    case github
    case stripe
    case slack
    case shopify
    case twilio
    case gitlab
    /// The signature that Postroom's own webhooks have, beside those of Standard Webhooks.
    case threeDVerse = "3dverse"
    /// The HMAC of the body in a header of one's choice.
    case hmac

    /// The header that has the signature. That of `hmac` is a parameter.
    var header: String? {
        switch self {
        case .standardWebhooks: "Webhook-Signature"
        case .github: "X-Hub-Signature-256"
        case .stripe: "Stripe-Signature"
        case .slack: "X-Slack-Signature"
        case .shopify: "X-Shopify-Hmac-Sha256"
        case .twilio: "X-Twilio-Signature"
        case .gitlab: "X-Gitlab-Token"
        case .threeDVerse: "X-3dverse-Signature"
        case .hmac: nil
        }
    }

    /// The header that has the time of the signature, in seconds since 1970.
    var timestampHeader: String? {
        switch self {
        case .standardWebhooks: "Webhook-Timestamp"
        case .slack: "X-Slack-Request-Timestamp"
        case .threeDVerse: "X-3dverse-Signature-Timestamp"
        default: nil
        }
    }

    /// Whether a signature has a time.
    var hasTime: Bool { timestampHeader != nil || self == .stripe }

    /// The members of `verify` beside `preset` and `reject`.
    var members: Set<String> {
        switch self {
        case .standardWebhooks: ["secret", "public_key", "tolerance_seconds"]
        case .threeDVerse: ["public_key", "tolerance_seconds", "header", "timestamp_header"]
        case .stripe, .slack: ["secret", "tolerance_seconds"]
        case .github, .shopify, .twilio, .gitlab: ["secret"]
        case .hmac: ["secret", "header", "algorithm", "encoding", "prefix"]
        }
    }
}
