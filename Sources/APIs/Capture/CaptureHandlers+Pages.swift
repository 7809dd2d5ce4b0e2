internal import HTTP
internal import HTTPTypes
internal import Values

/// Requests of web pages (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).
extension CaptureHandlers {
    /// Answers a request with a field `Origin`.
    func receiveFromPage(
        _ request: Request, at text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        guard let id = Endpoint.ID(inURL: text), let endpoint = try await store.endpoint(id, at: now(), limits),
            endpoint.settings.isOpenToPages
        else { return try await receive(request, at: text, context) }
        if request.method == .options, let method = request.fields.firstValue(of: "access-control-request-method") {
            return .whole(Self.preflight(method, request.fields.firstValue(of: "access-control-request-headers")))
        }
        guard case .whole(var response) = try await receive(request, at: text, context) else {
            preconditionFailure("a webhook has a long answer")
        }
        response.head.headerFields[.accessControlAllowOrigin] = "*"
        response.head.headerFields[.accessControlExposeHeaders] = "*"
        return .whole(response)
    }

    /// The answer to a browser that asks whether a page may send a request. It is not a notification.
    private static func preflight(_ method: ArraySlice<UInt8>, _ fields: ArraySlice<UInt8>?) -> Response {
        var response = Response(.noContent)
        response.head.headerFields[.accessControlAllowOrigin] = "*"
        response.head.headerFields[.accessControlAllowMethods] = String(decoding: method, as: UTF8.self)
        if let fields {
            response.head.headerFields[.accessControlAllowHeaders] = String(decoding: fields, as: UTF8.self)
        }
        response.head.headerFields[.accessControlMaxAge] = "600"
        return response
    }
}
