internal import Encodings
internal import HTTP
internal import HTTPTypes

/// Decodes the bodies of requests.
enum RequestBody {
    /// The most content codings, applied one over the other, that are undone.
    private static let maximumCodings = 2

    /// A body without its content codings (RFC 9110, section 8.4).
    /// - Parameter limit: the most bytes that the body may have, also between two codings.
    static func decoded(_ body: [UInt8], _ fields: FieldList, atMost limit: Int) throws(EventError) -> [UInt8] {
        guard let field = fields.joinedValue(of: "content-encoding") else { return body }
        let names = String(decoding: field, as: UTF8.self).split(separator: ",")
            .map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }.filter { !$0.isEmpty && $0 != "identity" }
        let codings = names.map { ContentCoding($0) }
        guard !codings.contains(nil), codings.count <= maximumCodings else {
            throw EventError(.unsupportedMediaType, "Content-Encoding: must be gzip, deflate or identity.")
        }
        var body = body
        for coding in codings.reversed() {
            guard let coding, !body.isEmpty else { continue }
            do throws(DecompressionError) {
                body = try decompress(body, coding, limit: limit)
            } catch {
                switch error {
                case .tooLarge: throw tooLarge(limit)
                case .truncated: throw EventError(.badRequest, "The compressed body is incomplete.")
                case .corrupt: throw EventError(.badRequest, "The body is not compressed as Content-Encoding says.")
                }
            }
        }
        return body
    }

    static func tooLarge(_ limit: Int) -> EventError {
        EventError(.contentTooLarge, "The body may have no more than \(limit) bytes.")
    }

    /// The UTF-8 of a text in UTF-8, UTF-16 or UTF-32, without a byte order mark. It does not check that the text is JSON.
    static func jsonText(_ body: [UInt8]) throws(EventError) -> [UInt8] {
        // Nearly all bodies are UTF-8 without a mark, and are returned as they are.
        guard let first = body.first, first >= 0xef || body.prefix(4).contains(0) else { return body }
        guard let text = Encodings.jsonText(body) else {
            throw EventError(.badRequest, "The body is not JSON: it is not UTF-8, UTF-16 or UTF-32.")
        }
        return text
    }
}
