import HTTP
import Testing
import Values

@testable import Webhooks

@Suite struct EventInputTests {
    private static let environment = UUID(Example.environment)!
    private static let now = Example.moment.wall

    private func input(_ body: String, type: String? = nil) throws(APIError) -> EventInput {
        try EventInput(parsing: Array(body.utf8), type: type)
    }

    private func body(_ input: EventInput) -> String {
        let event = input.event(id: input.id ?? "made", in: Self.environment, at: Self.now)
        #expect(event.type == input.type && event.id == input.id ?? "made")
        return String(decoding: event.body, as: UTF8.self)
    }

    @Test func `an event is sent with its members in the documented order, and its data unchanged`() throws {
        let data = #"{ "b":1.50,"a":1e2, "a":123456789012345678901,"t":"\u00e9é\/" ,"l":[1 , null]}"#
        let input = try input(
            "{\"data\": \(data) , \"timestamp\": \"2026-11-22T07:05:37+01:00\", \"event_id\": \"e/1\", "
                + "\"event\": \"job-created\"}")
        #expect(
            body(input) == "{\"event\": \"job-created\", \"event_id\": \"e/1\", \"environment_id\": "
                + "\"\(Example.environment)\", \"timestamp\": \"2026-11-22T06:05:37.000Z\", \"data\": \(data)}")
    }

    @Test func `a CloudEvent is sent in the same form`() throws {
        let input = try input(
            """
            {"specversion": "1.0", "id": "a\\"b", "source": "/x", "type": "pipeline-created", "extension": 1,
            "environmentid": "\(Example.environment.uppercased())", "time": "2026-11-22t06:05:37.25z",
            "datacontenttype": "application/json", "data": "text"}
            """)
        #expect(input.environment == Self.environment)
        #expect(
            body(input) == """
                {"event": "pipeline-created", "event_id": "a\\"b", "environment_id": "\(Example.environment)", \
                "timestamp": "2026-11-22T06:05:37.250Z", "data": "text"}
                """)
    }

    @Test func `missing optional members get defaults`() throws {
        let input = try input(#"{"event": "job-created", "data": null, "event_id": null, "timestamp": null}"#)
        #expect(
            body(input) == """
                {"event": "job-created", "event_id": "made", "environment_id": "\(Example.environment)", \
                "timestamp": "2026-11-22T06:05:37.619Z", "data": null}
                """)
        let bare = try self.input(#"{"specversion": "1.0", "id": "1", "source": "/s", "type": "job-created"}"#)
        #expect(bare.data == Array("null".utf8))
    }

    @Test func `the type may be given beside the body, and the body's own type overrides it`() throws {
        #expect(try input(#"{"data": 1}"#, type: "job-created").type == "job-created")
        #expect(try input(#"{"data": 1, "event": "job-completed"}"#, type: "job-created").type == "job-completed")
    }

    @Test(
        arguments: [
            ("", .malformedJSON, "not JSON"), ("1", .validation, "an object"),
            ("{}", .validation, "data: is required. event: is required."),
            (#"{"event": "x", "data": 1}"#, .unknownEvent, "event: unknown event \"x\"."),
            (#"{"event": 1, "data": 1}"#, .validation, "event: must be the name of an event."),
            (#"{"event": "job-created", "data": 1, "eventid": "a"}"#, .validation, "eventid: unknown member."),
            (#"{"event": "job-created", "data": 1, "data": 2}"#, .validation, "data: duplicate member."),
            (
                #"{"event": "job-created", "data": 1, "event_id": ""}"#, .validation,
                "event_id: must be 1 to 255 visible"
            ),
            (#"{"event": "job-created", "data": 1, "event_id": "a b"}"#, .validation, "event_id: must be 1 to 255"),
            (#"{"event": "job-created", "data": 1, "event_id": "a.b"}"#, .validation, "event_id: must be 1 to 255"),
            (#"{"event": "job-created", "data": 1, "event_id": "é"}"#, .validation, "event_id: must be 1 to 255"),
            (#"{"event": "job-created", "data": 1, "event_id": 1}"#, .validation, "event_id: must be 1 to 255"),
            (
                #"{"event": "job-created", "data": 1, "timestamp": "now"}"#, .validation,
                "timestamp: must be a date and time"
            ),
            (
                #"{"event": "job-created", "data": 1, "environment_id": "x"}"#, .validation,
                "environment_id: must be a UUID"
            ),
            (
                #"{"specversion": "0.4", "id": "1", "source": "/s", "type": "job-created"}"#, .validation,
                "specversion: must be \"1.0\""
            ),
            (#"{"specversion": "1.0", "source": "/s", "type": "job-created"}"#, .validation, "id: is required."),
            (#"{"specversion": "1.0", "id": "1"}"#, .validation, "type: is required."),
            (#"{"specversion": "1.0", "id": "1", "type": "job-created"}"#, .validation, "source: is required."),
            (#"{"specversion": "1.0", "id": "1", "type": "x"}"#, .unknownEvent, "type: unknown event"),
            (
                #"{"specversion": "1.0", "id": "1", "type": "job-created", "data_base64": "AA=="}"#, .validation,
                "data_base64: is not supported: only JSON"
            ),
        ] as [(String, ErrorCode, String)])
    func `an invalid event is refused with the member and the error code`(
        body: String, code: ErrorCode, message: String
    ) {
        let error = #expect(throws: APIError.self) { try input(body) }
        #expect(error?.code == code)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [(255, true), (256, false)])
    func `an id has no more than 255 characters`(count: Int, isRight: Bool) {
        let id = String(repeating: "x", count: count)
        let body = "{\"event\": \"job-created\", \"data\": 1, \"event_id\": \"\(id)\"}"
        #expect(((try? input(body)) != nil) == isRight)
    }
}
