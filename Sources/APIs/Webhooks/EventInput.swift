internal import CloudEvents
internal import HTTP
internal import JSON
package import Values

/// A published event: `{"event", "event_id"?, "timestamp"?, "data"}`, or a structured CloudEvent of version 1.0 or 0.3.
package struct EventInput: Equatable, Sendable {
    /// One of the names in `EventType.all`.
    package let type: String
    /// `nil` if the publisher gave none.
    package let id: String?
    package let timestamp: Timestamp?
    /// The environment that the event names, if any.
    package let environment: UUID?
    /// The data, as JSON text that is kept as sent.
    package let data: [UInt8]

    /// - Parameter type: the type if the event does not give one.
    package init(parsing body: [UInt8], type: String? = nil) throws(APIError) {
        var object = try InputObject(parsing: body)
        let isCloudEvent = object.has("specversion")
        let names: Names = isCloudEvent ? .cloudEvent : .plain
        if isCloudEvent {
            let encoding = object["specversion"] == .string("0.3") ? "datacontentencoding" : "data_base64"
            if object.has(encoding) {
                object.fault(encoding, "is not supported: only JSON in \"data\" can be delivered")
            }
        } else {
            // A misspelt `event_id` must not be ignored: each retry would then be a new event.
            object.refuseOthers(than: ["event", "event_id", "environment_id", "timestamp", "data"])
            if !object.has("data") { object.fault("data", "is required") }
        }
        self.type = Self.type(names.type, &object) ?? type ?? ""
        if object[names.type] == nil, type == nil { object.fault(names.type, "is required") }
        id = Self.id(names.id, &object)
        timestamp = object.time(names.time)
        environment = Self.uuid(names.environment, &object)
        data = object.text(of: "data") ?? Array("null".utf8)
        // Report events that are invalid CloudEvents for any receiver, even if they pass the checks above.
        if isCloudEvent, object.faults.isEmpty { object.checkCloudEvent(of: self.type) }
        try object.check()
    }

    /// The names of the members; extension attributes of CloudEvents have no underscores.
    private struct Names {
        let type: String
        let id: String
        let time: String
        let environment: String

        static let plain = Names(type: "event", id: "event_id", time: "timestamp", environment: "environment_id")
        static let cloudEvent = Names(type: "type", id: "id", time: "time", environment: "environmentid")
    }

    private static func type(_ name: String, _ object: inout InputObject) -> String? {
        guard let value = object[name] else { return nil }
        guard let type = value.string else {
            object.fault(name, "must be the name of an event")
            return nil
        }
        if EventType.named(type) == nil {
            object.fault(name, "unknown event \"\(shown(type))\"", .unknownEvent)
        }
        return type
    }

    private static func id(_ name: String, _ object: inout InputObject) -> String? {
        guard let value = object[name] else { return nil }
        guard let id = value.string, isID(id), !id.utf8.contains(UInt8(ascii: ".")) else {
            // Standard Webhooks signs the id followed by a full stop.
            object.fault(name, "must be 1 to 255 visible ASCII characters without a full stop")
            return nil
        }
        return id
    }

    private static func uuid(_ name: String, _ object: inout InputObject) -> UUID? {
        guard let value = object[name] else { return nil }
        guard let uuid = value.string.flatMap({ UUID($0) }) else {
            object.fault(name, "must be a UUID")
            return nil
        }
        return uuid
    }

    /// Whether a text can be the id of an event or of a request.
    static func isID(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}

extension EventInput {
    init(type: String, data: [UInt8]) {
        self.init(type: type, id: nil, timestamp: nil, environment: nil, data: data)
    }

    private init(type: String, id: String?, timestamp: Timestamp?, environment: UUID?, data: [UInt8]) {
        self.type = type
        self.id = id
        self.timestamp = timestamp
        self.environment = environment
        self.data = data
    }

    /// The event as it is stored and sent. Its members are in the documented order; the data is as it was published.
    package func event(
        id: String, idempotencyKey: String? = nil, in environment: UUID, at now: Timestamp
    ) -> Event {
        let body = objectJSON(reserving: data.count + id.utf8.count + 192) { json in
            json.member("event", type)
            json.member("event_id", id)
            json.member("environment_id", environment.description)
            json.member("timestamp", (timestamp ?? now).rfc3339)
            json.member("data", text: data)
        }
        return Event(id: id, idempotencyKey: idempotencyKey, type: type, body: body)
    }
}

extension InputObject {
    /// Reports what the CloudEvents specification does not allow.
    /// - Parameter type: the event's type, also if the event does not give it.
    fileprivate mutating func checkCloudEvent(of type: String) {
        do throws(CloudEventFault) {
            let stated = self["type"] == nil ? [JSON.Member("type", .string(type))] : []
            _ = try CloudEvent(checking: all.filter { $0.value != .null } + stated)
        } catch {
            fault(error.path ?? "data", error.reason)
        }
    }
}
