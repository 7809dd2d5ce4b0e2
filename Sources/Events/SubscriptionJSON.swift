internal import Delivery
internal import Gateway
internal import JSON
internal import JSONPath

extension Subscription {
    /// The thirteen members in the order that clients have always seen, and those of ours that are not what they are by
    /// default.
    func write(to json: inout JSONWriter, _ sealing: Sealing) {
        json.beginObject()
        json.name("uuid")
        json.string(id.description)
        json.name("name")
        json.string(name)
        json.name("jsonpath")
        json.string(expression)
        json.name("user")
        json.string(user)
        json.name("disabled")
        json.optional(destination.disabledAt?.naive)
        json.name("error")
        json.optional(destination.disabledReason)
        json.name("target_url")
        json.string(shownTarget(sealing))
        json.name("version")
        json.string(version)
        json.name("extensions")
        json.value(text: extensions)
        json.name("auth")
        json.value(text: shownAuth(sealing))
        json.name("created")
        json.string(created.naive)
        json.name("updated")
        json.string(updated.naive)
        json.name("deleted")
        json.null()
        if let dialect {
            json.name("dialect")
            json.string(dialect.rawValue)
        }
        if format != .json {
            json.name("format")
            json.string(format.word)
        }
        if destination.consent != nil {
            json.name("handshake")
            json.bool(true)
        }
        json.endObject()
    }

    private func shownTarget(_ sealing: Sealing) -> String {
        guard let sealedTarget else { return target }
        return sealing.open(sealedTarget, .target).map { String(decoding: $0, as: UTF8.self) } ?? destination.url
    }

    private func shownAuth(_ sealing: Sealing) -> [UInt8] {
        sealedAuth.flatMap { sealing.open($0, .auth) } ?? Self.noExtensions
    }
}

extension JSONWriter {
    mutating func optional(_ text: String?) {
        if let text { string(text) } else { null() }
    }
}

/// A subscription that is still to be shown.
func objectJSON(_ write: (inout JSONWriter) -> Void) -> [UInt8] {
    var json = JSONWriter(reserving: 512)
    write(&json)
    return json.bytes
}
