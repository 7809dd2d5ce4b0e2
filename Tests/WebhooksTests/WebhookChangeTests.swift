import Delivery
import HTTP
import Testing
import Values

@testable import Webhooks

@Suite struct WebhookChangeTests {
    private let settings: WebhookSettings = {
        var settings = WebhookSettings()
        settings.inFlight = 5
        return settings
    }()

    private func change(
        _ body: String, isPartial: Bool = true, at seconds: Double = 0, sealing: Sealing = Example.sealing
    ) throws -> WebhookChange {
        let rules = WebhookInput.Rules(
            urls: SecureURLs(), headers: HeaderRules(signatureHeaders: []), maximumRetrySeconds: 86_400)
        return WebhookChange(
            input: try WebhookInput(parsing: Array(body.utf8), isPartial: isPartial, rules),
            newSecret: [UInt8](repeating: 9, count: 32), settings: settings, sealing: sealing,
            now: Example.moment.wall.adding(seconds: seconds))
    }

    private func webhook(_ extra: String = "") throws -> Webhook {
        let id = try #require(UUID(Example.nobody))
        return try change(Example.minimal.dropLast() + extra + "}", isPartial: false).webhook(id, in: id)
    }

    private static let everything = """
        , "method": "get", "description": "d", "disabled_until": "2030-01-01T00:00:00Z",
        "custom_headers": {"X-A": "alpha", "X-B": "beta"}, "retry_policy": ["1s"], "rate_limit": 2, "ordered": true,
        "secret": true
        """

    @Test func `members that are not given get defaults`() throws {
        let webhook = try webhook()
        let destination = webhook.destination
        #expect(webhook.name == "n" && webhook.events == ["job-created"] && webhook.description == nil)
        #expect(webhook.created == Example.moment.wall && webhook.updated == webhook.created)
        #expect(destination.url == "https://x/" && destination.method == "POST" && destination.disabledUntil == nil)
        #expect(destination.sealedHeaders == nil && destination.sealedSecret == nil && webhook.headerNames == [])
        #expect(destination.policy == .fixed)
        #expect(destination.limits == DestinationLimits(inFlight: 5))
    }

    @Test func `headers and secret are sealed, each for its own purpose`() throws {
        let webhook = try webhook(Self.everything)
        #expect(webhook.headerNames == ["X-A", "X-B"])
        let headers = try #require(webhook.destination.sealedHeaders.flatMap { Example.sealing.open($0, .headers) })
        #expect(headers == Array("X-A:alpha\nX-B:beta\n".utf8))
        let secret = try #require(webhook.destination.sealedSecret)
        #expect(Example.sealing.open(secret, .secret) == [UInt8](repeating: 9, count: 32))
        #expect(Example.sealing.open(secret, .headers) == nil)
    }

    @Test func `a partial change keeps the other members`() throws {
        var webhook = try webhook(Self.everything)
        let before = webhook
        try change(#"{"name": "other"}"#, at: 1).apply(to: &webhook)
        #expect(webhook.name == "other" && webhook.updated == Example.moment.wall.adding(seconds: 1))
        #expect(webhook.destination == before.destination && webhook.headerNames == before.headerNames)
        try change(#"{"retry_policy": "standard", "rate_limit": null, "secret": null}"#).apply(to: &webhook)
        #expect(webhook.destination.policy == .standard && webhook.destination.limits.rate == nil)
        #expect(webhook.destination.sealedSecret == nil && webhook.destination.limits.isOrdered)
    }

    @Test func `a full change resets all members that it does not name`() throws {
        var webhook = try webhook(Self.everything)
        webhook.destination.disabledReason = "r"
        try change(Example.minimal, isPartial: false).apply(to: &webhook)
        #expect(webhook == (try self.webhook()))
    }

    @Test func `a mask keeps the stored value`() throws {
        var webhook = try webhook(Self.everything)
        let secret = webhook.destination.sealedSecret
        let body = #"{"custom_headers": {"x-b": "***", "X-C": "c"}, "secret": "whsec_***"}"#
        try change(body).apply(to: &webhook)
        #expect(webhook.headerNames == ["x-b", "X-C"])
        let headers = try #require(webhook.destination.sealedHeaders.flatMap { Example.sealing.open($0, .headers) })
        #expect(headers == Array("x-b:beta\nX-C:c\n".utf8))
        #expect(webhook.destination.sealedSecret == secret)
    }

    @Test(
        arguments: [
            (
                #"{"name": "x", "custom_headers": {"X-Z": "***"}}"#, .badHeaders,
                "custom_headers.X-Z: \"***\" means the stored value"
            ),
            (#"{"name": "x", "secret": "whsec_***"}"#, .validation, "secret: \"whsec_***\" means the stored secret"),
        ] as [(String, ErrorCode, String)])
    func `a mask without a stored value is refused, and nothing changes`(
        body: String, code: ErrorCode, message: String
    ) throws {
        var webhook = try webhook()
        let before = webhook
        let change = try change(body)
        let error = #expect(throws: APIError.self) { try change.apply(to: &webhook) }
        #expect(error?.code == code && error?.message.hasPrefix(message) == true)
        #expect(webhook == before)
    }

    @Test func `stored headers that cannot be opened are an internal error`() throws {
        var webhook = try webhook(Self.everything)
        let other = Sealing(seal: { plain, _ in plain }, open: { _, _ in nil })
        let change = try change(#"{"custom_headers": {"X-A": "***"}}"#, sealing: other)
        let error = #expect(throws: APIError.self) { try change.apply(to: &webhook) }
        #expect(error?.code == .failure && error?.internalMessage.contains(Example.nobody) == true)
    }

    @Test func `sending back the time until which a webhook is disabled keeps the reason`() throws {
        var webhook = try webhook()
        webhook.destination.disabledUntil = Timestamp(iso8601: "2030-01-01T00:00:00.123456Z")
        webhook.destination.disabledReason = "it was gone"
        let before = webhook.destination
        try change(#"{"disabled_until": "2030-01-01T00:00:00.123Z"}"#).apply(to: &webhook)
        #expect(webhook.destination == before)
        try change(#"{"disabled_until": "2030-01-01T00:00:00.124Z"}"#).apply(to: &webhook)
        #expect(webhook.destination.disabledReason == nil)
        #expect(webhook.destination.disabledUntil == Timestamp(iso8601: "2030-01-01T00:00:00.124Z"))
        try change(#"{"disabled_until": null}"#).apply(to: &webhook)
        #expect(webhook.destination.disabledUntil == nil)
    }
}
