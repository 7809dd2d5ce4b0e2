import HTTP
import JSONPath
import Testing
import Values

@testable import Events

@Suite struct SubscriptionInputTests {
    @Test func `members that are not given are absent`() throws {
        let input = try input(Example.minimal)
        #expect(input.name == "n" && input.expression == "$.data" && input.target?.text == "http://receiver.test/")
        #expect(input.id == nil && input.user == nil && input.version == nil && input.extensions == nil)
        #expect(input.auth == nil && input.format == nil && input.asksConsent == nil)
        #expect(input.created == nil && input.updated == nil)
        guard case .absent = input.disabled, case .absent = input.error, case .absent = input.deleted,
            case .absent = input.dialect
        else {
            Issue.record("a member is present")
            return
        }
    }

    @Test(arguments: ["name", "jsonpath", "target_url"])
    func `a new subscription needs a name, an expression and a target, and a change does not`(name: String) throws {
        let body = subscription([name: nil])
        #expect(fault { () throws(EventError) in try input(body) } == "\(name): is required.")
        _ = try input(body, isNew: false)
        _ = try input("{}", isNew: false)
    }

    @Test(arguments: [
        "", " ", "x", "[]", "null", "1", #""x""#, "\u{feff}{}", "{", "{} {}", "{\"a\": NaN}", "{\"a\": Infinity}",
    ])
    func `a body that is not a JSON object is refused`(body: String) {
        #expect(fault { () throws(EventError) in try input(body, isNew: false) }?.hasPrefix("The body ") == true)
    }

    @Test func `bytes that are not UTF-8 are refused`() {
        let body = Array(#"{"name": ""#.utf8) + [0xff] + Array(#""}"#.utf8)
        #expect(throws: EventError.self) { try SubscriptionInput(parsing: body, isNew: false, WebURLs()) }
    }

    @Test(
        arguments: [
            ("name", "1"), ("name", "null"), ("name", "[]"), ("jsonpath", "null"), ("jsonpath", "{}"),
            ("target_url", "null"), ("target_url", "7"), ("version", "1"), ("version", "null"), ("user", "null"),
            ("user", "1"), ("uuid", "null"), ("uuid", "1"), ("uuid", #""x""#), ("uuid", #""""#),
            ("extensions", "null"), ("extensions", "[]"), ("extensions", #""x""#), ("auth", "null"), ("auth", "[]"),
            ("auth", #""x""#), ("error", "1"), ("error", "{}"), ("disabled", "1"), ("disabled", "true"),
            ("disabled", #""junk""#), ("deleted", #""""#), ("deleted", "0"), ("created", "null"),
            ("created", #""junk""#), ("updated", "null"), ("updated", #""2026-02-30""#), ("dialect", "1"),
            ("dialect", #""other""#), ("format", "null"), ("format", #""xml""#), ("handshake", "null"),
            ("handshake", #""yes""#),
        ])
    func `a value of the wrong type is refused, and the message names the member`(member: String, value: String) {
        for isNew in [true, false] {
            let message = fault { () throws(EventError) in try input(subscription([member: value]), isNew: isNew) }
            #expect(message?.hasPrefix("\(member): ") == true, "\(message ?? "accepted")")
        }
    }

    @Test func `null is accepted for members that can be cleared`() throws {
        let input = try input(
            subscription(["disabled": "null", "error": "null", "deleted": "null", "dialect": "null"]))
        guard case .null = input.disabled, case .null = input.error, case .null = input.deleted,
            case .null = input.dialect
        else {
            Issue.record("null was read as something else")
            return
        }
    }

    @Test func `all members are read`() throws {
        let input = try input(
            subscription([
                "uuid": "\"{\(Example.id.description.uppercased())}\"", "user": #""somebody""#, "version": #""v0.2""#,
                "dialect": #""rfc9535""#, "disabled": #""2026-11-22T06:05:37.619275""#, "error": #""é""#,
                "created": #""2026-11-22""#, "updated": #""2026-11-22 06:05""#, "format": #""cloudevents-binary""#,
                "handshake": "true", "extensions": #"{"b" : 12345678901234567890, "a":1e3}"#,
            ]))
        #expect(input.id == Example.id && input.user == "somebody" && input.version == "v0.2")
        #expect(input.format == .binary && input.asksConsent == true)
        // Byte for byte as given.
        #expect(text(input.extensions) == #"{"b" : 12345678901234567890, "a":1e3}"#)
        #expect(input.created?.naive == "2026-11-22T00:00:00" && input.updated?.naive == "2026-11-22T06:05:00")
        guard case .value(Example.now) = input.disabled, case .value("é") = input.error,
            case .value(.rfc9535) = input.dialect
        else {
            Issue.record("a member was read as something else")
            return
        }
    }

    @Test(arguments: [
        ("cloudevents", Subscription.Format.structured), ("json", .json), ("cloudevents-binary", .binary),
    ])
    func `each format has its word`(word: String, format: Subscription.Format) throws {
        #expect(try input(subscription(["format": "\"\(word)\""])).format == format)
        #expect(format.word == word)
    }

    @Test func `an unknown member is ignored, and the last of repeated ones counts`() throws {
        let unknown = try input(subscription(["save": "1", "id": "[]", "constructor": "null"]))
        #expect(unknown.name == "n")
        let body = #"{"name": 1, "name": "last", "jsonpath": "$", "target_url": "http://receiver.test/"}"#
        #expect(try input(body).name == "last")
    }

    @Test(arguments: ["name", "version"])
    func `texts have at most 255 characters, however many bytes`(member: String) throws {
        let longest = String(repeating: "é", count: 255)
        _ = try input(subscription([member: "\"\(longest)\""]))
        let message = fault { () throws(EventError) in try input(subscription([member: "\"\(longest)x\""])) }
        #expect(message == "\(member): must have at most 255 characters.")
    }

    @Test func `expressions, targets and errors have a maximum length`() throws {
        let expression = "$." + String(repeating: "a", count: SubscriptionInput.maximumExpressionBytes - 2)
        _ = try input(subscription(["jsonpath": "\"\(expression)\""]))
        let url = "http://receiver.test/"
        let rest = String(repeating: "a", count: SubscriptionInput.maximumURLBytes - url.utf8.count)
        _ = try input(subscription(["target_url": "\"\(url)\(rest)\""]))
        let error = String(repeating: "é", count: Subscription.maximumErrorCharacters)
        _ = try input(subscription(["error": "\"\(error)\""]))
        for (member, text) in [("jsonpath", expression), ("target_url", url + rest), ("error", error)] {
            let message = fault { () throws(EventError) in try input(subscription([member: "\"\(text)a\""])) }
            #expect(message?.hasPrefix("\(member): must have at most ") == true)
        }
    }

    @Test(arguments: [
        "", "not a url", "file:///etc/passwd", "ftp://receiver.test/", "receiver.test", "//receiver.test",
    ])
    func `a target that cannot be called is refused`(url: String) {
        let message = fault { () throws(EventError) in try input(subscription(["target_url": "\"\(url)\""])) }
        #expect(message?.hasPrefix("target_url: ") == true)
    }

    @Test func `empty credentials are refused in a new subscription, and accepted in a change, as GET shows them`()
        throws
    {
        #expect(
            fault { () throws(EventError) in try input(subscription(["auth": "{}"])) }
                == "auth.type: must be \"basic\" or \"header\".")
        let change = try input(#"{"auth": {}}"#, isNew: false)
        #expect(text(change.auth?.text) == "{}" && change.auth?.header == nil)
    }

    @Test func `credentials are stored as given, with members that are not used`() throws {
        let auth = #"{"type":"basic" , "basic": {"username": "u", "password": "p", "more": 1}, "other": null}"#
        let input = try input(subscription(["auth": auth]))
        #expect(text(input.auth?.text) == auth)
        #expect(input.auth?.header == "Basic dTpw")
    }
}
