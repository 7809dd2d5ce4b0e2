import HTTP
import Kafka
import Testing
import Values
import Webhooks

@testable import PostroomService

struct PublishedEventTests {
    private static let environment = "5b1f6c0e-6f6a-4f4e-9a51-0d5f3a1c2b7d"

    private func message(
        _ text: String?, topic: String = "job-created", offset: Int64 = 7, milliseconds: Int64? = 1_000
    ) -> Message {
        Message(
            topic: topic, partition: 3, offset: offset, milliseconds: milliseconds, value: text.map { Array($0.utf8) })
    }

    private func event(_ message: Message, type: String? = "job-created") throws -> PublishedEvent {
        try PublishedEvent(message, type: type, maximumBytes: 200, now: Timestamp(microseconds: 0))
    }

    private func plain(_ members: String = "") -> String {
        #"{"environment_id":"\#(Self.environment)",\#(members)"data":1}"#
    }

    @Test func `an event without an id gets one from the offset and time of its message`() throws {
        let first = try event(message(plain()))
        #expect(first.event.id == "job-created-3-7-1000")
        #expect(first.environment == UUID(Self.environment))
        #expect(String(decoding: first.event.body, as: UTF8.self).contains("1970-01-01T00:00:01"))
        #expect(try event(message(plain())) == first)
        #expect(try event(message(plain(), offset: 8)).event.id != first.event.id)
        #expect(try event(message(plain(), milliseconds: 1_001)).event.id != first.event.id)
        #expect(try event(message(plain(), milliseconds: nil)).event.id == "job-created-3-7")
        #expect(try event(message(plain(), topic: "a.b-job-created")).event.id == "a_b-job-created-3-7-1000")
    }

    private func binary(
        _ data: String?, _ more: [(String, String)] = [], type: String = "job-created", contentType: String? = nil
    ) -> Message {
        var headers = [
            ("ce_specversion", "1.0"), ("ce_id", "x"), ("ce_source", "/s"), ("ce_type", type),
            ("ce_environmentid", Self.environment), ("ce_time", "2026-11-22T16:00:00Z"),
        ]
        if let contentType { headers.append(("content-type", contentType)) }
        return Message(
            topic: "events", partition: 0, offset: 0, value: data.map { Array($0.utf8) },
            headers: (headers + more).map { Message.Header(name: $0.0, value: Array($0.1.utf8)) })
    }

    @Test(arguments: [nil, "application/json; charset=utf-8", "Application/X+JSON", ""])
    func `a CloudEvent in binary mode is read from the headers and the value`(type: String?) throws {
        let published = try event(binary(#"{"job_id": 1}"#, [("other", "y")], contentType: type), type: nil)
        #expect(published.environment == UUID(Self.environment) && published.event.id == "x")
        let body = String(decoding: published.event.body, as: UTF8.self)
        #expect(body.contains(#""data": {"job_id": 1}"#) && body.contains("2026-11-22T16:00:00"))
        #expect(try event(binary(nil), type: nil).event.id == "x")
    }

    @Test(
        arguments: [
            ("text", "text/plain", []), ("{", nil, []), (#"1, "id": "y""#, nil, []), ("", nil, []),
            ("1", nil, [("ce_id", "y")]), ("1", nil, [("ce_data", "2")]), ("1", nil, [("ce_data_base64", "MQ==")]),
        ] as [(String, String?, [(String, String)])])
    func `an invalid CloudEvent in binary mode is refused`(
        data: String, type: String?, more: [(String, String)]
    ) {
        #expect(throws: APIError.self) { try event(binary(data, more, contentType: type), type: nil) }
    }

    @Test func `in structured mode the attributes in the body count, not those in headers`() throws {
        let body =
            #"{"specversion":"1.0","id":"s","source":"/s","type":"job-created","environmentid":"\#(Self.environment)"}"#
        let message = binary(body, contentType: "application/cloudevents+json; charset=UTF-8")
        #expect(try event(message, type: nil).event.id == "s")
    }

    @Test func `the id from the longest topic is not too long for an event`() throws {
        var settings = KafkaSettings()
        settings.topicPrefix = String(repeating: "p", count: 180)
        for topic in settings.topics {
            let message = Message(
                topic: topic, partition: .max, offset: .max, milliseconds: 9_999_999_999_999, value: Array(plain().utf8)
            )
            #expect(try event(message).event.id.utf8.count <= 255)
        }
    }

    @Test func `an event with an id keeps it`() throws {
        #expect(try event(message(plain(#""event_id":"x","#))).event.id == "x")
    }

    @Test(arguments: [
        nil, "", "{", "[]", #"{"data":1}"#, #"{"environment_id":"x","data":1}"#,
        #"{"environment_id":"\#(environment)","event":"job-completed","data":1}"#,
        #"{"environment_id":"\#(environment)","event":"lunch","data":1}"#,
        #"{"environment_id":"\#(environment)","data":"\#(String(repeating: "x", count: 200))"}"#,
    ])
    func `a message that is not an event of its topic and an environment is refused`(text: String?) {
        #expect(throws: APIError.self) { try event(message(text)) }
    }

    @Test func `on the topic for all events, a message must have its type`() throws {
        #expect(try event(message(plain(#""event":"job-created","#)), type: nil).event.type == "job-created")
        #expect(throws: APIError.self) { try event(message(plain()), type: nil) }
    }

    @Test func `each event type has a topic, and there is one for all`() {
        var settings = KafkaSettings()
        settings.topicPrefix = "a."
        #expect(settings.topics.count == 9 && settings.group == "a.notification-management")
        #expect(settings.eventType(ofTopic: "a.job-created")?.name == "job-created")
        #expect(settings.eventType(ofTopic: "a.events") == nil)
    }
}
