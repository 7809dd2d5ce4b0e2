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
        return Response(Self.status(status), fields: fields, body: body)
    }

    /// nginx sends a status without a phrase without the space that must follow its code (RFC 9112, section 4).
    private static func status(_ code: Int) -> HTTPResponse.Status {
        known.first { $0.code == code } ?? HTTPResponse.Status(code: code, reasonPhrase: "Status \(code)")
    }

    private static let known: [HTTPResponse.Status] = [
        .ok, .created, .accepted, .noContent, .movedPermanently, .found, .seeOther, .notModified, .temporaryRedirect,
        .permanentRedirect, .badRequest, .unauthorized, .forbidden, .notFound, .methodNotAllowed, .notAcceptable,
        .requestTimeout, .conflict, .gone, .contentTooLarge, .unsupportedMediaType, .unprocessableContent,
        .tooManyRequests, .internalServerError, .notImplemented, .badGateway, .serviceUnavailable, .gatewayTimeout,
    ]
}
