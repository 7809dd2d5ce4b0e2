package import HTTP
package import HTTPTypes
internal import JSON
package import Values

/// Why a request is not done, as clients of this API are told: an object of `status`, `message`, `traceback` and
/// `version`.
package struct EventError: APIFailure, Equatable, Sendable {
    package let status: HTTPResponse.Status
    /// Sentences.
    package let message: String
    /// What the store could not do, where that is the reason.
    package let failure: StoreFailure?

    package init(_ status: HTTPResponse.Status, _ message: String, failure: StoreFailure? = nil) {
        self.status = status
        self.message = message
        self.failure = failure
    }

    /// What clients have always been told of what is not there, is deleted, or belongs to somebody else.
    static let forbidden = EventError(.forbidden, "Forbidden")

    /// - Parameter version: this program's.
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

    /// What a client is told when the store fails.
    package init(_ failure: StoreFailure) {
        switch failure {
        case .full:
            self.init(
                .insufficientStorage, "The store is full. What is kept can be read and deleted.", failure: failure)
        case .damaged: self.init(.internalServerError, Response.damageText, failure: failure)
        case .unavailable, .lost, .rolledBack:
            self.init(.serviceUnavailable, "The store cannot be used at the moment.", failure: failure)
        }
    }
}

extension Response {
    /// JSON under the media type that clients of this API have always seen: without a parameter.
    static func plainJSON(_ status: HTTPResponse.Status, _ body: [UInt8]) -> Response {
        var response = Response.json(status, body)
        response.head.headerFields[.contentType] = "application/json"
        return response
    }
}
