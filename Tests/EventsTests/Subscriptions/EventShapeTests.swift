import CloudEvents
import Delivery
import JSON
import Testing

@testable import Events

@Suite struct EventShapeTests {
    private func shape(
        _ body: String, _ format: Subscription.Format, _ extensions: String = "{}"
    ) throws -> (headers: [String: String], body: String) {
        let shape = try #require(
            EventShape(bytes: EventShape(format: format, extensions: Array(extensions.utf8)).bytes))
        let shaped = try shape.shape(Array(body.utf8), id: "own-id")
        // No header is repeated.
        let headers = Dictionary(uniqueKeysWithValues: shaped.headers.map { ($0.name.lowercased(), $0.value) })
        return (headers, String(decoding: shaped.body, as: UTF8.self))
    }

    @Test func `a shape is read from its stored bytes, and other bytes are refused`() {
        for format in Subscription.Format.allCases {
            let shape = EventShape(format: format, extensions: Array("{}".utf8))
            #expect(EventShape(bytes: shape.bytes) == shape)
        }
        #expect(EventShape(bytes: []) == nil && EventShape(bytes: [3]) == nil)
    }

    // MARK: JSON

    @Test(
        arguments: [
            // Nothing to add: unchanged, with the member that clients know.
            (
                #"{"b": 1,"a":12345678901234567890123 , "x": 1E400}"#, "{}",
                #"{"b": 1,"a":12345678901234567890123 , "x": 1E400, "extensions": {}}"#
            ),
            (#"{"extensions": { "k":1 }, "é":"é"}"#, "{}", #"{"extensions": { "k":1 }, "é":"é"}"#),
            ("{}", #"{"a":1}"#, #"{"extensions": {"a":1}}"#), (" { } \n", "{}", " { \"extensions\": {}} \n"),
            // The subscription overrides the event; the order stays, and new members come last.
            (
                #"{"z":0,"extensions":{"k" : 1e0,"l":2},"y": 0.10}"#, #"{"l": {"m":1}, "n":[1,2]}"#,
                #"{"z":0,"extensions":{"k": 1e0, "l": {"m":1}, "n": [1,2]},"y": 0.10}"#
            ),
            (#"{"extensions": {"k": {"deep": 1}}}"#, #"{"k": {"other": 2}}"#, #"{"extensions": {"k": {"other": 2}}}"#),
            (#"{"extensions": null, "a": 1}"#, "{}", #"{"extensions": {}, "a": 1}"#),
            (#"{"extensions": null}"#, #"{"a": 1}"#, #"{"extensions": {"a": 1}}"#),
            // Only the member of the event itself counts.
            (#"{"data": {"extensions": {"a": 1}}}"#, "{}", #"{"data": {"extensions": {"a": 1}}, "extensions": {}}"#),
            (#"{"ext\u0065nsions": {"a": 1}}"#, #"{"b": 2}"#, #"{"ext\u0065nsions": {"a": 1, "b": 2}}"#),
        ])
    func `extensions override those of the event, and all other bytes stay`(
        body: String, extensions: String, wanted: String
    ) throws {
        let shaped = try shape(body, .json, extensions)
        #expect(shaped.body == wanted)
        #expect(shaped.headers == ["content-type": "application/json"])
    }

    @Test func `names that only look the same are different`() throws {
        let shaped = try shape("{\"extensions\": {\"e\u{301}\": 1}}", .json, "{\"\u{e9}\": 2}")
        let extensions = try parsed(shaped.body)["extensions"]
        #expect(extensions?.members().count == 2)
    }

    @Test(.timeLimit(.minutes(1)), arguments: Subscription.Format.allCases)
    func `an event with a hundred thousand extensions is written within a minute`(format: Subscription.Format) throws {
        let many = (0..<100_000).map { "\"x\($0)\":\($0)" }.joined(separator: ",")
        let event = #"{"specversion":"1.0","id":"i","source":"/s","type":"t","extensions":{"# + many + "}}"
        let shaped = try shape(event, format, #"{"x7": 8, "last": 9}"#)
        switch format {
        case .json:
            let extensions = try #require(try parsed(shaped.body)["extensions"])
            #expect(extensions.members().count == 100_001 && extensions["x7"]?.integer == 8)
            #expect(extensions["x99999"]?.integer == 99_999 && extensions["last"]?.integer == 9)
        case .structured:
            let written = try parsed(shaped.body)
            #expect(written.members().count == 4 + 100_001 && written["x7"]?.integer == 8)
        case .binary:
            #expect(shaped.headers["ce-x7"] == "8" && shaped.headers["ce-x99999"] == "99999")
        }
    }

    @Test(arguments: ["[]", "1", "", "{"])
    func `a body that is not an object is refused`(body: String) {
        for format in Subscription.Format.allCases {
            #expect(throws: EventShape.Fault.self) { try shape(body, format) }
        }
    }

    // MARK: Structured

    @Test(
        arguments: [
            // 1.0: unchanged.
            (
                #"{"specversion":"1.0","id":"i","source":"/s","type":"t","data":{"a":1.50}}"#, "{}",
                #"{"specversion": "1.0", "id": "i", "source": "/s", "type": "t", "data": {"a": 1.50}}"#
            ),
            // Extensions of the older kind become attributes, unless these exist.
            (
                #"{"specversion":"1.0","id":"i","source":"/s","type":"t","a":1,"extensions":{"A":2,"b":true}}"#, "{}",
                #"{"specversion": "1.0", "id": "i", "source": "/s", "type": "t", "a": 1, "b": true}"#
            ),
            // 0.1: with the names of 1.0.
            (
                #"{"cloudEventsVersion":"0.1","eventID":"1","source":"/s","eventType":"t","eventTime":"2026-11-22T06:05:37","#
                    + #""contentType":"application/json","schemaURL":"http://a.test/","data":[1],"extensions":{"x-y":"z"}}"#,
                "{}",
                #"{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": "2026-11-22T06:05:37Z", "#
                    + #""datacontenttype": "application/json", "dataschema": "http://a.test/", "xy": "z", "data": [1]}"#
            ),
            // 0.1 without the required attributes.
            (
                #"{"cloudEventsVersion":"0.1"}"#, "{}",
                #"{"specversion": "1.0", "id": "own-id", "source": "/receive", "type": "event"}"#
            ),
            // Anything else is data.
            (
                #"{"b":1,"a":12345678901234567890}"#, "{}",
                #"{"specversion": "1.0", "id": "own-id", "source": "/receive", "type": "event", "#
                    + #""datacontenttype": "application/json", "data": {"b": 1, "a": 12345678901234567890}}"#
            ),
            // The subscription overrides the event; values that attributes cannot have become text, or are left out.
            (
                #"{"specversion":"1.0","id":"i","source":"/s","type":"t","a":1}"#,
                #"{"A": 2, "big": 12345678901, "o": {"k": [1]}, "n": null, "___": 1}"#,
                #"{"specversion": "1.0", "id": "i", "source": "/s", "type": "t", "a": 2, "big": "12345678901", "#
                    + #""o": "{\"k\": [1]}"}"#
            ),
        ])
    func `every event becomes a CloudEvent of version 1.0`(body: String, extensions: String, wanted: String) throws {
        let shaped = try shape(body, .structured, extensions)
        #expect(shaped.body == wanted)
        #expect(shaped.headers == ["content-type": "application/cloudevents+json; charset=utf-8"])
        _ = try CloudEvent(checking: object(shaped.body))
    }

    @Test(arguments: [
        #"{"id": "x", "source": "x", "type": "x", "specversion": "0.1"}"#, #"{"ID": null, "Type": 1}"#,
        #"{"time": "junk", "subject": "", "datacontenttype": 1, "dataschema": "/x"}"#,
        #"{"data": 1, "data_base64": 2}"#,
        #"{"extensions": {}, "extensions ": "x"}"#,
    ])
    func `extensions of a subscription do not remove required attributes, or make the event invalid`(
        extensions: String
    ) throws {
        let body =
            #"{"specversion": "1.0", "id": "i", "source": "/s", "type": "t", "time": "2026-11-22T06:05:37Z", "data": 1}"#
        let shaped = try shape(body, .structured, extensions)
        let event = try CloudEvent(checking: object(shaped.body))
        #expect(event.type == "t" && event.data == .json(.number("1")))
        for name in ["id", "source", "time"] {
            let value = event.attributes.first { $0.name == name }?.value
            #expect(value == object(body).first { $0.name == name }?.value, "\(name)")
        }
        let binary = try shape(body, .binary, extensions)
        #expect(binary.headers["ce-id"] == "i" && binary.headers["ce-type"] == "t" && binary.body == "1")
    }

    // MARK: Binary

    @Test(
        arguments: [
            (
                #"{"specversion":"1.0","id":"i","source":"/s","type":"t","datacontenttype":"text/plain","data":"é"}"#,
                [
                    "ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "t",
                    "content-type": "text/plain",
                ],
                "é"
            ),
            (
                #"{"specversion":"1.0","id":"é","source":"/s","type":"t","n":5,"data_base64":"AQI="}"#,
                [
                    "ce-specversion": "1.0", "ce-id": "%C3%A9", "ce-source": "/s", "ce-type": "t", "ce-n": "5",
                    "content-type": "application/octet-stream",
                ], "\u{1}\u{2}"
            ),
            (
                #"{"cloudEventsVersion":"0.1","eventID":"1","source":"/s","eventType":"t","data":{"a":1}}"#,
                [
                    "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t",
                    "content-type": "application/json",
                ], #"{"a": 1}"#
            ),
            (
                #"{"x":1}"#,
                [
                    "ce-specversion": "1.0", "ce-id": "own-id", "ce-source": "/receive", "ce-type": "event",
                    "content-type": "application/json",
                ], #"{"x": 1}"#
            ),
        ])
    func `attributes become headers`(body: String, headers: [String: String], wanted: String) throws {
        let shaped = try shape(body, .binary)
        #expect(shaped.headers == headers)
        #expect(shaped.body == wanted)
    }
}
