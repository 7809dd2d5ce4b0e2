internal import Encodings
internal import HTTP
internal import JSON

/// An event of CloudEvents 1.0 in binary mode: its attributes are beside its data (Kafka Protocol Binding for CloudEvents,
/// section 3.2).
package struct BinaryCloudEvent {
    /// The attributes by name, including `specversion`; names may repeat.
    private let attributes: [(name: String, value: String)]
    private let contentType: String?
    /// `nil` if the event has no data.
    private let data: [UInt8]?

    package init(attributes: [(name: String, value: String)], contentType: String?, data: [UInt8]?) {
        self.attributes = attributes
        self.contentType = contentType
        self.data = data
    }

    /// The event in structured mode.
    package func structured() throws(APIError) -> [UInt8] {
        let data: [UInt8]? = if let data { try checked(data) } else { nil }
        return objectJSON(reserving: 512 + (data?.count ?? 0)) { json in
            for (name, value) in attributes { json.member(name, value) }
            if let data { json.member("data", text: data) }
        }
    }

    private func checked(_ data: [UInt8]) throws(APIError) -> [UInt8] {
        let type = MediaType(contentType ?? "")
        guard type.name.isEmpty || type.isDeliverable else {
            throw APIError(.wrongMediaType, "The data must be JSON, but its media type is \(shown(type.name)).")
        }
        guard let text = jsonText(data) else { throw APIError(.malformedJSON, "The data is not UTF-8.") }
        do throws(JSONError) {
            _ = try JSONDocument(parsing: text)
        } catch {
            throw APIError(.malformedJSON, "The data is not JSON: \(error).")
        }
        return text
    }
}
