package import HTTP
internal import HTTPTypes

/// What a sender is answered.
package struct RuleAnswer: Equatable, Sendable {
    package struct Header: Equatable, Sendable {
        package let name: String
        /// Without control characters.
        package let value: [UInt8]
    }

    package var status: Int
    package var headers: [Header] = []
    package var body: [UInt8] = []
    /// How long the answer is held back.
    package var delayMilliseconds = 0

    /// The response. Its body is plain text in UTF-8 unless the answer has a header `Content-Type`.
    ///
    /// The page that a browser may show of it cannot run scripts, as these would run with the rights of this service's
    /// own pages.
    package var response: Response {
        var fields: HTTPFields = [:]
        if !body.isEmpty {
            if !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
                fields[.contentType] = "text/plain; charset=utf-8"
            }
            fields[.noSniff] = "nosniff"
            fields[.contentSecurityPolicy] = "sandbox"
        }
        for header in headers {
            guard let name = HTTPField.Name(header.name) else { continue }
            fields.append(HTTPField(name: name, lenientValue: header.value))
        }
        return Response(HTTPResponse.Status(code: status), fields: fields, body: body)
    }
}
