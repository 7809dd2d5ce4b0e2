internal import Encodings
internal import HTTP
package import JSON
internal import Values

/// An event of CloudEvents 1.0, or of 0.3 (github.com/cloudevents/spec, spec.md and formats/json-format.md).
package struct CloudEvent {
    /// The context attributes, including extensions, in their order; none is null.
    package let attributes: [JSON.Member]
    package let data: Data

    package enum Data: Equatable {
        case none
        case json(JSON)
        case bytes([UInt8])
    }

    package static let version = "1.0"
    /// The previous version, which some senders still use. It has `schemaurl` instead of `dataschema`, and Base64 in
    /// `data` if `datacontentencoding` says so.
    package static let formerVersion = "0.3"
    static let dataEncoding = "datacontentencoding"
    static let required = ["id", "source", "type"]
    /// The member that holds the extension attributes in version 0.1. Some senders still write it in later versions.
    package static let extensionsName = "extensions"

    package var type: String { text("type") ?? "" }

    var isFormer: Bool { text("specversion") == Self.formerVersion }

    package func text(_ name: String) -> String? { attributes.first { $0.name == name }?.value.string }

    /// Checks an event in structured mode.
    /// - Parameter members: of a JSON object.
    package init(checking members: [JSON.Member]) throws(CloudEventFault) {
        var attributes: [JSON.Member] = []
        var data = Data.none
        var seen: Set<String> = []
        let isFormer = members.contains { $0.name == "specversion" && $0.value == .string(Self.formerVersion) }
        for member in members {
            guard seen.insert(member.name).inserted else { throw Self.fault(member.name, "duplicate member") }
            switch member.name {
            case "data": data = .json(member.value)
            case "data_base64" where isFormer:
                throw Self.fault(member.name, "is not an attribute of version 0.3: use data and datacontentencoding")
            case "data_base64":
                guard seen.isDisjoint(with: ["data"]) || data == .none else {
                    throw Self.fault("data_base64", "cannot be combined with data")
                }
                guard member.value != .null else { continue }
                guard let bytes = member.value.string.flatMap({ Base64.standard.decode($0.utf8) }) else {
                    throw Self.fault("data_base64", "must be Base64")
                }
                data = .bytes(bytes)
            case Self.extensionsName:
                // From version 0.1; passed on unchanged.
                guard case .object = member.value else { throw Self.fault(member.name, "must be an object") }
                attributes.append(member)
            default:
                guard member.value != .null else { continue }
                try Self.check(member, isFormer: isFormer)
                attributes.append(member)
            }
        }
        if isFormer, attributes.contains(where: { $0.name == Self.dataEncoding }), data != .none,
            Self.bytes(ofEncoded: data) == nil
        {
            throw Self.fault("data", "must be Base64, as datacontentencoding says")
        }
        if seen.isSuperset(of: ["data", "data_base64"]) {
            throw Self.fault("data_base64", "cannot be combined with data")
        }
        let there = Set(attributes.map(\.name))
        for name in ["specversion"] + Self.required where !there.contains(name) {
            throw Self.fault(name, "is required")
        }
        self.attributes = attributes
        self.data = data
    }

    /// Makes an event from attributes that are known to be valid.
    package init(attributes: [JSON.Member], data: Data) {
        self.attributes = attributes
        self.data = data
    }

    private static func fault(_ path: String, _ reason: String) -> CloudEventFault { CloudEventFault(path, reason) }

    // MARK: Attributes

    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name != "data" && name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) }
    }

    /// The bytes of Base64 data; `nil` if the data is not Base64.
    private static func bytes(ofEncoded data: Data) -> [UInt8]? {
        guard case .json(.string(let text)) = data else { return nil }
        // Base64 may have line breaks (RFC 2045, section 6.8).
        return Base64.standard.decode(text.utf8.filter { $0 > 0x20 })
    }

    /// The same event in version 1.0.
    var current: CloudEvent {
        guard isFormer else { return self }
        var members: [JSON.Member] = []
        var data = data
        for attribute in attributes {
            switch attribute.name {
            case "specversion": members.append(JSON.Member("specversion", .string(Self.version)))
            case Self.dataEncoding: data = Self.bytes(ofEncoded: data).map { .bytes($0) } ?? data
            case "schemaurl":
                let renamed = JSON.Member("dataschema", attribute.value)
                // `dataschema` cannot be a relative reference; in that case the old attribute stays.
                members.append((try? Self.check(renamed)) == nil ? attribute : renamed)
            case "dataschema" where text("schemaurl") != nil: continue
            default: members.append(attribute)
            }
        }
        return CloudEvent(attributes: members, data: data)
    }

    /// - Parameter isFormer: whether the attribute is of version 0.3.
    static func check(_ attribute: JSON.Member, isFormer: Bool = false) throws(CloudEventFault) {
        let name = attribute.name
        guard isName(name), name.utf8.count <= 64 else {
            throw fault(name, "is not an attribute name: use up to 64 lower-case letters and digits")
        }
        if let known = isFormer ? formerRules[name] ?? rules[name] : rules[name] {
            guard let text = attribute.value.string, isText(text), known.isValid(text) else {
                throw fault(name, "must be \(known.expected)")
            }
            return
        }
        switch attribute.value {
        case .bool: break
        case .string(let text):
            guard isText(text) else { throw fault(name, "must not contain control characters or noncharacters") }
        case .number(let text):
            guard Int32(text) != nil else { throw fault(name, "must be a whole number of 32 bits") }
        case .null, .array, .object: throw fault(name, "must be a string, a whole number or a Boolean")
        }
    }

    private struct Rule: Sendable {
        /// What is accepted, as an error names it after "must be".
        let expected: String
        let isValid: @Sendable (String) -> Bool
    }

    private static let text = Rule(expected: "a string that is not empty") { !$0.isEmpty }
    private static let rules = [
        "specversion": Rule(expected: "\"1.0\" or \"0.3\"") { $0 == version || $0 == formerVersion },
        "id": text, "type": text, "subject": text,
        "source": Rule(expected: "a URI reference") { !$0.isEmpty && isURIReference($0) },
        "dataschema": Rule(expected: "a URI") { isURI($0) },
        "datacontenttype": Rule(expected: "a media type") { MediaType.isWellFormed($0) },
        "time": Rule(expected: "a date and time such as 2026-11-22T06:05:37Z") { Timestamp(rfc3339: $0) != nil },
    ]

    /// The rules of version 0.3 that differ.
    private static let formerRules = [
        "schemaurl": Rule(expected: "a URI reference") { isURIReference($0) },
        dataEncoding: Rule(expected: "\"base64\"") { $0.lowercased() == "base64" },
    ]

    /// No control characters, no noncharacters (spec.md, "Type System"). Half surrogate pairs have become U+FFFD.
    package static func isText(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            let value = scalar.value
            let isControl = value < 0x20 || (0x7f...0x9f).contains(value)
            return !isControl && !(0xfdd0...0xfdef).contains(value) && value & 0xfffe != 0xfffe
        }
    }

    /// Whether a text has only the characters of RFC 3986, or characters beyond ASCII, which many senders do not escape.
    private static func isURIReference(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard rest.count >= 2, rest.prefix(2).allSatisfy({ hexadecimalDigit($0) != nil }) else { return false }
            } else if byte <= 0x20 || "\"<>\\^`{|}".utf8.contains(byte) {
                return false
            }
        }
        return true
    }

    private static func isURI(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), isURIReference(text) else { return false }
        let scheme = text.utf8[..<colon]
        guard let first = scheme.first, (97...122).contains(first | 0x20) else { return false }
        return scheme.allSatisfy { (97...122).contains($0 | 0x20) || (48...57).contains($0) || "+-.".utf8.contains($0) }
    }

    /// Whether data of a media type is written as JSON in structured mode (json-format.md, section 3.1).
    package static func isJSON(_ mediaType: String?) -> Bool {
        mediaType.map { MediaType($0).isJSON } ?? true
    }

    // MARK: Text

    /// Writes the event in structured mode.
    package func write(to json: inout JSONWriter) {
        json.object { json in
            for attribute in attributes { json.member(attribute.name, attribute.value) }
            switch data {
            case .none: break
            case .json(let value): json.member("data", value)
            case .bytes(let bytes): json.member("data_base64", Base64.standard.encode(bytes))
            }
        }
    }
}
