internal import Webhooks

/// What nginx refuses by itself, in Postroom's words: a line of plain text, and the documented object to who calls the API
/// of webhooks.
struct NginxRefusals {
    let settings: Settings

    private struct Refusal {
        /// What nginx knows it by.
        let name: Int
        let status: Int
        let code: ErrorCode
        let text: String
        /// Whether to try again soon.
        var passes = false
    }

    private var all: [Refusal] {
        [
            Refusal(name: 400, status: 400, code: .malformedJSON, text: "The request cannot be understood."),
            Refusal(name: 404, status: 404, code: .nothingThere, text: "Not Found"),
            Refusal(name: 405, status: 405, code: .wrongMethod, text: "Method Not Allowed"),
            Refusal(name: 414, status: 414, code: .malformedJSON, text: "The address is too long."),
            Refusal(
                name: 429, status: 429, code: .tooManyRequests, text: "Too many requests from this address.",
                passes: true),
            Refusal(
                name: 431, status: 431, code: .malformedJSON,
                text: "A header field may have no more than \(settings.maximumHeaderBytes) bytes."),
            Refusal(
                name: 496, status: 400, code: .malformedJSON, text: "A certificate is needed that this service accepts."
            ),
            Refusal(name: 497, status: 400, code: .malformedJSON, text: "This port speaks HTTPS."),
            Refusal(name: 501, status: 501, code: .failure, text: "The request's transfer coding is not known."),
            Refusal(name: 502, status: 502, code: .storeUnavailable, text: "No responder could answer.", passes: true),
            Refusal(
                name: 503, status: 503, code: .storeUnavailable, text: "The request cannot be taken at the moment.",
                passes: true),
            Refusal(name: 504, status: 504, code: .storeUnavailable, text: "No responder answered in time."),
            Refusal(name: 505, status: 505, code: .failure, text: "This version of HTTP is not known."),
        ]
    }

    private func tooLarge(_ limit: Int) -> Refusal {
        Refusal(
            name: 413, status: 413, code: .bodyTooLarge, text: "A body may have no more than \(limit) bytes.")
    }

    /// Locations that answer in plain text.
    var texts: String {
        (all + [tooLarge(settings.maximumBodyBytes)]).map { refusal in
            location(refusal, "text", "\"\(refusal.status): \(refusal.text)\"")
        }.joined(separator: "\n    ")
    }

    /// Locations that answer with the object.
    var objects: String {
        let limit = min(settings.maximumBodyBytes, settings.webhooks.maximumBodyBytes)
        return (all + [tooLarge(limit)]).map { refusal in
            let body = APIError(refusal.code, refusal.text).body(status: refusal.status)
            let text = String(decoding: body, as: UTF8.self)
            // As nginx reads what is between single quotes.
            let quoted = text.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
            return location(refusal, "object", "'\(quoted)'")
        }.joined(separator: "\n    ")
    }

    private func location(_ refusal: Refusal, _ kind: String, _ body: String) -> String {
        let retry = refusal.passes ? "add_header Retry-After 1 always; " : ""
        return "location = /.postroom-\(kind)/\(refusal.name) { \(retry)return \(refusal.status) \(body); }"
    }
}
