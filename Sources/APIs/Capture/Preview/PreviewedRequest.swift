internal import CaptureRules
internal import Encodings
internal import HTTP
internal import JSON
internal import Values

/// A request that nobody has sent, whose answer a client asks for. It is written as a notification is shown.
struct PreviewedRequest: Sendable {
    private let method: String
    private let url: [UInt8]
    private let path: [UInt8]
    private let query: [UInt8]?
    private let fields: FieldList
    let body: [UInt8]
    /// When the request is to have arrived; `nil`: now.
    let receivedAt: Timestamp?

    /// - Parameters:
    ///   - json: the member `request`. Members that are not known are ignored, as those of notifications are more.
    ///   - endpoint: the URL of the endpoint, for a request that does not say what URL was called.
    init(_ json: JSON?, endpoint: String) throws(ConfigurationError) {
        guard let json, case .object = json else {
            throw Self.fault("request", "must be an object like {\"method\": \"POST\", \"body\": \"text\"}")
        }
        method = try Self.text("method", of: json) ?? "POST"
        guard !method.isEmpty, method.utf8.allSatisfy(\.isTokenByte) else {
            throw Self.fault("request.method", "must be the name of a method")
        }
        path = Array((try Self.text("path", of: json) ?? "").utf8)
        guard path.isEmpty || path[0] == UInt8(ascii: "/") else {
            throw Self.fault("request.path", "must be empty, or begin with \"/\"")
        }
        query = try Self.text("query", of: json).map { Array($0.utf8) }
        fields = try Self.fields(json["headers"])
        if let body = try Self.bytes("bodyBase64", "request.bodyBase64", of: json) {
            self.body = body
        } else {
            body = Array((try Self.text("body", of: json) ?? "").utf8)
        }
        if let time = try Self.text("receivedAt", of: json) {
            guard let received = Timestamp(iso8601: time) else {
                throw Self.fault("request.receivedAt", "must be a time like \"2026-12-31T00:00:00Z\"")
            }
            receivedAt = received
        } else {
            receivedAt = nil
        }
        if let url = try Self.bytes("urlBase64", "request.urlBase64", of: json) {
            self.url = url
        } else if let url = try Self.text("url", of: json) {
            self.url = Array(url.utf8)
        } else {
            url = Array(endpoint.utf8) + path + (query.map { [UInt8(ascii: "?")] + $0 } ?? [])
        }
    }

    /// Whether it takes long to decompress the body, or to check its signature.
    var takesLong: Bool { body.count > CaptureHandlers.shortBody || BodyReading.takesLong(of: body, fields) }

    /// The request as the rules of an endpoint look at it.
    /// - Parameter limit: the most bytes that the decompressed body may have.
    func received(limit: Int) throws(BodyRefusal) -> ReceivedRequest {
        let reading = try BodyReading(of: body, fields, limit: limit)
        guard reading.fault != .corruptData else { throw .unreadable(BodyFault.corruptData.text) }
        let body = body
        return ReceivedRequest(
            method: method, url: url, path: path, query: query, fields: fields, wireBody: body,
            bodyByteCount: reading.coding == nil ? nil : reading.decodedBytes, decode: { reading.decoded(body) })
    }

    // MARK: Reading

    private static func fault(_ name: String, _ rule: String) -> ConfigurationError {
        ConfigurationError(reason: "The member \"\(name)\" \(rule).")
    }

    private static func text(_ name: String, of json: JSON) throws(ConfigurationError) -> String? {
        guard let value = json[name], value != .null else { return nil }
        guard let text = value.string else { throw fault("request.\(name)", "must be a text") }
        return text
    }

    private static func bytes(
        _ name: String, _ place: String, of json: JSON
    ) throws(ConfigurationError) -> [UInt8]? {
        guard let value = json[name], value != .null else { return nil }
        guard let bytes = value.string.flatMap({ Base64.standard.decode($0.utf8) }) else {
            throw fault(place, "must be Base64")
        }
        return bytes
    }

    /// Reads a list of header fields, or an object of names and values.
    private static func fields(_ json: JSON?) throws(ConfigurationError) -> FieldList {
        var fields = FieldList()
        switch json {
        case nil, .null: break
        case .object(let members):
            for member in members { try add(.string(member.name), member.value, nil, to: &fields) }
        case .array(let values):
            for value in values { try add(value["name"], value["value"], value, to: &fields) }
        default: throw fieldFault
        }
        return fields
    }

    /// More than the web server accepts of a request by default.
    private static let fieldBytes = 64 << 10

    private static let fieldFault = fault(
        "request.headers",
        "must be a list like [{\"name\": \"Content-Type\", \"value\": \"text/plain\"}], or an object of texts")

    private static func add(
        _ name: JSON?, _ value: JSON?, _ field: JSON?, to fields: inout FieldList
    ) throws(ConfigurationError) {
        guard let name = name?.string, !name.isEmpty, name.utf8.allSatisfy(\.isTokenByte), let text = value?.string
        else {
            throw fieldFault
        }
        var bytes = Array(text.utf8)
        if let field, let exact = try Self.bytes("valueBase64", "request.headers.valueBase64", of: field) {
            bytes = exact
        }
        fields.append(name: name.utf8, value: bytes)
        guard fields.byteCount + 4 * fields.count <= fieldBytes else {
            throw fault("request.headers", "must have at most \(fieldBytes) bytes, with four for each field")
        }
    }
}
