import HTTP
import JSON

@testable import CaptureRules

/// A request with headers in the spelling that responders pass on.
func request(
    _ method: String = "POST", path: String = "", query: String? = nil, _ headers: [(String, String)] = [],
    body: [UInt8] = [], wire: [UInt8]? = nil, url: String = "http://localhost:8080/webhook/id"
) -> ReceivedRequest {
    var fields = FieldList()
    for (name, value) in headers { fields.append(name: name.utf8, value: value.utf8) }
    return ReceivedRequest(
        method: method, url: Array(url.utf8), path: Array(path.utf8), query: query.map { Array($0.utf8) },
        fields: fields, wireBody: wire ?? body, bodyByteCount: body.count, decode: { body })
}

func request(
    _ method: String = "POST", path: String = "", query: String? = nil, _ headers: [(String, String)] = [],
    json: String
) -> ReceivedRequest {
    request(method, path: path, query: query, headers, body: Array(json.utf8))
}

func request(
    _ headers: [(String, String)], body: [UInt8] = [], wire: [UInt8]? = nil,
    url: String = "http://localhost:8080/webhook/id"
) -> ReceivedRequest {
    request("POST", headers, body: body, wire: wire, url: url)
}

func request(_ headers: [(String, String)], json: String) -> ReceivedRequest { request("POST", headers, json: json) }

extension RuleAnswer {
    var text: String { String(decoding: body, as: UTF8.self) }

    func header(_ name: String) -> String? {
        headers.first { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
    }
}
