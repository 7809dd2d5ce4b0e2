internal import CloudEvents
internal import Encodings
internal import HTTP
internal import HTTPTypes
package import JSON

/// The events in a request to `/receive`.
///
/// The Content-Type selects batched and structured mode, the headers select binary mode (http-protocol-binding.md,
/// section 3). Any other request is one event, which may be any JSON object.
package struct EventIntake {
    /// An event without the id that it gets here.
    struct Event: Equatable {
        let type: String
        let body: [UInt8]
        /// `source` and `id`, which identify a CloudEvent; `nil` if the event does not have both.
        var identity: ReceivedEvent.Identity?
    }

    let events: [Event]
    /// Whether the request was a batch, which may be empty.
    let isBatch: Bool

    static let maximumBatch = 10_000
    /// Limits memory: parsed values take up far more memory than their text.
    static let maximumValues = 2_000_000

    init(_ fields: FieldList, body: [UInt8]) throws(EventError) {
        let contentType = fields.firstValue(of: "content-type").map { String(decoding: $0, as: UTF8.self) }
        let type = MediaType(contentType ?? "")
        if type.name.hasPrefix("application/cloudevents-batch") {
            events = try Self.batch(try RequestBody.jsonText(body))
            isBatch = true
            return
        }
        isBatch = false
        if type.name.hasPrefix("application/cloudevents") {
            events = [try Self.structured(try RequestBody.jsonText(body))]
        } else if BinaryMode.isUsed(in: fields) {
            let event = try Self.checked { () throws(CloudEventFault) in
                try BinaryMode.read(
                    fields, contentType: contentType, body: body, maximumValues: Self.maximumValues)
            }
            events = [Self.event(event)]
        } else if type.isForm {
            throw EventError(.badRequest, "Unexpected body parameters: the body must be JSON, and not a form.")
        } else {
            let body = try RequestBody.jsonText(body)
            let value = try Self.json(body)
            let type = try Self.checkPlain(value)
            events = [Event(type: type, body: body, identity: Self.identity(of: value))]
        }
    }

    private static func json(_ body: [UInt8]) throws(EventError) -> JSON {
        try JSON(body: body, maximumValues: maximumValues, refusal: EventError.badRequest)
    }

    /// Accepts any object as an event if its `extensions`, to which subscriptions add members, is an object, null or absent.
    /// - Returns: the type of the event.
    private static func checkPlain(_ value: JSON) throws(EventError) -> String {
        guard case .object = value else { throw EventError(.badRequest, "The event must be a JSON object.") }
        switch value[CloudEvent.extensionsName] {
        case nil, .object?, .null?: break
        default: throw EventError(.badRequest, "extensions: must be an object.")
        }
        return type(of: value)
    }

    /// The type that an event has in `eventType` or `type`; empty if it has neither.
    package static func type(of value: JSON) -> String { value["eventType"]?.string ?? value["type"]?.string ?? "" }

    private static func type(ofChecked members: [JSON.Member]) throws(EventError) -> String {
        try checked { () throws(CloudEventFault) in try CloudEvent(checking: members) }.type
    }

    private static func checked(_ read: () throws(CloudEventFault) -> CloudEvent) throws(EventError) -> CloudEvent {
        do throws(CloudEventFault) { return try read() } catch { throw EventError(.badRequest, "\(error)") }
    }

    private static func structured(_ body: [UInt8]) throws(EventError) -> Event {
        let value = try json(body)
        guard case .object(let members) = value else {
            throw EventError(.badRequest, "The event must be a JSON object.")
        }
        // Version 0.1 is checked only as a plain event, as it always was.
        let type = value["cloudEventsVersion"] != nil ? try checkPlain(value) : try Self.type(ofChecked: members)
        return Event(type: type, body: body, identity: identity(of: value))
    }

    private static func batch(_ body: [UInt8]) throws(EventError) -> [Event] {
        let document = try JSONDocument(
            body: body, maximumValues: maximumValues, refusal: EventError.badRequest
        ).root
        guard let nodes = document.elements else { throw EventError(.badRequest, "The batch must be a JSON array.") }
        guard nodes.count <= maximumBatch else {
            throw EventError(.badRequest, "A batch can have at most \(maximumBatch) events.")
        }
        var events: [Event] = []
        for (index, node) in nodes.enumerated() {
            do throws(EventError) {
                guard case .object(let members) = node.value else {
                    throw EventError(.badRequest, "must be a JSON object.")
                }
                let text = Array(body[node.range])
                let isOlder = node.value["cloudEventsVersion"] != nil
                let type = isOlder ? try checkPlain(node.value) : try Self.type(ofChecked: members)
                events.append(Event(type: type, body: text, identity: identity(of: node.value)))
            } catch {
                throw EventError(error.status, "[\(index)]: \(error.message)")
            }
        }
        return events
    }

    private static func event(_ event: CloudEvent) -> Event {
        var json = JSONWriter()
        event.write(to: &json)
        return Event(type: event.type, body: json.bytes, identity: identity(of: .object(event.attributes)))
    }

    /// The identity of a CloudEvent of any version; `nil` for other events.
    private static func identity(of value: JSON) -> ReceivedEvent.Identity? {
        let id = value["cloudEventsVersion"] != nil ? value["eventID"] : value["specversion"] != nil ? value["id"] : nil
        guard let id = id?.string, let source = value["source"]?.string, !id.isEmpty, !source.isEmpty else {
            return nil
        }
        return ReceivedEvent.Identity(source: source, id: id)
    }
}
