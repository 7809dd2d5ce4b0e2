internal import HTTP
package import JSON
internal import JSONPath

/// A request as `RequestMatch` sees it: made once for all clients that wait.
///
/// | member | value |
/// | --- | --- |
/// | `method`, `url`, `path` | texts |
/// | `query` | an object: for each name, the first value, decoded |
/// | `headers` | an object: for each name, in lower case, the values, with a comma and a blank between them |
/// | `json` | the body, if it is JSON and not too large; otherwise the member is missing |
/// | `form` | an object: for each name, the first value; for a file, an object of `filename`, `contentType` and `size`. Missing if the body is not a form |
///
/// Bytes that are not UTF-8 are U+FFFD.
package struct RequestDocument: Sendable {
    package let json: JSON
    let document: JSONPathDocument

    /// The most members of `query`, `headers` and `form` each.
    package static let maximumMembers = 1000

    package init(_ request: ReceivedRequest) {
        var members: [JSON.Member] = [
            .init("method", .string(request.method)), .init("url", Self.text(request.url)),
            .init("path", Self.text(request.path)),
            .init("query", Self.object(request.queryFields.fields.map { (Self.string($0.name), Self.text($0.value)) })),
            .init("headers", Self.headers(request.fields)),
        ]
        if let body = request.json { members.append(.init("json", body)) }
        if let form = request.form {
            members.append(.init("form", Self.object(form.parts.map { ($0.name, Self.value($0)) })))
        }
        json = .object(members)
        document = JSONPathDocument(json)
    }

    private static func headers(_ fields: FieldList) -> JSON {
        var values: [String: String] = [:]
        var names: [String] = []
        for index in 0..<fields.count {
            let name = string(fields.name(at: index)).lowercased()
            let value = string(fields.value(at: index))
            if let before = values[name] {
                values[name] = "\(before), \(value)"
            } else {
                values[name] = value
                names.append(name)
            }
        }
        return object(names.map { ($0, .string(values[$0] ?? "")) })
    }

    /// An object of the first value of each name.
    private static func object(_ pairs: [(String, JSON)]) -> JSON {
        var seen: Set<String> = []
        return .object(
            pairs.prefix(maximumMembers).compactMap { name, value in
                seen.insert(name).inserted ? JSON.Member(name, value) : nil
            })
    }

    private static func value(_ part: FormPart) -> JSON {
        guard let filename = part.filename else { return text(part.text.bytes) }
        let mediaType = part.fields.mediaType?.name
        return .object([
            JSON.Member("filename", .string(filename)),
            JSON.Member("contentType", mediaType.map { JSON.string($0) } ?? .null),
            JSON.Member("size", .number(String(part.content.count))),
        ])
    }

    private static func text(_ bytes: some Collection<UInt8>) -> JSON { .string(string(bytes)) }

    private static func string(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}
