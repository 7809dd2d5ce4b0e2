internal import Encodings
package import HTTP
internal import HTTPTypes
package import Values

/// One request received at an endpoint, as it was sent.
package struct Notification: Equatable, Sendable {
    package let method: String
    /// Where it was sent to; `nil` if that is not known.
    package let called: CalledURL?
    /// The path after the endpoint's id, as sent: empty, or beginning with a slash.
    package let path: [UInt8]
    /// As sent, without its question mark; `nil` if there was none.
    package let query: [UInt8]?
    package let fields: FieldList
    /// Byte for byte as sent.
    package let body: [UInt8]
    package let reading: BodyReading
    package let receivedAt: Timestamp
    /// The sender's address without port.
    package let remote: String?
    /// `nil` if the sender was answered as usual, and no signature was checked.
    package var outcome: SenderOutcome?
    /// `nil` if the request has no field that identifies it. Set when the notification is accepted.
    package var delivery: SenderDelivery?

    package init(
        method: String, called: CalledURL? = nil, path: [UInt8] = [], query: [UInt8]? = nil,
        fields: FieldList = FieldList(), body: [UInt8] = [], reading: BodyReading = BodyReading(),
        receivedAt: Timestamp, remote: String? = nil, outcome: SenderOutcome? = nil
    ) {
        self.method = method
        self.called = called
        self.path = path
        self.query = query
        self.fields = fields
        self.body = body
        self.reading = reading
        self.receivedAt = receivedAt
        self.remote = remote
        self.outcome = outcome
    }

    /// The body without its content coding, as far as it can be decompressed.
    package var decodedBody: [UInt8] { reading.decoded(body) }

    /// The length of `decodedBody`.
    package var bodyByteCount: Int { reading.coding == nil ? body.count : reading.decodedBytes }

    /// The URL that the sender called, byte for byte; `nil` if it is not known.
    package var url: [UInt8]? {
        guard let called, let host = called.host ?? fields.firstValue(of: "host").map(Array.init), !host.isEmpty else {
            return nil
        }
        var url = Array((called.isSecure ? "https://" : "http://").utf8)
        url += host
        url += called.path
        url += path
        if let query {
            url.append(UInt8(ascii: "?"))
            url += query
        }
        return url
    }
}

/// The URL that a sender has called, up to the path below the endpoint's id.
package struct CalledURL: Equatable, Sendable {
    package let isSecure: Bool
    /// With its port, if the sender has written one; `nil`: as in the field Host.
    package let host: [UInt8]?
    /// As sent.
    package let path: [UInt8]

    package init(isSecure: Bool, host: [UInt8]? = nil, path: [UInt8]) {
        self.isSecure = isSecure
        self.host = host
        self.path = path
    }
}

/// A notification and its sequence number in its endpoint, from 1 on.
package struct NumberedNotification: Equatable, Sendable {
    package let number: UInt64
    package let notification: Notification
    /// The one that the notification asks for; `nil` if it asks for none, or if that is no longer known.
    package var confirmation: Confirmation?
    /// The numbers of all attempts of the same delivery that are kept, in order; `nil` if there are newer ones, or if it is not
    /// known what belongs together.
    package var attempts: [UInt64]?

    package init(
        number: UInt64, notification: Notification, confirmation: Confirmation? = nil, attempts: [UInt64]? = nil
    ) {
        self.number = number
        self.notification = notification
        self.confirmation = confirmation
        self.attempts = attempts
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
    ///   - bodyLimit: the most bytes that the body may have, as sent and decompressed.
    package init(
        _ request: Request, segments: Int, bodyLimit: Int, receivedAt: Timestamp
    ) throws(BodyRefusal) {
        let body = try Self.whole(request, limit: bodyLimit)
        self.init(
            request, segments: segments, body: body,
            reading: try BodyReading(of: body, request.fields, limit: bodyLimit),
            receivedAt: receivedAt)
    }

    init(_ request: Request, segments: Int, body: [UInt8], reading: BodyReading, receivedAt: Timestamp) {
        let (path, rest) = request.target.path(splitAfter: segments)
        self.init(
            method: request.method.rawValue,
            called: CalledURL(isSecure: request.isSecure, host: request.forwardedHost, path: Array(path)),
            path: Array(rest), query: request.target.query.map(Array.init),
            fields: request.fields, body: body, reading: reading, receivedAt: receivedAt, remote: request.remoteAddress)
    }

    /// A request's body as it was sent.
    static func whole(_ request: Request, limit: Int) throws(BodyRefusal) -> [UInt8] {
        guard case .whole(let body) = request.body else {
            throw request.body == .tooLarge ? .tooLarge : .unreadable("it is shorter than its Content-Length")
        }
        guard body.count <= limit else { throw .tooLarge }
        return body
    }

    /// A request's body without its content coding.
    static func decompressed(_ request: Request, limit: Int) throws(BodyRefusal) -> [UInt8] {
        let body = try whole(request, limit: limit)
        guard !body.isEmpty, let coding = BodyReading.coding(request.fields).coding else { return body }
        do throws(DecompressionError) {
            return try decompress(body, coding, limit: limit)
        } catch {
            switch error {
            case .tooLarge: throw .tooLarge
            case .truncated: throw .unreadable(BodyFault.incompleteData.text)
            case .corrupt: throw .unreadable(BodyFault.corruptData.text)
            }
        }
    }
}
