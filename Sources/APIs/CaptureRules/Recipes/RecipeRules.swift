internal import JSONPath

// What each provider sends, and the answer that it expects.
extension RecipeName {
    func rules(secret: String, rate: String) -> [ResponseRule] {
        switch self {
        // https://api.slack.com/events/url_verification
        case .slack:
            [
                .recipe(
                    method: "POST", match: "$[?$.type == 'url_verification' && $.challenge]",
                    body: "{json:$.challenge}")
            ]

        // https://developers.facebook.com/docs/graph-api/webhooks/getting-started
        case .meta:
            [
                .recipe(
                    method: "GET",
                    query: [
                        .is("hub.mode", "subscribe"), .is("hub.verify_token", secret), .has("hub.challenge"),
                    ], body: "{query:hub.challenge}"),
                .recipe(method: "GET", query: [.is("hub.mode", "subscribe")], status: 403),
            ]

        // https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
        case .microsoftGraph:
            [.recipe(method: "POST", query: [.has("validationToken")], body: "{query:validationToken}")]

        // https://dev.twitch.tv/docs/eventsub/handling-webhook-events
        case .twitch:
            [
                .recipe(
                    headers: [.is("Twitch-Eventsub-Message-Type", "webhook_callback_verification")],
                    match: "$.challenge", body: "{json:$.challenge}")
            ]

        // https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema
        case .eventGrid:
            [
                .recipe(
                    headers: [.is("aeg-event-type", "SubscriptionValidation")], match: "$[0].data.validationCode",
                    json: #"{"validationResponse": "{json:$[0].data.validationCode}"}"#)
            ]

        // https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md
        case .cloudEvents:
            [
                .recipe(
                    method: "OPTIONS", headers: [.has("WebHook-Request-Origin")],
                    answer: [
                        ("Allow", "POST"), ("WebHook-Allowed-Origin", "{header:WebHook-Request-Origin}"),
                        ("WebHook-Allowed-Rate", rate),
                    ])
            ]

        // https://developers.zoom.us/docs/api/webhooks/
        case .zoom:
            [
                .recipe(
                    method: "POST", match: "$[?$.event == 'endpoint.url_validation' && $.payload.plainToken]",
                    json: #"""
                        {"plainToken": "{json:$.payload.plainToken}", \#
                        "encryptedToken": "{hmac-sha256-hex:json:$.payload.plainToken}"}
                        """#, secret: secret)
            ]

        // https://developer.x.com/en/docs/x-api/enterprise/account-activity-api/guides/securing-webhooks
        case .x:
            [
                .recipe(
                    method: "GET", query: [.has("crc_token")],
                    json: #"{"response_token": "sha256={hmac-sha256-base64:query:crc_token}"}"#, secret: secret)
            ]

        // https://developers.asana.com/docs/webhooks-guide
        case .asana:
            [
                .recipe(
                    headers: [.has("X-Hook-Secret")], answer: [("X-Hook-Secret", "{header:X-Hook-Secret}")],
                    effect: .disarmAsana)
            ]

        // https://smartsheet.redoc.ly/tag/webhooksDescription
        case .smartsheet:
            [
                .recipe(
                    headers: [.has("Smartsheet-Hook-Challenge")],
                    answer: [("Smartsheet-Hook-Response", "{header:Smartsheet-Hook-Challenge}")])
            ]

        // https://developer.okta.com/docs/concepts/event-hooks/
        case .okta:
            [
                .recipe(
                    method: "GET", headers: [.has("X-Okta-Verification-Challenge")],
                    json: #"{"verification": "{header:X-Okta-Verification-Challenge}"}"#)
            ]

        // https://www.dropbox.com/developers/reference/webhooks, https://developer.nylas.com/docs/v3/notifications/,
        // https://developer.adobe.com/events/docs/guides/
        case .dropbox, .nylas, .adobe:
            [.recipe(method: "GET", query: [.has("challenge")], body: "{query:challenge}")]

        // https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/
        case .trello: [.recipe(method: "HEAD")]

        // https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html
        case .sns:
            [
                .recipe(
                    method: "POST", match: "$[?$.Type == 'SubscriptionConfirmation' && $.SubscribeURL]",
                    effect: .confirmSNS)
            ]

        // https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/
        case .xero:
            [
                .recipe(
                    method: "POST",
                    signature: SignatureTest(header: "X-Xero-Signature", key: Array(secret.utf8))),
                .recipe(method: "POST", headers: [.has("X-Xero-Signature")], status: 401),
            ]
        }
    }
}

extension FieldTest {
    fileprivate static func `is`(_ name: String, _ value: String) -> FieldTest {
        FieldTest(name: name, requirement: .equals(Array(value.utf8)))
    }

    fileprivate static func has(_ name: String) -> FieldTest { FieldTest(name: name, requirement: .isPresent(true)) }
}

extension ResponseRule {
    /// - Parameters:
    ///   - body: plain text.
    ///   - json: a body in JSON.
    fileprivate static func recipe(
        method: String? = nil, headers: [FieldTest] = [], query: [FieldTest] = [], match: String? = nil,
        signature: SignatureTest? = nil, status: Int = 200, answer: [(String, String)] = [], body: String = "",
        json: String? = nil, secret: String = "", effect: RuleEffect? = nil
    ) -> ResponseRule {
        do {
            let answer = json == nil ? answer : [("Content-Type", "application/json")] + answer
            let text = try TextTemplate(json ?? body)
            return ResponseRule(
                condition: RuleCondition(
                    methods: method.map { [$0] } ?? [], headers: headers, query: query,
                    match: try match.map { text in try JSONPath(parsing: text, dialect: .rfc9535) },
                    signature: signature),
                answers: [
                    AnswerTemplate(
                        status: status,
                        headers: try answer.map { .init(name: $0.0, value: try TextTemplate($0.1)) }, body: text)
                ],
                secret: Array(secret.utf8), effect: effect)
        } catch {
            preconditionFailure("the rules of recipes are valid: \(error)")
        }
    }
}
