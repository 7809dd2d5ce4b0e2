internal import Encodings
package import HTTP
internal import JSON

/// CloudEvents 1.0 and 0.3 in binary mode of HTTP: attributes as headers `ce-…`, data as the body
/// (github.com/cloudevents/spec, bindings/http-protocol-binding.md, section 3.1).
package enum BinaryMode {
    private static let prefix = "ce-"

    /// Whether a request claims to be an event in binary mode.
    package static func isUsed(in fields: FieldList) -> Bool { fields.firstValue(of: "ce-specversion") != nil }

    /// - Parameters:
    ///   - contentType: the request's Content-Type.
    ///   - maximumValues: how many values JSON data may have.
    package static func read(
        _ fields: FieldList, contentType: String?, body: [UInt8], maximumValues: Int = .max
    ) throws(CloudEventFault) -> CloudEvent {
        var members: [JSON.Member] = []
        for index in 0..<fields.count {
            let name = String(decoding: fields.name(at: index), as: UTF8.self).lowercased()
            guard name.hasPrefix(prefix) else { continue }
            let attribute = String(name.dropFirst(prefix.count))
            guard CloudEvent.isName(attribute) else {
                throw CloudEventFault(
                    name, "the rest of the header's name is not an attribute name: use lower-case letters and digits")
            }
            // This attribute is the field Content-Type (section 3.1.1).
            guard attribute != "datacontenttype" else {
                throw CloudEventFault(name, "use the header Content-Type instead")
            }
            guard let value = value(of: attribute, fields.value(at: index)) else {
                throw CloudEventFault(name, "must be UTF-8")
            }
            members.append(JSON.Member(attribute, .string(value)))
        }
        if let contentType, !contentType.isEmpty {
            members.append(JSON.Member("datacontenttype", .string(contentType)))
        }
        let event = try CloudEvent(checking: members)
        if event.isFormer { return try former(event, contentType, body, maximumValues) }
        return CloudEvent(attributes: event.attributes, data: try data(body, contentType, maximumValues))
    }

    /// An event of version 0.3, in which data that is not text is Base64.
    private static func former(
        _ event: CloudEvent, _ contentType: String?, _ body: [UInt8], _ maximumValues: Int
    ) throws(CloudEventFault) -> CloudEvent {
        var attributes = event.attributes
        if event.text(CloudEvent.dataEncoding) == nil {
            let data = try data(body, contentType, maximumValues)
            guard case .bytes(let bytes) = data else { return CloudEvent(attributes: attributes, data: data) }
            attributes.append(JSON.Member(CloudEvent.dataEncoding, .string("base64")))
            return CloudEvent(attributes: attributes, data: .json(.string(Base64.standard.encode(bytes))))
        }
        if body.isEmpty { return event }
        let data = JSON.Member("data", .string(String(decoding: body, as: UTF8.self)))
        return try CloudEvent(checking: attributes + [data])
    }

    private static func data(
        _ body: [UInt8], _ contentType: String?, _ maximumValues: Int
    ) throws(CloudEventFault) -> CloudEvent.Data {
        guard !body.isEmpty else { return .none }
        guard CloudEvent.isJSON(contentType) else {
            guard let contentType, MediaType(contentType).isText,
                let text = String(validating: body, as: UTF8.self)
            else { return .bytes(body) }
            return .json(.string(text))
        }
        do throws(JSONError) {
            // The data becomes a member of the event, which is one level deeper.
            let text = jsonText(body) ?? body
            return .json(try JSON(parsing: text, maximumValues: maximumValues, depth: 1))
        } catch {
            guard contentType != nil else { return .bytes(body) }
            throw CloudEventFault(nil, "The data is not JSON, although Content-Type says so: \(error)")
        }
    }

    /// Attributes that are URIs. An escape in them may belong to the URI itself.
    private static let addresses: Set = ["source", "dataschema", "schemaurl"]

    /// The value of an attribute's header. Some senders do not escape a URI's own escapes: if only the value as sent is
    /// a URI, that is taken.
    private static func value(of attribute: String, _ field: ArraySlice<UInt8>) -> String? {
        let bytes = unquoted(field)
        let decoded = decoded(bytes)
        guard addresses.contains(attribute) else { return decoded }
        func isGood(_ text: String) -> Bool {
            (try? CloudEvent.check(JSON.Member(attribute, .string(text)), isFormer: true)) != nil
        }
        if let decoded, isGood(decoded) { return decoded }
        guard let plain = String(validating: bytes, as: UTF8.self), isGood(plain) else { return decoded }
        return plain
    }

    /// A header's value without blanks and quotes around it.
    private static func unquoted(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = value.withoutOuterBlanks
        if bytes.count >= 2, bytes.first == UInt8(ascii: "\""), bytes.last == UInt8(ascii: "\"") {
            bytes = unescaped(bytes.dropFirst().dropLast())[...]
        }
        return bytes
    }

    /// The value with its escapes decoded once (section 3.1.3.2).
    private static func decoded(_ value: ArraySlice<UInt8>) -> String? {
        var bytes = value
        var text: [UInt8] = []
        while let byte = bytes.popFirst() {
            if byte == UInt8(ascii: "%"), bytes.count >= 2, let high = hexadecimalDigit(bytes[bytes.startIndex]),
                let low = hexadecimalDigit(bytes[bytes.startIndex + 1])
            {
                text.append(high << 4 | low)
                bytes = bytes.dropFirst(2)
            } else {
                text.append(byte)
            }
        }
        return String(validating: text, as: UTF8.self)
    }

    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        var isEscaped = false
        for byte in bytes {
            if byte == UInt8(ascii: "\\"), !isEscaped {
                isEscaped = true
                continue
            }
            text.append(byte)
            isEscaped = false
        }
        return text
    }

    // MARK: Sending

    /// The headers and the body. `Content-Type` is among the headers if there is data or `datacontenttype`.
    package static func write(_ event: CloudEvent) -> (headers: [(name: String, value: String)], body: [UInt8]) {
        var headers: [(name: String, value: String)] = []
        var contentType: String?
        for attribute in event.attributes {
            let text: String
            switch attribute.value {
            case .string(let value): text = value
            case .number(let value): text = value
            case .bool(let value): text = value ? "true" : "false"
            case .null, .array, .object: continue
            }
            if attribute.name == "datacontenttype" {
                contentType = text
            } else {
                headers.append((prefix + attribute.name, encoded(text)))
            }
        }
        switch event.data {
        case .none:
            if let contentType { headers.append(("Content-Type", contentType)) }
            return (headers, [])
        case .bytes(let bytes):
            headers.append(("Content-Type", contentType ?? "application/octet-stream"))
            return (headers, bytes)
        case .json(.string(let text)) where !CloudEvent.isJSON(contentType):
            headers.append(("Content-Type", contentType ?? "text/plain"))
            return (headers, Array(text.utf8))
        case .json(let value):
            headers.append(("Content-Type", contentType ?? "application/json"))
            var json = JSONWriter()
            json.value(value)
            return (headers, json.bytes)
        }
    }

    /// Escapes everything but visible ASCII, and also the quote and the percent sign.
    private static func encoded(_ text: String) -> String {
        percentEncoded(text) { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "%") }
    }
}
