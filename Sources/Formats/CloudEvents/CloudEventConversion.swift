package import JSON

/// Converts received events of any kind to CloudEvents 1.0.
package enum CloudEventConversion {
    /// - Parameter id: the id if the event has none.
    package static func event(_ members: [JSON.Member], id: String) -> CloudEvent {
        if let event = (try? CloudEvent(checking: members))?.current {
            // The extensions of version 0.1 become attributes.
            let own = event.attributes.filter { $0.name != CloudEvent.extensionsName }
            let names = Set(own.map(\.name))
            let more =
                event.attributes.first { $0.name == CloudEvent.extensionsName }.map { extensions(of: $0.value) } ?? []
            return CloudEvent(attributes: own + more.filter { !names.contains($0.name) }, data: event.data)
        }
        let value = JSON.object(members)
        return value["cloudEventsVersion"] != nil ? older(value, id: id) : wrapped(value, id: id)
    }

    /// The attributes of version 0.1 and their names in version 1.0.
    private static let renamed = [
        ("eventID", "id"), ("source", "source"), ("eventType", "type"), ("eventTime", "time"),
        ("contentType", "datacontenttype"), ("schemaURL", "dataschema"), ("eventTypeVersion", "eventtypeversion"),
    ]

    private static func older(_ value: JSON, id: String) -> CloudEvent {
        var attributes = [JSON.Member("specversion", .string(CloudEvent.version))]
        for (old, new) in renamed {
            guard var text = value[old]?.string, !text.isEmpty else { continue }
            // A time without a zone is not RFC 3339; senders of version 0.1 mean UTC.
            if new == "time", !hasZone(text) { text += "Z" }
            let attribute = JSON.Member(new, .string(text))
            if isGood(attribute) { attributes.append(attribute) }
        }
        let names = Set(attributes.map(\.name))
        for (name, text) in [("id", id), ("source", "/receive"), ("type", "event")] where !names.contains(name) {
            attributes.append(JSON.Member(name, .string(text)))
        }
        let taken = Set(attributes.map(\.name))
        let more = value[CloudEvent.extensionsName].map(extensions) ?? []
        return CloudEvent(
            attributes: attributes + more.filter { !taken.contains($0.name) },
            data: value["data"].map { .json($0) } ?? .none)
    }

    private static func hasZone(_ time: String) -> Bool {
        guard let day = time.firstIndex(where: { $0 == "T" || $0 == "t" }) else { return true }
        return time[day...].contains { "Zz+-".contains($0) }
    }

    private static func isGood(_ attribute: JSON.Member) -> Bool {
        attribute.name != CloudEvent.extensionsName && (try? CloudEvent.check(attribute)) != nil
    }

    /// Any other object becomes the data of a new event.
    private static func wrapped(_ value: JSON, id: String) -> CloudEvent {
        let attributes = [
            ("specversion", CloudEvent.version), ("id", id), ("source", "/receive"), ("type", "event"),
            ("datacontenttype", "application/json"),
        ].map { JSON.Member($0.0, .string($0.1)) }
        return CloudEvent(attributes: attributes, data: .json(value))
    }

    private static func extensions(of value: JSON) -> [JSON.Member] {
        guard case .object(let members) = value else { return [] }
        return attributes(members)
    }

    /// Members as extension attributes. Names are reduced to the characters that an attribute's name may have; members
    /// without a valid name are left out. Values that no attribute can have are written as JSON text.
    package static func attributes(_ members: [JSON.Member]) -> [JSON.Member] {
        let names = members.map { attributeName($0.name) }
        // If a name is repeated, the last one counts.
        let places = Dictionary(zip(names, names.indices), uniquingKeysWith: { $1 })
        var found: [JSON.Member] = []
        for (place, (name, member)) in zip(names, members).enumerated() where places[name] == place {
            guard CloudEvent.isName(name), !CloudEvent.required.contains(name), name != "specversion" else { continue }
            let attribute = JSON.Member(name, scalar(member.value))
            if attribute.value != .null, isGood(attribute) { found.append(attribute) }
        }
        return found
    }

    static func attributeName(_ name: String) -> String {
        let bytes = name.utf8.lazy.map { (65...90).contains($0) ? $0 | 0x20 : $0 }
        return String(
            decoding: bytes.filter { (97...122).contains($0) || (48...57).contains($0) }.prefix(64), as: UTF8.self)
    }

    private static func scalar(_ value: JSON) -> JSON {
        switch value {
        case .null, .bool, .string: return value
        case .number(let text) where Int32(text) != nil: return value
        case .number(let text): return .string(text)
        case .array, .object:
            var json = JSONWriter()
            json.value(value)
            return .string(String(decoding: json.bytes, as: UTF8.self))
        }
    }
}
