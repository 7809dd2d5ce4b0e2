internal import ContentDecoding
internal import Gateway
package import JSON

extension NumberedNotification {
    /// Writes the six members that clients of the original know, in its order, and after them what is new.
    package func write(to json: inout JSONWriter) {
        json.beginObject()
        json.name("method")
        json.string(notification.method)
        json.name("headers")
        write(notification.fields, to: &json)
        let text = notification.text
        json.name("body")
        json.string(utf8: text ?? notification.body)
        json.name("receivedAt")
        json.string(notification.receivedAt.iso8601())
        json.name("remote")
        if let remote = notification.remote { json.string(remote) } else { json.null() }
        json.name("id")
        json.integer(number)
        json.name("path")
        json.string(utf8: notification.path)
        json.name("query")
        if let query = notification.query { json.string(utf8: query) } else { json.null() }
        if text == nil {
            json.name("bodyBase64")
            json.string(Base64.standard.encode(notification.body))
        }
        json.endObject()
    }

    private func write(_ fields: FieldList, to json: inout JSONWriter) {
        json.beginArray()
        for index in 0..<fields.count {
            let value = fields.value(at: index)
            json.beginObject()
            json.name("name")
            json.string(utf8: fields.name(at: index))
            json.name("value")
            json.string(utf8: value)
            if String(validating: value, as: UTF8.self) == nil {
                json.name("valueBase64")
                json.string(Base64.standard.encode(value))
            }
            json.endObject()
        }
        json.endArray()
    }
}

/// `{"notifications": [...]}`.
package func notificationsJSON(_ notifications: [NumberedNotification]) -> [UInt8] {
    var json = JSONWriter(reserving: notifications.reduce(64) { $0 + $1.notification.body.count + 1024 })
    json.beginObject()
    json.name("notifications")
    json.beginArray()
    for notification in notifications { notification.write(to: &json) }
    json.endArray()
    json.endObject()
    return json.bytes
}

/// Why a configuration is not one, as a sentence for the client.
package struct ConfigurationError: Error, Equatable, Sendable {
    package let reason: String
}

extension Configuration {
    /// Reads `{"enabled": bool}` and the optional `"subpaths": bool`. Names are taken in any letter case and other members
    /// are passed over, as in the original; a text or number that says yes is taken as true, anything else that is no
    /// Boolean is refused.
    package init(parsing body: [UInt8]) throws(ConfigurationError) {
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: body)
        } catch {
            throw ConfigurationError(reason: "The body is not JSON: \(error).")
        }
        guard case .object(let members) = json else {
            throw ConfigurationError(reason: "The body must be an object like {\"enabled\": true}.")
        }
        func member(_ name: String) -> JSON? { members.last { $0.name.lowercased() == name }?.value }
        guard let enabled = member("enabled") else {
            throw ConfigurationError(reason: "The member \"enabled\" is missing.")
        }
        guard let isEnabled = Self.boolean(enabled) else {
            throw ConfigurationError(reason: "The member \"enabled\" must be true or false.")
        }
        self.isEnabled = isEnabled
        guard let subpaths = member("subpaths") else { return }
        guard let takesSubpaths = Self.boolean(subpaths) else {
            throw ConfigurationError(reason: "The member \"subpaths\" must be true or false.")
        }
        self.takesSubpaths = takesSubpaths
    }

    private static func boolean(_ value: JSON) -> Bool? {
        switch value {
        case .bool(let value): value
        case .string(let text) where ["true", "yes", "y", "on", "t", "1"].contains(text.lowercased()): true
        case .number("1"), .number("1.0"): true
        default: nil
        }
    }
}
