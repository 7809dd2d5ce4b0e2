internal import Encodings
package import HTTP
internal import HTTPTypes
package import Values

/// One request received at an endpoint, as it was sent.
package struct Notification: Equatable, Sendable {
    package enum BodyKind: Equatable, Sendable {
        /// UTF-8.
        case text
        /// Text in another encoding, by the label that the request gives.
        case encodedText(String)
        /// Bytes that are not text, or not valid in the declared encoding.
        case binary
    }

    package let method: String
    /// The path after the endpoint's id, as sent: empty, or beginning with a slash.
    package let path: [UInt8]
    /// As sent, without its question mark; `nil` if there was none.
    package let query: [UInt8]?
    package let fields: FieldList
    /// Decompressed, otherwise byte for byte as sent.
    package let body: [UInt8]
    package let bodyKind: BodyKind
    package let receivedAt: Timestamp
    /// The sender's address without port.
    package let remote: String?

    package init(
        method: String, path: [UInt8] = [], query: [UInt8]? = nil, fields: FieldList = FieldList(), body: [UInt8] = [],
        bodyKind: BodyKind = .text, receivedAt: Timestamp, remote: String? = nil
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.fields = fields
        self.body = body
        self.bodyKind = bodyKind
        self.receivedAt = receivedAt
        self.remote = remote
    }

    /// The body as UTF-8 text; `nil` if it is not text.
    package var text: [UInt8]? {
        switch bodyKind {
        case .text: body
        case .encodedText(let label): Charset(label: label)?.decode(body)
        case .binary: nil
        }
    }
}

/// A notification and its sequence number in its endpoint, from 1 on.
package struct NumberedNotification: Equatable, Sendable {
    package let number: UInt64
    package let notification: Notification

    package init(number: UInt64, notification: Notification) {
        self.number = number
        self.notification = notification
    }
}

/// Why the body of a request is refused.
package enum BodyRefusal: Error, Equatable, Sendable {
    case tooLarge
    /// The body cannot be decompressed, or is incomplete; the text says why.
    case unreadable(String)
}

extension Notification {
    /// Makes a notification of a request that was sent to an endpoint.
    /// - Parameters:
    ///   - segments: how many segments of the path lead to the endpoint.
    ///   - bodyLimit: the most bytes that the decompressed body may have.
    package init(
        _ request: Request, segments: Int, bodyLimit: Int, receivedAt: Timestamp
    ) throws(BodyRefusal) {
        let body = try Self.decompressed(request, limit: bodyLimit)
        self.init(
            method: request.method.rawValue, path: Array(request.target.rest(after: segments)),
            query: request.target.query.map(Array.init), fields: request.fields, body: body,
            bodyKind: Self.kind(of: body, request.fields.mediaType),
            receivedAt: receivedAt, remote: request.remoteAddress)
    }

    /// A request's body without its content coding.
    static func decompressed(_ request: Request, limit: Int) throws(BodyRefusal) -> [UInt8] {
        guard case .whole(let body) = request.body else {
            throw request.body == .tooLarge ? .tooLarge : .unreadable("it is shorter than its Content-Length")
        }
        guard body.count <= limit else { throw .tooLarge }
        guard !body.isEmpty, let field = request.fields.firstValue(of: "content-encoding"),
            let coding = ContentCoding(String(decoding: field, as: UTF8.self))
        else { return body }
        do throws(DecompressionError) {
            return try decompress(body, coding, limit: limit)
        } catch {
            switch error {
            case .tooLarge: throw .tooLarge
            case .truncated: throw .unreadable("its compressed data is incomplete")
            case .corrupt: throw .unreadable("its compressed data is corrupt")
            }
        }
    }

    private static func kind(of body: [UInt8], _ type: MediaType?) -> BodyKind {
        let label = type?.parameter("charset") ?? ""
        guard !body.isEmpty, let charset = Charset(label: label), charset != .utf8 else {
            let isUnknown = !body.isEmpty && Charset(label: label) == nil
            return !isUnknown && isUTF8(body) ? .text : .binary
        }
        return charset.decode(body) == nil ? .binary : .encodedText(label)
    }
}
