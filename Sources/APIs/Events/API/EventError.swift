package import HTTP
package import HTTPTypes
internal import JSON
package import Values

/// Why a request fails. Clients of this API receive it as an object of `status`, `message`, `traceback` and `version`.
package struct EventError: APIFailure, Equatable, Sendable {
    package let status: HTTPResponse.Status
    /// One or more sentences.
    package let message: String
    /// The failure of the store, if that is the reason.
    package let failure: StoreFailure?

    package init(_ status: HTTPResponse.Status, _ message: String, failure: StoreFailure? = nil) {
        self.status = status
        self.message = message
        self.failure = failure
    }

    static func badRequest(_ message: String) -> EventError { EventError(.badRequest, message) }

    /// The error that clients have always received for objects that do not exist, are deleted, or belong to others.
    static let forbidden = EventError(.forbidden, "Forbidden")

    /// - Parameter version: the version of this program.
    package func body(version: String) -> [UInt8] {
        objectJSON { json in
            json.member("status", "\(status.code) \(status.reasonPhrase)")
            json.member("message", message)
            json.member("traceback", "")
            json.member("version", version)
        }
    }

    package func response(version: String) -> Response {
        var response = Response.plainJSON(status, body(version: version))
        if status == .serviceUnavailable || status == .insufficientStorage {
            response.head.headerFields[.retryAfter] = "5"
        }
        return response
    }

    /// The error that a client receives when the store fails.
    package init(_ failure: StoreFailure) {
        switch failure {
        case .full:
            self.init(
                .insufficientStorage, "The store is full. Stored data can still be read and deleted.", failure: failure)
        case .damaged: self.init(.internalServerError, Response.damageText, failure: failure)
        case .unavailable, .lost, .rolledBack:
            self.init(.serviceUnavailable, "The store cannot be used at the moment.", failure: failure)
        }
    }
}

extension Response {
    /// JSON under the media type that this API has always used: `application/json` without a parameter.
    static func plainJSON(_ status: HTTPResponse.Status, _ body: [UInt8]) -> Response {
        var response = Response.json(status, body)
        response.head.headerFields[.contentType] = "application/json"
        return response
    }
}
