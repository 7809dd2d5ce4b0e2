import HTTP
import HTTPTypes
import JSON
import Testing

@testable import CaptureRules

private func recipes(_ text: String, secrets: SettingSecrets = SettingSecrets()) throws -> Recipes {
    var faults = SettingFaults()
    let recipes = Recipes(try JSON(parsing: Array(text.utf8)), secrets, &faults)
    try faults.check()
    return recipes
}

private func answer(_ recipe: String, _ sent: ReceivedRequest) throws -> RuleAnswer? {
    try recipes("[\(recipe)]").outcome(for: sent).map { $0.1.answer }
}

@Suite struct RecipeTests {
    @Test func `every line of the table is a recipe`() throws {
        for name in RecipeName.allCases {
            let secret = name.secretMember.map { ", \"\($0)\": \"s\"" } ?? ""
            let made = try recipes("[{\"name\": \"\(name.rawValue)\"\(secret)}]")
            #expect(made.recipes.first?.rules.isEmpty == false)
            #expect(made.outcome(for: request("PATCH", [("X-Other", "1")], json: #"{"a": 1}"#)) == nil)
        }
    }

    // The example of api.slack.com/events/url_verification.
    @Test func `slack gets its challenge`() throws {
        let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
        let body = """
            {"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": "\(challenge)", "type": "url_verification"}
            """
        let found = try #require(try answer(#"{"name": "slack"}"#, request(json: body)))
        #expect(found.status == 200 && found.text == challenge)
        #expect(found.response.head.headerFields[.contentType]?.hasPrefix("text/plain") == true)
        let event = request(json: #"{"type": "event_callback", "challenge": "x"}"#)
        #expect(try answer(#"{"name": "slack"}"#, event) == nil)
    }

    @Test func `meta gets its challenge only for the right token`() throws {
        let recipe = #"{"name": "meta", "verify_token": "me aty"}"#
        let query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
        let right = try #require(try answer(recipe, request("GET", query: query + "me+aty")))
        #expect(right.status == 200 && right.text == "1158201444")
        for wrong in ["meaty", "", "me+aty2"] {
            let refused = try #require(try answer(recipe, request("GET", query: query + wrong)))
            #expect(refused.status == 403 && refused.body.isEmpty)
        }
        #expect(try answer(recipe, request(query: query + "me+aty")) == nil)
    }

    @Test func `microsoft graph gets its token decoded, as plain text`() throws {
        let sent = request(query: "validationToken=Validation%3A+Testing+client+application%3Cscript%3E")
        let found = try #require(try answer(#"{"name": "microsoft-graph"}"#, sent))
        #expect(found.status == 200 && found.text == "Validation: Testing client application<script>")
        let fields = found.response.head.headerFields
        #expect(fields[.contentType] == "text/plain; charset=utf-8" && fields[.noSniff] == "nosniff")
    }

    @Test func `twitch gets its challenge`() throws {
        let headers = [("Twitch-Eventsub-Message-Type", "webhook_callback_verification")]
        let body = #"{"challenge": "pogchamp-kappa-360noscope-vohiyo", "subscription": {"id": "f1c2a387"}}"#
        let found = try answer(#"{"name": "twitch"}"#, request(headers, json: body))
        #expect(found?.text == "pogchamp-kappa-360noscope-vohiyo")
        #expect(try answer(#"{"name": "twitch"}"#, request(json: body)) == nil)
    }

    @Test func `event grid gets its code as JSON with status 200`() throws {
        let code = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
        let body = """
            [{"id": "2d1781af", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", \
            "data": {"validationCode": "\(code)", "validationUrl": "https://x"}}]
            """
        let headers = [("Aeg-Event-Type", "SubscriptionValidation")]
        let found = try #require(try answer(#"{"name": "event-grid"}"#, request(headers, json: body)))
        #expect(found.status == 200)
        #expect(try JSON(parsing: found.body)["validationResponse"] == .string(code))
    }

    @Test(arguments: [("", "*"), (", \"rate\": \"*\"", "*"), (", \"rate\": 120", "120")])
    func `cloudevents gets its origin and a rate`(parameter: String, rate: String) throws {
        let sent = request("OPTIONS", [("Webhook-Request-Origin", "eventemitter.example.com")])
        let found = try #require(try answer("{\"name\": \"cloudevents\"\(parameter)}", sent))
        #expect(found.status == 200)
        #expect(found.header("WebHook-Allowed-Origin") == "eventemitter.example.com")
        #expect(found.header("WebHook-Allowed-Rate") == rate)
    }

    // By Python's hmac.new(b"s", b"qgg8vlvZRS6UYooatFL8Aw", "sha256").
    @Test func `zoom gets its token with the HMAC of the secret`() throws {
        let body = """
            {"payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}, "event_ts": 1654503849680, \
            "event": "endpoint.url_validation"}
            """
        let found = try #require(try answer(#"{"name": "zoom", "secret": "s"}"#, request(json: body)))
        let json = try JSON(parsing: found.body)
        #expect(json["plainToken"] == .string("qgg8vlvZRS6UYooatFL8Aw"))
        #expect(json["encryptedToken"] == .string("93aa52bcb22637104b103fa602ee132a2459036070fc4ef715f04d8ce8a99166"))
    }

    @Test func `x gets the HMAC of its token`() throws {
        let sent = request("GET", query: "crc_token=9b4507b3-9040-4669-9ca3-6b94edb50553&nonce=1")
        let found = try #require(try answer(#"{"name": "x", "secret": "s"}"#, sent))
        #expect(
            try JSON(parsing: found.body)["response_token"]
                == .string("sha256=dsQHbWMRjsYkdzTIT8g+2MbzIdYx8TfX5cjKvs5wBsM="))
    }

    @Test func `asana gets its secret back once, while the recipe is armed`() throws {
        let armed = try recipes(#"[{"name": "asana", "armed": true}, {"name": "slack"}]"#)
        let sent = request(
            [("X-Hook-Secret", "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81")], json: "{}")
        let (name, outcome) = try #require(armed.outcome(for: sent))
        #expect(name == .asana && outcome.effect == .disarmAsana && outcome.answer.status == 200)
        #expect(
            outcome.answer.header("X-Hook-Secret") == "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"
        )
        let disarmed = armed.disarmed
        #expect(disarmed.outcome(for: sent) == nil)
        let shown = #"[{"name": "asana", "armed": false}, {"name": "slack"}]"#
        #expect(disarmed.json == (try JSON(parsing: Array(shown.utf8))))
        #expect(try recipes(shown).outcome(for: sent) == nil)
    }

    @Test func `smartsheet, okta, dropbox, nylas, adobe and trello get what they expect`() throws {
        let smartsheet = try answer(#"{"name": "smartsheet"}"#, request([("Smartsheet-Hook-Challenge", "94a6c0fa")]))
        #expect(smartsheet?.status == 200 && smartsheet?.header("Smartsheet-Hook-Response") == "94a6c0fa")
        let okta = try answer(#"{"name": "okta"}"#, request("GET", [("X-Okta-Verification-Challenge", "8cJ\"x")]))
        #expect(try JSON(parsing: okta?.body ?? [])["verification"] == .string("8cJ\"x"))
        for name in ["dropbox", "nylas", "adobe"] {
            let found = try #require(try answer("{\"name\": \"\(name)\"}", request("GET", query: "challenge=a%2Bb")))
            #expect(found.status == 200 && found.text == "a+b")
            #expect(found.response.head.headerFields[.noSniff] == "nosniff")
        }
        #expect(try answer(#"{"name": "trello"}"#, request("HEAD"))?.status == 200)
    }

    @Test func `sns asks for its confirmation`() throws {
        let body = """
            {"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic", \
            "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"}
            """
        let sent = request([("Content-Type", "text/plain; charset=UTF-8")], json: body)
        let (_, outcome) = try #require(try recipes(#"[{"name": "sns"}]"#).outcome(for: sent))
        #expect(outcome.effect == .confirmSNS && outcome.answer.status == 200)
        let url = "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"
        #expect(SNSConfirmation(sent)?.url == url)
    }

    @Test(arguments: [("Token", "1"), ("TopicArn", "arn:aws:sns:other")])
    func `a message with another token or topic than its URL confirms nothing`(member: String, value: String) {
        let url = "https://sns.us-gov-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:a&Token=2"
        func message(_ members: String) -> ReceivedRequest {
            request([], json: "{\"Type\": \"SubscriptionConfirmation\", \"SubscribeURL\": \"\(url)\"\(members)}")
        }
        #expect(SNSConfirmation(message(""))?.url == url)
        #expect(SNSConfirmation(message(", \"Token\": \"2\", \"TopicArn\": \"arn:aws:sns:a\""))?.url == url)
        #expect(SNSConfirmation(message(", \"\(member)\": \"\(value)\"")) == nil)
    }

    @Test(
        arguments: [
            "http://sns.us-east-1.amazonaws.com/", "https://sns.us-east-1.amazonaws.com.evil.example/",
            "https://sns.amazonaws.com/", "https://evil.sns.us-east-1.amazonaws.com/", "https://sns..amazonaws.com/",
            "https://sns.us-east-1.amazonaws.com:8443/", "https://u@sns.us-east-1.amazonaws.com/",
            "https://sns.us-east-1.amazonaws.com@evil.example/", "https://127.0.0.1/#sns.x.amazonaws.com",
            "https://sns.x_y.amazonaws.com/", "https://sns.us-east-1.amazonaws.com./",
            "https://sns.us-east-1.amazonaws.com\\@evil/", "https://sns.us-east-1.amazonaws.com.us/",
            "https://sns.us-east-1.amazonaws.com.cn.cn/", "https://sns.us.amazonaws.com.evil/", "",
            "https://sns.s3-us-west-2.amazonaws.com/", "https://sns.s3-accelerate.amazonaws.com/",
            "https://sns.dkr-ecr.amazonaws.com/", "https://sns.xn--a.amazonaws.com/",
            "https://sns.us-east-12.amazonaws.com/",
            "https://sns.us-1.amazonaws.com/",
        ])
    func `only a host of sns can be called`(url: String) {
        #expect(SNSConfirmation(url + "?Action=ConfirmSubscription&Token=1") == nil)
        #expect(SNSConfirmation(url) == nil)
    }

    @Test(
        arguments: [
            "", "?", "?Action=ConfirmSubscription", "?Action=ConfirmSubscription&Token=", "?Token=1",
            "?Action=Unsubscribe&Token=1", "?Action=ConfirmSubscription&Token=1&Action=Unsubscribe",
            "?Action=ConfirmSubscription&Token=1&%41ction=Unsubscribe", "?Action=ConfirmSubscription&Token=1&Token=2",
            "?Action=ConfirmSubscription&Token=1&action=Unsubscribe",
            "?Action=ConfirmSubscription&Token=1;Action=Publish",
            "?Action=ConfirmSubscription&Token=1+2", "?Action=ConfirmSubscription&Token=1#x",
            "x?Action=ConfirmSubscription&Token=1",
        ])
    func `only the action that confirms can be called`(rest: String) {
        #expect(SNSConfirmation("https://sns.us-east-1.amazonaws.com/\(rest)") == nil)
        #expect(SNSConfirmation("https://sns.us-east-1.amazonaws.com\(rest)") == nil)
    }

    @Test func `URLs that confirm the same subscription have one id`() throws {
        func id(_ host: String, _ query: String) throws -> [UInt8] {
            try #require(SNSConfirmation("https://\(host)/?\(query)")).id
        }
        let hosts = ["sns.us-east-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"]
        let first = try id(hosts[0], "Action=ConfirmSubscription&TopicArn=arn:aws:sns:a&Token=ab")
        #expect(try id(hosts[0], "Token=%61b&TopicArn=arn:aws:sns:a&Action=ConfirmSubscription&Version=1") == first)
        #expect(try id(hosts[1], "Action=ConfirmSubscription&TopicArn=arn:aws:sns:a&Token=ab") != first)
        #expect(try id(hosts[0], "Action=ConfirmSubscription&TopicArn=arn:aws:sns:b&Token=ab") != first)
        #expect(try id(hosts[0], "Action=ConfirmSubscription&TopicArn=arn:aws:sns:a&Token=abc") != first)
    }

    // By Python's base64.b64encode(hmac.new(b"s", body, "sha256").digest()).
    @Test func `xero gets 200 for the right signature and 401 for another, with an empty body`() throws {
        let body = #"{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "S0m3r4Nd0mt3xt"}"#
        for (signature, status) in [("tznEIonBlRm0RCMIz90Ix49k405QdjBf4FcSqRYfYwY=", 200), ("AAAA", 401)] {
            let sent = request([("X-Xero-Signature", signature)], json: body)
            let found = try #require(try answer(#"{"name": "xero", "secret": "s"}"#, sent))
            #expect(found.status == status && found.body.isEmpty)
        }
    }

    @Test(
        arguments: [
            (
                #"[{"name": "slac"}]"#,
                "recipes[0].name: must be one of slack, meta, microsoft-graph, twitch, event-grid, "
                    + "cloudevents, zoom, x, asana, smartsheet, okta, dropbox, nylas, adobe, trello, sns, xero"
            ),
            (#"[{"name": "meta"}]"#, "recipes[0].verify_token: is required by the recipe meta"),
            (#"[{"name": "zoom", "secret": ""}]"#, "recipes[0].secret: must not be empty"),
            (#"[{"name": "slack", "secret": "s"}]"#, "recipes[0].secret: unknown member; known are name"),
            (#"[{"name": "slack"}, {"name": "slack"}]"#, "recipes[1].name: duplicate recipe"),
            (#"["slack"]"#, "recipes[0]: must be an object such as {\"name\": \"slack\"}"),
            (
                #"[{"name": "cloudevents", "rate": 0}]"#,
                "recipes[0].rate: must be \"*\" or a whole number from 1 to 1000000000"
            ),
            ("{}", "recipes: must be an array of at most 17 recipes"),
        ])
    func `a fault is reported with its place`(text: String, fault: String) throws {
        var faults = SettingFaults()
        _ = Recipes(try JSON(parsing: Array(text.utf8)), SettingSecrets(), &faults)
        #expect(faults.faults.map { "\($0.place): \($0.reason)" } == [fault])
    }

    @Test func `secrets are masked, and stay when the mask is sent back`() throws {
        let given = try recipes(#"[{"name": "meta", "verify_token": "t0ken"}, {"name": "zoom", "secret": "z"}]"#)
        let shown = #"[{"name": "meta", "verify_token": "***"}, {"name": "zoom", "secret": "***"}]"#
        #expect(given.json == (try JSON(parsing: Array(shown.utf8))))
        let again = try recipes(shown, secrets: given.secrets)
        #expect(again.secrets == given.secrets && again.secrets["recipes.meta"] == "t0ken")
    }
}
