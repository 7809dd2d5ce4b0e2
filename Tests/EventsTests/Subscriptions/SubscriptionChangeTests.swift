import Delivery
import HTTP
import JSON
import JSONPath
import Testing
import Values

@testable import Events

@Suite struct SubscriptionChangeTests {
    private func change(_ body: String, isNew: Bool = true) throws(EventError) -> SubscriptionChange {
        SubscriptionChange(
            input: try input(body, isNew: isNew), settings: EventSettings(version: "1"), sealing: Example.sealing,
            now: Example.now)
    }

    private func made(_ members: [String: String?] = [:], user: String = "u") throws(EventError) -> Subscription {
        try change(subscription(members)).subscription(Example.id, of: user)
    }

    private func changed(_ subscription: Subscription, _ body: String) throws(EventError) -> Subscription {
        var subscription = subscription
        try change(body, isNew: false).apply(to: &subscription)
        return subscription
    }

    private func authorization(_ subscription: Subscription) -> String? {
        let lines = subscription.destination.sealedHeaders.flatMap { Example.sealing.open($0, .headers) }
        return lines.flatMap { HeaderField.fields(lines: $0) }?.first?.value
    }

    private let earlier = Timestamp(naive: "2020-01-02T03:04:05")!

    // MARK: New subscriptions

    @Test func `a new subscription has the defaults that clients know`() throws {
        let subscription = try made()
        #expect(subscription.id == Example.id && subscription.user == "u" && subscription.name == "n")
        #expect(subscription.version == "v0.1" && text(subscription.extensions) == "{}")
        #expect(subscription.sealedAuth == nil && subscription.dialect == nil && subscription.format == .json)
        #expect(subscription.created == Example.now && subscription.updated == Example.now)
        let destination = subscription.destination
        #expect(destination.disabledAt == nil && destination.disabledUntil == nil && destination.disabledReason == nil)
        #expect(destination.policy == .events && destination.protocolKind == .event && destination.method == "POST")
        #expect(destination.limits.inFlight == 16 && destination.approvalPath == "/events/u")
        #expect(destination.consent == nil && destination.sealedHeaders == nil && destination.keyring == nil)
    }

    @Test func `a new subscription has the given members, except the user`() throws {
        let other = "11111111-2222-4333-8444-555555555555"
        let subscription = try made([
            "uuid": "\"\(other)\"", "user": #""somebody else""#, "version": #""v9""#, "error": #""so""#,
            "disabled": #""2020-01-02T03:04:05""#, "created": #""2020-01-02T03:04:05""#,
            "updated": #""2020-01-02 03:04:05""#, "extensions": #"{"a": 1}"#, "format": #""cloudevents""#,
            "dialect": #""legacy""#, "handshake": "true",
        ])
        #expect(subscription.id == UUID(other) && subscription.user == "u" && subscription.version == "v9")
        #expect(subscription.created == earlier && subscription.updated == earlier)
        #expect(subscription.destination.disabledAt == earlier && subscription.destination.isDisabled(at: Example.now))
        #expect(subscription.destination.disabledReason == "so" && subscription.destination.consent == Consent())
        #expect(subscription.dialect == .legacy && subscription.format == .structured)
        let shape = try #require(Subscription.shape(of: subscription.destination))
        #expect(shape.format == .structured && text(shape.extensions) == #"{"a": 1}"#)
    }

    @Test(arguments: ["", "$.", "$[", "$.a[?(@.b", "$.a b", "nothing.at.all("])
    func `an invalid expression is refused, in a new subscription and in a change`(expression: String) throws {
        let member = "\"\(expression)\""
        #expect(fault { () throws(EventError) in try made(["jsonpath": member]) }?.hasPrefix("jsonpath: ") == true)
        let subscription = try made()
        #expect(throws: EventError.self) { try changed(subscription, "{\"jsonpath\": \(member)}") }
    }

    @Test func `a dialect in which the expression is invalid is refused`() throws {
        _ = try made(["jsonpath": #""$[?@.a == 1]""#, "dialect": #""rfc9535""#])
        #expect(throws: EventError.self) { try made(["jsonpath": #""$[?@.a == 1]""#, "dialect": #""legacy""#]) }
        let subscription = try made(["jsonpath": #""$[?@.a == 1]""#])
        #expect(throws: EventError.self) { try changed(subscription, #"{"dialect": "legacy"}"#) }
        let older = try made(["jsonpath": #""$[?(@.a)]""#, "dialect": #""rfc9535""#])
        #expect(older.dialect == .rfc9535)
        #expect(try changed(older, "{}").dialect == .rfc9535)
        #expect(try changed(older, #"{"dialect": null}"#).dialect == nil)
    }

    @Test(
        arguments: [
            ("u", "/events/u"), ("../x", "/events/..%2Fx"), ("a#b?c", "/events/a%23b%3Fc"), ("a b", "/events/a%20b"),
            ("é", "/events/%C3%A9"), ("", "/events/"), ("A-_.~9", "/events/A-_.~9"), ("%2e", "/events/%252e"),
        ])
    func `the user is one segment of the path at the policy service`(user: String, path: String) throws {
        #expect(try made(user: user).destination.approvalPath == path)
    }

    // MARK: Changes

    @Test func `a change keeps the members that it does not name, except extensions and credentials`() throws {
        let auth = #"{"type": "header", "header": {"type": "Bearer", "credentials": "secret"}}"#
        let before = try made([
            "extensions": #"{"a": 1}"#, "auth": auth, "version": #""v9""#, "created": #""2020-01-02T03:04:05""#,
            "updated": #""2020-01-02T03:04:05""#, "disabled": #""2020-01-02T03:04:05""#, "error": #""so""#,
            "format": #""cloudevents""#, "handshake": "true", "dialect": #""legacy""#,
        ])
        #expect(authorization(before) == "Bearer secret")
        let after = try changed(before, #"{"name": "other"}"#)
        #expect(after.name == "other" && after.expression == "$.data" && after.target == "http://receiver.test/")
        #expect(text(after.extensions) == "{}" && after.sealedAuth == nil && authorization(after) == nil)
        #expect(after.updated == Example.now && after.created == earlier && after.version == "v9")
        #expect(after.destination.disabledAt == earlier && after.destination.disabledReason == "so")
        #expect(after.format == .structured && after.destination.consent != nil && after.dialect == .legacy)
        #expect(Subscription.shape(of: after.destination)?.format == .structured)
    }

    @Test func `a given time of change is ignored, and other times are set`() throws {
        let after = try changed(
            made(), #"{"updated": "2020-01-02T03:04:05", "created": "2020-01-02T03:04:05", "version": "v9"}"#)
        #expect(after.updated == Example.now && after.created == earlier && after.version == "v9")
    }

    @Test func `disabled and error are set and cleared independently of one another`() throws {
        var subscription = try changed(made(), #"{"disabled": "2020-01-02T03:04:05"}"#)
        #expect(subscription.destination.disabledAt == earlier && subscription.destination.disabledReason == nil)
        subscription = try changed(subscription, #"{"error": "why"}"#)
        #expect(subscription.destination.disabledAt == earlier && subscription.destination.disabledReason == "why")
        subscription = try changed(subscription, #"{"disabled": null}"#)
        #expect(!subscription.destination.isDisabled(at: Example.now) && subscription.destination.disabledAt == nil)
        #expect(subscription.destination.disabledReason == "why")
        subscription = try changed(subscription, #"{"error": null}"#)
        #expect(subscription.destination.disabledReason == nil)
    }

    @Test func `id and user cannot be changed, but may be sent back`() throws {
        let before = try made()
        _ = try changed(before, "{\"uuid\": \"\(before.id)\", \"user\": \"u\"}")
        #expect(
            fault { () throws(EventError) in
                try changed(before, #"{"uuid": "11111111-2222-4333-8444-555555555555"}"#)
            } == "uuid: cannot be changed.")
        #expect(
            fault { () throws(EventError) in try changed(before, #"{"user": "U"}"#) }
                == "user: cannot be changed.")
    }

    @Test func `users that only look the same are different`() throws {
        let before = try made(user: "e\u{301}")
        #expect(throws: EventError.self) { try changed(before, "{\"user\": \"\u{e9}\"}") }
    }

    @Test func `sending back what a GET shows changes nothing but the time`() throws {
        let before = try made([
            "auth": #"{"type": "header", "header": {"type": "a", "credentials": "b"}}"#, "extensions": #"{"a": 1}"#,
            "target_url": #""http://me:pw@receiver.test/""#, "error": #""so""#, "format": #""cloudevents""#,
        ])
        let shown = text(valueJSON { json in before.write(to: &json, Example.sealing) })
        #expect(try changed(before, #require(shown)) == before)
    }

    @Test func `a given consent is kept until the handshake is turned off`() throws {
        var subscription = try made(["handshake": "true"])
        let url = subscription.destination.url
        subscription.destination.accept(Consent(url: url, rate: 60))
        #expect(try changed(subscription, #"{"handshake": true}"#).destination.consent?.url == url)
        #expect(try changed(subscription, "{}").destination.consent?.url == url)
        #expect(try changed(subscription, #"{"handshake": false}"#).destination.consent == nil)
    }

    // MARK: Credentials

    @Test func `credentials in the target are sealed, and used for the header`() throws {
        let before = try made(["target_url": #""http://me:p%40w@receiver.test/a#b""#])
        #expect(before.target.isEmpty && before.sealedTarget != nil)
        #expect(before.destination.url == "http://receiver.test/a")
        #expect(authorization(before) == Authorization.basic(user: "me", password: "p@w"))
        let after = try changed(before, #"{"name": "other"}"#)
        #expect(authorization(after) == authorization(before) && after.sealedTarget == before.sealedTarget)
        // Credentials in `auth` take precedence, until they are removed.
        let named = try changed(
            before, #"{"auth": {"type": "header", "header": {"type": "Bearer", "credentials": "x"}}}"#)
        #expect(authorization(named) == "Bearer x")
        #expect(authorization(try changed(named, "{}")) == authorization(before))
        let moved = try changed(before, #"{"target_url": "http://receiver.test/"}"#)
        #expect(moved.target == "http://receiver.test/" && moved.sealedTarget == nil && authorization(moved) == nil)
    }

    @Test func `no secret is stored in the clear`() throws {
        let auth = #"{"type": "basic", "basic": {"username": "u", "password": "hunter2"}}"#
        let subscription = try made(["auth": auth, "target_url": #""http://u:hunter3@receiver.test/""#])
        #expect(!"\(subscription)".contains("hunter"))
        #expect(subscription.sealedAuth == Example.sealing.seal(Array(auth.utf8), .auth))
    }
}
