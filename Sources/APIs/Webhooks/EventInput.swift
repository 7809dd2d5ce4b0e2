internal import CloudEvents
internal import HTTP
internal import JSON
package import Values

/// An event as it is published: `{"event", "event_id"?, "timestamp"?, "data"}`, or a structured one of CloudEvents 1.0 or 0.3.
package struct EventInput: Equatable, Sendable {
    /// As in `EventType.all`.
    package let type: String
    /// `nil` where the publisher gave none.
    package let id: String?
    package let timestamp: Timestamp?
    /// Where it happened, if it says so.
    package let environment: UUID?
    /// JSON, as it was sent.
    package let data: [UInt8]

    /// - Parameter type: what it is where it does not say so itself.
    package init(parsing body: [UInt8], type: String? = nil) throws(APIError) {
        var object = try InputObject(parsing: body)
        let isCloudEvent = object.has("specversion")
        let names: Names = isCloudEvent ? .cloudEvent : .plain
        if isCloudEvent {
            let encoding = object["specversion"] == .string("0.3") ? "datacontentencoding" : "data_base64"
            if object.has(encoding) { object.fault(encoding, "only JSON can be delivered, as \"data\"") }
        } else {
            // A misspelt event_id would be a new event each time.
            object.refuseOthers(than: ["event", "event_id", "environment_id", "timestamp", "data"])
            if !object.has("data") { object.fault("data", "it is missing") }
        }
        self.type = Self.type(names.type, &object) ?? type ?? ""
        if object[names.type] == nil, type == nil { object.fault(names.type, "it is missing") }
        id = Self.id(names.id, &object)
        timestamp = object.time(names.time)
        environment = Self.uuid(names.environment, &object)
        data = object.text(of: "data") ?? Array("null".utf8)
        // What is at fault for every reader of such events, where the rules of this one have found nothing.
        if isCloudEvent, object.faults.isEmpty { object.checkCloudEvent(of: self.type) }
        try object.check()
    }

    /// What is called how; extension attributes of CloudEvents have no underscores.
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
            object.fault(name, "the name of an event was expected")
            return nil
        }
        if EventType.named(type) == nil {
            object.fault(name, "there is no event \"\(shown(type))\"", .unknownEvent)
        }
        return type
    }

    private static func id(_ name: String, _ object: inout InputObject) -> String? {
        guard let value = object[name] else { return nil }
        guard let id = value.string, isID(id), !id.utf8.contains(UInt8(ascii: ".")) else {
            // Standard Webhooks: the id is signed with a full stop behind it.
            object.fault(name, "1 to 255 visible characters of ASCII were expected, a full stop not among them")
            return nil
        }
        return id
    }

    private static func uuid(_ name: String, _ object: inout InputObject) -> UUID? {
        guard let value = object[name] else { return nil }
        guard let uuid = value.string.flatMap({ UUID($0) }) else {
            object.fault(name, "a UUID was expected")
            return nil
        }
        return uuid
    }

    /// Whether a text can name an event, or a request.
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

    /// The event as it is kept and sent. Members are in the documented order; data is as it was published.
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
    /// Finds fault with what no CloudEvent has, or does without.
    /// - Parameter type: which it is, also where it does not say so itself.
    fileprivate mutating func checkCloudEvent(of type: String) {
        do throws(CloudEventFault) {
            let stated = self["type"] == nil ? [JSON.Member("type", .string(type))] : []
            _ = try CloudEvent(checking: all.filter { $0.value != .null } + stated)
        } catch {
            fault(error.path ?? "data", error.reason)
        }
    }
}
