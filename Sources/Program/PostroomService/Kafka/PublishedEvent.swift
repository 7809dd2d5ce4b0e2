internal import HTTP
internal import Kafka
internal import Values
internal import Webhooks

/// An event that was published as a message of a Kafka topic.
struct PublishedEvent: Equatable {
    let environment: UUID
    let event: Event

    /// - Parameters:
    ///   - type: the kind of event that the topic is for; `nil`: any.
    ///   - maximumBytes: the longest value of a message that is accepted.
    init(_ message: Message, type: String?, maximumBytes: Int, now: Timestamp) throws(APIError) {
        let size = message.value?.count ?? 0
        guard size <= maximumBytes else {
            throw APIError(.validation, "The message has more than \(maximumBytes) bytes.")
        }
        let body = try Self.body(of: message)
        let input = try EventInput(parsing: body, type: type)
        if let type, input.type != type {
            throw APIError(.validation, "The event is \"\(input.type)\", but the topic is for \"\(type)\".")
        }
        guard let environment = input.environment else {
            throw APIError(.validation, "The event has no environment_id (in a CloudEvent: environmentid).")
        }
        let published = message.milliseconds.map { Timestamp(microseconds: $0.multipliedReportingOverflow(by: 1000).0) }
        self.environment = environment
        event = input.event(id: input.id ?? Self.id(of: message), in: environment, at: published ?? now)
    }

    /// The event as JSON: the message's value or, for a CloudEvent in binary mode, made of its headers and its value.
    private static func body(of message: Message) throws(APIError) -> [UInt8] {
        func text(_ header: Message.Header) throws(APIError) -> String {
            guard let text = String(validating: header.value ?? [], as: UTF8.self) else {
                throw APIError(.validation, "The header \(header.name) is not UTF-8.")
            }
            return text
        }
        var contentType: String?
        var attributes: [(name: String, value: String)] = []
        for header in message.headers {
            let name = header.name.lowercased()
            if name == "content-type" { contentType = try text(header) }
            if name.hasPrefix("ce_") { attributes.append((String(name.dropFirst(3)), try text(header))) }
        }
        let isStructured = MediaType(contentType ?? "").name.hasPrefix("application/cloudevents")
        if !isStructured, attributes.contains(where: { $0.name == "specversion" }) {
            return try BinaryCloudEvent(attributes: attributes, contentType: contentType, data: message.value)
                .structured()
        }
        guard let body = message.value else { throw APIError(.validation, "The message has no value.") }
        return body
    }

    /// The id of an event that does not give one. It is made from the message, so that a message that is read again gives
    /// the same id.
    ///
    /// The time distinguishes the message from one of an earlier topic of that name, or of another cluster. An id has no
    /// full stop (Standard Webhooks), so that `_` replaces it: Kafka refuses topics whose names differ only in `.` and `_`.
    private static func id(of message: Message) -> String {
        let topic = message.topic.replacing(".", with: "_")
        let origin = "\(topic)-\(message.partition)-\(message.offset)"
        return message.milliseconds.map { "\(origin)-\($0)" } ?? origin
    }
}
