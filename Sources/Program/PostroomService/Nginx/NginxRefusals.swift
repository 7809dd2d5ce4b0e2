internal import Events
internal import HTTPTypes
internal import Webhooks

/// Postroom's answers to requests that nginx refuses by itself: a line of plain text or, in the APIs of webhooks and of
/// events, the API's error object. Those at the inspector's addresses have the headers of its page.
struct NginxRefusals {
    let settings: Settings

    private struct Refusal {
        /// The last segment of the location's path: nginx's status code, with a suffix where one code has two texts.
        let name: String
        let status: HTTPResponse.Status
        /// The error code in the API of webhooks; `nil` for a refusal that does not happen there.
        var code: ErrorCode?
        let text: String
        /// Whether the client should try again soon: the answer then has `Retry-After`.
        var passes = false
    }

    private var all: [Refusal] {
        [
            Refusal(name: "400", status: .badRequest, code: .malformedJSON, text: "The request is not valid."),
            Refusal(
                name: "401", status: .unauthorized,
                text: "Log in with a user name and password that this service knows."),
            Refusal(name: "404", status: .notFound, code: .nothingThere, text: "Not Found"),
            Refusal(name: "405", status: .methodNotAllowed, code: .wrongMethod, text: "Method Not Allowed"),
            Refusal(name: "414", status: .uriTooLong, code: .malformedJSON, text: "The URL is too long."),
            Refusal(
                name: "429", status: .tooManyRequests, code: .tooManyRequests,
                text: "Too many requests from this address.",
                passes: true),
            Refusal(
                name: "431", status: .requestHeaderFieldsTooLarge, code: .malformedJSON,
                text: """
                    A header field may have no more than \(settings.maximumHeaderBytes) bytes, and all of them together about \
                    \(4 * settings.maximumHeaderBytes).
                    """),
            Refusal(
                name: "496", status: .badRequest, code: .malformedJSON,
                text: "A client certificate that this service accepts is required."
            ),
            Refusal(name: "497", status: .badRequest, code: .malformedJSON, text: "This port accepts only HTTPS."),
            Refusal(
                name: "501", status: .notImplemented, code: .failure,
                text: "The request's transfer coding is not supported."),
            Refusal(
                name: "502", status: .badGateway, code: .storeUnavailable, text: "No responder could answer.",
                passes: true),
            Refusal(
                name: "503", status: .serviceUnavailable, code: .storeUnavailable,
                text: "The request cannot be handled at the moment. Try again.",
                passes: true),
            Refusal(
                name: "504", status: .gatewayTimeout, code: .storeUnavailable, text: "No responder answered in time."),
            Refusal(
                name: "505", status: .httpVersionNotSupported, code: .failure,
                text: "This version of HTTP is not supported."),
        ]
    }

    private func tooLarge(_ limit: Int, name: String = "413") -> Refusal {
        Refusal(
            name: name, status: .contentTooLarge, code: .bodyTooLarge,
            text: "A body may have no more than \(limit) bytes.")
    }

    /// Locations that answer in plain text.
    var texts: String {
        locations("text", all + [tooLarge(settings.maximumBodyBytes)]) { "\($0.status.code): \($0.text)" }
    }

    /// Locations that answer in plain text at the inspector's addresses.
    var pageTexts: String {
        locations("page-refusals", all, allow: "GET, HEAD", headers: NginxPageHeaders.lines) {
            "\($0.status.code): \($0.text)"
        }
    }

    /// Locations that answer with the object of the API of webhooks.
    var webhookObjects: String {
        let limit = min(settings.maximumBodyBytes, settings.webhooks.maximumInputBytes)
        return locations("webhooks", all + [tooLarge(limit)]) { refusal in
            refusal.code.map { code in
                String(
                    decoding: APIError(code, refusal.text).body(status: refusal.status.code), as: UTF8.self)
            }
        }
    }

    /// Locations that answer with the object of the API of events.
    var eventObjects: String {
        let tooLarge = [
            tooLarge(settings.maximumBodyBytes), tooLarge(settings.events.maximumEventBytes, name: "413-event"),
        ]
        return locations("events", all + tooLarge) { refusal in
            String(
                decoding: EventError(refusal.status, refusal.text).body(version: settings.events.version),
                as: UTF8.self)
        }
    }

    /// - Parameters:
    ///   - allow: the methods that a refusal of the method names; `nil` if they differ.
    ///   - headers: the headers around the locations, which a location with headers of its own repeats.
    ///   - body: makes the body of the answer; `nil` for a refusal that needs no location.
    private func locations(
        _ kind: String, _ refusals: [Refusal], allow: String? = nil, headers: String = "", _ body: (Refusal) -> String?
    ) -> String {
        refusals.compactMap { refusal in
            body(refusal).map { body in
                // Escape the body as nginx reads text between single quotes.
                let quoted = body.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
                var own = refusal.passes ? "add_header Retry-After 1 always; " : ""
                if let allow, refusal.status == .methodNotAllowed { own += "add_header Allow \"\(allow)\" always; " }
                if !own.isEmpty, !headers.isEmpty { own += headers + " " }
                return "location = /.postroom-\(kind)/\(refusal.name) "
                    + "{ \(own)return \(refusal.status.code) '\(quoted)'; }"
            }
        }.joined(separator: "\n    ")
    }
}
