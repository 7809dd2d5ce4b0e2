@testable import CaptureRules
@testable import HTTP
@testable import JSON

/// An expression, a query, a media type and a body: the document is JSON, and an expression that is a query is evaluated.
func fuzzRequestMatch(_ bytes: [UInt8]) {
    let part = parts(bytes, 4)
    var fields = FieldList()
    fields.append(name: "Content-Type".utf8, value: part[2])
    fields.append(name: part[2], value: part[2])
    let request = ReceivedRequest(
        method: "POST", url: Array(part[1]), path: [], query: Array(part[1]), fields: fields, wireBody: Array(part[3]))
    let document = RequestDocument(request)
    require((try? JSON(parsing: valueJSON { $0.value(document.json) })) != nil, "the document is not JSON")
    guard let match = try? RequestMatch(String(decoding: part[0], as: UTF8.self)) else { return }
    _ = match.matches(document)
}
