package import HTTPTypes
package import Values

/// One HTTP response with its whole body.
package struct Response: Sendable {
    package var head: HTTPResponse
    package var body: [UInt8]

    package init(_ status: HTTPResponse.Status, fields: HTTPFields = [:], body: [UInt8] = []) {
        head = HTTPResponse(status: status, headerFields: fields)
        self.body = body
    }

    package static func text(_ status: HTTPResponse.Status, _ text: String) -> Response {
        Response(
            status, fields: [.contentType: "text/plain; charset=utf-8", .noSniff: "nosniff"], body: Array(text.utf8))
    }

    package static func json(_ status: HTTPResponse.Status, _ body: [UInt8]) -> Response {
        Response(status, fields: jsonFields, body: body)
    }

    private static let jsonFields: HTTPFields = [
        .contentType: "application/json; charset=utf-8", .cacheControl: "no-store", .noSniff: "nosniff",
    ]

    /// 404, with the text of the service that clients know.
    package static let notFound = text(.notFound, "404: Not Found")

    /// - Parameter allowed: the methods that the path accepts, as the field `Allow` lists them.
    package static func methodNotAllowed(allowed: String) -> Response {
        var response = text(.methodNotAllowed, "405: Method Not Allowed")
        response.head.headerFields[.allow] = allowed
        return response
    }
}

extension Response {
    /// The text when a long answer is refused (503) because the memory for such answers, in all or for one address, is
    /// used up.
    package static let noRoomText = "Too many long responses are being sent to slow clients. Try again."
    /// The text when a request may not wait (429).
    package static let tooManyWaitText =
        "Too many requests from your address, or for the same data, are already waiting. Try again."

    /// The response with a `Retry-After` field.
    package func retryAfter(_ seconds: Int) -> Response {
        var response = self
        response.head.headerFields[.retryAfter] = String(seconds)
        return response
    }
}

extension HTTPResponse.Status {
    package static let insufficientStorage = HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
}

extension HTTPField.Name {
    package static let noSniff = HTTPField.Name("X-Content-Type-Options")!
}

extension Response {
    /// The text when a stored record cannot be read.
    package static let damageText =
        "A stored record that this request needs is damaged. The service's log tells the operator how to repair it."

    /// The response when the store fails: 507 if there is no room, 500 if a record is damaged, else 503. Those of 507
    /// and 503 have `Retry-After`.
    package static func failure(_ failure: StoreFailure) -> Response {
        var response: Response =
            switch failure {
            case .full:
                .text(.insufficientStorage, "The store is full. Stored data can still be read, collected and deleted.")
            case .damaged: .text(.internalServerError, damageText)
            case .unavailable, .lost, .rolledBack: .text(.serviceUnavailable, "The store cannot be used at the moment.")
            }
        if case .damaged = failure { return response }
        response.head.headerFields[.retryAfter] = "5"
        return response
    }
}
