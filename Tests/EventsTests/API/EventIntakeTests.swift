import HTTP
import Testing

@testable import Events

@Suite struct EventIntakeTests {
    private static let event = #"{"specversion": "1.0", "id": "i", "source": "/s", "type": "t"}"#
    private static let older = #"{"cloudEventsVersion": "0.1", "eventType": "old", "eventID": "1", "source": "/s"}"#

    private func intake(
        _ body: String, type: String? = nil, _ more: [(String, String)] = []
    ) throws(EventError) -> EventIntake {
        let types = type.map { [("CONTENT-type", $0)] } ?? []
        return try EventIntake(fields(types + more), body: Array(body.utf8))
    }

    // MARK: Any JSON

    @Test(
        arguments: [
            ("{}", ""), (older, "old"), (#"{"type": "t"}"#, "t"), (#"{"eventType": 1, "type": "t"}"#, "t"),
            (#" {"b": 1, "a": 12345678901234567890} "#, ""), (#"{"extensions": null}"#, ""),
            (#"{"extensions": {"a": 1}}"#, ""), (#"{"specversion": "1.0"}"#, ""),
        ])
    func `a JSON object is an event, byte for byte`(body: String, type: String) throws {
        for contentType in [nil, "application/json", "text/plain; charset=utf-8", "junk", "application/cloud"] {
            let intake = try intake(body, type: contentType)
            #expect(intake.bare == [EventIntake.Event(type: type, body: Array(body.utf8))] && !intake.isBatch)
        }
    }

    @Test(arguments: [
        "", " ", "x", "[]", "null", "1", "\"x\"", "[{}]", "\u{feff}\u{feff}{}", "{", #"{"a": NaN}"#,
        #"{"extensions": 1}"#,
        #"{"extensions": []}"#, #"{"extensions": "x"}"#, String(repeating: "[", count: 100_000),
        String(repeating: #"{"a":"#, count: 100_000),
    ])
    func `a body that is not an event is refused`(body: String) {
        for type in [nil, "application/json", "application/cloudevents+json", "application/cloudevents"] {
            #expect(fault { () throws(EventError) in try intake(body, type: type) } != nil)
        }
    }

    @Test(arguments: [
        "application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8",
        "multipart/form-data; boundary=x", "MULTIPART/mixed",
    ])
    func `a form is refused`(type: String) {
        let message = fault { () throws(EventError) in try intake("{}", type: type) }
        #expect(message?.hasPrefix("Unexpected body parameters: ") == true)
    }

    // MARK: Structured

    @Test(arguments: [
        "application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8", "APPLICATION/CLOUDEVENTS",
        " application/cloudevents+json ;x=y", "application/cloudevents+json;charset=utf-8",
    ])
    func `a structured event is checked, and stored byte for byte`(type: String) throws {
        let body = " " + Self.event + "\n"
        #expect(try intake(body, type: type).bare == [EventIntake.Event(type: "t", body: Array(body.utf8))])
        #expect(try intake(Self.older, type: type).events.map(\.type) == ["old"])
        #expect(fault { () throws(EventError) in try intake("{}", type: type) } == "specversion: is required.")
        // The media type takes precedence over the headers.
        #expect(try intake(body, type: type, [("ce-specversion", "1.0")]).events.map(\.type) == ["t"])
    }

    // MARK: Batches

    @Test(arguments: [
        "application/cloudevents-batch+json", "APPLICATION/CloudEvents-Batch+json ; charset=utf-8",
        "application/cloudevents-batch",
    ])
    func `a batch has any number of events, each byte for byte`(type: String) throws {
        let none = try intake("[ ]", type: type)
        #expect(none.events.isEmpty && none.isBatch)
        let one = try intake("[\(Self.event)]", type: type)
        #expect(one.bare == [EventIntake.Event(type: "t", body: Array(Self.event.utf8))] && one.isBatch)
        let many = try intake("[ \(Self.event) ,\n\(Self.older),\(Self.event)]", type: type)
        #expect(many.events.map(\.type) == ["t", "old", "t"])
        #expect(many.events.map { text($0.body) } == [Self.event, Self.older, Self.event])
    }

    @Test(
        arguments: [
            ("{}", "The batch must be a JSON array."), ("1", "The batch must be a JSON array."),
            ("", "The body is not JSON: "),
            ("[\(event), {}]", "[1]: specversion: is required."), ("[1]", "[0]: must be a JSON object."),
            ("[\(event), \(event), null]", "[2]: must be a JSON object."),
            (#"[{"cloudEventsVersion": "0.1", "extensions": 1}]"#, "[0]: extensions: must be an object."),
            ("[\(event),]", "The body is not JSON: "),
        ])
    func `a batch with an invalid event is refused as a whole, with the index of the event`(
        body: String, message: String
    ) {
        let found = fault { () throws(EventError) in try intake(body, type: "application/cloudevents-batch+json") }
        #expect(found?.hasPrefix(message) == true, "\(found ?? "accepted")")
    }

    @Test func `a batch has at most 10,000 events`() throws {
        func batch(_ count: Int) throws(EventError) -> Int {
            let events = Array(repeating: Self.event, count: count).joined(separator: ",")
            return try intake("[\(events)]", type: "application/cloudevents-batch+json").events.count
        }
        #expect(try batch(10_000) == 10_000)
        #expect(throws: EventError.self) { try batch(10_001) }
    }

    // MARK: Binary

    @Test func `a binary event is stored in structured form`() throws {
        let headers = [("ce-specversion", "1.0"), ("ce-id", "i"), ("ce-source", "/s"), ("ce-type", "t")]
        let intake = try intake(#"{"a":1}"#, type: "application/json", headers)
        #expect(intake.events.map(\.type) == ["t"])
        #expect(
            intake.events.map { text($0.body) } == [
                #"{"specversion": "1.0", "id": "i", "source": "/s", "type": "t", "#
                    + #""datacontenttype": "application/json", "data": {"a": 1}}"#
            ])
        let bytes = try EventIntake(fields(headers + [("Content-Type", "image/png")]), body: [0, 0xff])
        #expect(
            text(bytes.events.first?.body)?.hasSuffix(#""datacontenttype": "image/png", "data_base64": "AP8="}"#)
                == true)
        #expect(throws: EventError.self) { try self.intake("", type: nil, Array(headers.dropLast())) }
    }
}

extension EventIntake {
    /// The events without their identity.
    fileprivate var bare: [Event] { events.map { Event(type: $0.type, body: $0.body) } }
}
