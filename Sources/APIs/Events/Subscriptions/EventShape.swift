internal import CloudEvents
internal import Delivery
internal import HTTP
internal import JSON

/// How an event is written for one subscription: the format, and what is added to it.
struct EventShape: Equatable, Sendable {
    let format: Subscription.Format
    /// A JSON object.
    let extensions: [UInt8]

    init(format: Subscription.Format, extensions: [UInt8]) {
        self.format = format
        self.extensions = extensions
    }

    /// The form in which a destination stores it.
    var bytes: [UInt8] { [format.rawValue] + extensions }

    init?(bytes: [UInt8]) {
        guard let format = bytes.first.flatMap({ Subscription.Format(rawValue: $0) }) else { return nil }
        self.init(format: format, extensions: Array(bytes.dropFirst()))
    }

    /// Why the event cannot be written in this form.
    struct Fault: Error { let reason: String }

    /// - Parameter body: a JSON object.
    func shape(_ body: [UInt8], id: String) throws(Fault) -> ShapedPayload {
        switch format {
        case .json:
            return ShapedPayload(
                headers: [.init(name: "Content-Type", value: "application/json")], body: try merged(body))
        case .structured:
            var json = JSONWriter(reserving: body.count + 256)
            try cloudEvent(body, id: id).write(to: &json)
            return ShapedPayload(
                headers: [.init(name: "Content-Type", value: "application/cloudevents+json; charset=utf-8")],
                body: json.bytes)
        case .binary:
            let (headers, data) = BinaryMode.write(try cloudEvent(body, id: id))
            return ShapedPayload(headers: headers.map { HeaderField(name: $0.name, value: $0.value) }, body: data)
        }
    }

    // MARK: Extensions

    /// The event as it came, with the subscription's extensions merged into its member `extensions`. Only the first level is
    /// merged. If the event has no such member, it is added at the end.
    private func merged(_ body: [UInt8]) throws(Fault) -> [UInt8] {
        let root = try Self.document(body)
        guard let members = root.members else { throw Fault(reason: "the event is not a JSON object") }
        guard let own = members.last(where: { $0.name == CloudEvent.extensionsName }) else {
            // Inserted before the closing brace.
            let end = root.range.upperBound - 1
            let separator = members.isEmpty ? "" : ", "
            let name = "\(separator)\"extensions\": "
            return replacing(end..<end, of: body, by: Array(name.utf8) + extensions)
        }
        if extensions == Subscription.noExtensions, case .object = own.value.value { return body }
        let overlay = try Self.overlay(own.value, body, by: extensions)
        return replacing(own.value.range, of: body, by: overlay)
    }

    private func replacing(_ range: Range<Int>, of body: [UInt8], by bytes: [UInt8]) -> [UInt8] {
        var result = body
        result.replaceSubrange(range, with: bytes)
        return result
    }

    private static func overlay(_ own: JSONNode, _ body: [UInt8], by extensions: [UInt8]) throws(Fault) -> [UInt8] {
        guard let added = try document(extensions).members else {
            throw Fault(reason: "the extensions are not a JSON object")
        }
        var values: [(name: String, text: [UInt8])] = []
        // Names are compared by their bytes: names that look the same may differ.
        var places: [[UInt8]: Int] = [:]
        func set(_ name: String, _ text: [UInt8]) {
            let key = Array(name.utf8)
            if let place = places[key] {
                values[place].text = text
            } else {
                places[key] = values.count
                values.append((name, text))
            }
        }
        for member in own.members ?? [] { set(member.name, Array(body[member.value.range])) }
        for member in added { set(member.name, Array(extensions[member.value.range])) }
        return objectJSON(reserving: body.count / 4 + extensions.count) { json in
            for value in values { json.member(value.name, text: value.text) }
        }
    }

    private static func document(_ text: [UInt8]) throws(Fault) -> JSONNode {
        do throws(JSONError) {
            return try JSONDocument(parsing: text).root
        } catch {
            throw Fault(reason: "the event is not JSON: \(error)")
        }
    }

    // MARK: CloudEvents

    /// The event in version 1.0, with the subscription's extensions among its attributes.
    private func cloudEvent(_ body: [UInt8], id: String) throws(Fault) -> CloudEvent {
        guard case .object(let members) = try Self.document(body).value,
            case .object(let added) = try Self.document(extensions).value
        else { throw Fault(reason: "the event is not a JSON object") }
        let event = CloudEventConversion.event(members, id: id)
        let more = CloudEventConversion.attributes(added)
        let names = Set(more.map(\.name))
        return CloudEvent(attributes: event.attributes.filter { !names.contains($0.name) } + more, data: event.data)
    }
}
