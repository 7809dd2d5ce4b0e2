internal import Encodings
internal import HTTP
internal import Values

/// A request that an endpoint did not store for collection. The newest few are kept, so that it can be seen what was refused
/// and why.
package struct RefusedNotification: Equatable, Sendable {
    package enum Reason: UInt8, CaseIterable, Sendable {
        // The numbers are stored.
        /// The body is longer than allowed, as it was sent or decompressed.
        case tooLarge = 1
        /// The endpoint has as many notifications or bytes as it may.
        case full
        case disabled
        /// The compressed data of the body is corrupt.
        case undecodable
        /// The signature is not right.
        case unverified
        /// A path follows the id, which the endpoint does not accept.
        case path

        /// As clients see it.
        package var name: String {
            switch self {
            case .tooLarge: "too-large"
            case .full: "full"
            case .disabled: "disabled"
            case .undecodable: "undecodable"
            case .unverified: "unverified"
            case .path: "path"
            }
        }

        /// The status that the sender got.
        package var status: Int {
            switch self {
            case .tooLarge: 413
            case .full: 507
            case .disabled: 500
            case .undecodable: 400
            case .unverified: 401
            case .path: 404
            }
        }
    }

    /// Its body is empty if the body was too long to be kept.
    package let notification: Notification
    package let reason: Reason
    /// The length of the body as it was sent, or as the sender has announced it; `nil` if it is not known.
    package let bodyBytes: UInt64?

    package init(notification: Notification, reason: Reason, bodyBytes: UInt64?) {
        self.notification = notification
        self.reason = reason
        self.bodyBytes = bodyBytes
    }

    /// The most refused requests that are kept for an endpoint, and their bytes in all. The oldest are dropped.
    package static let limit = 20
    package static let bytesLimit = 1 << 20
    /// The longest body that is kept.
    static let bodyLimit = 256 << 10
}

/// A refused request and its number among those of its endpoint.
package struct NumberedRefusal: Equatable, Sendable {
    package let number: UInt64
    package let refused: RefusedNotification

    package init(number: UInt64, refused: RefusedNotification) {
        self.number = number
        self.refused = refused
    }
}

extension RefusedNotification {
    /// Makes one of a request that was sent to an endpoint.
    /// - Parameters:
    ///   - segments: how many segments of the path lead to the endpoint.
    ///   - reading: how the body is read; `nil` if that is not known.
    init(
        _ request: Request, segments: Int, reason: Reason, _ reading: BodyReading? = nil,
        outcome: SenderOutcome? = nil, receivedAt: Timestamp
    ) {
        let sent: [UInt8]? = if case .whole(let body) = request.body { body } else { nil }
        let announced = request.fields.firstValue(of: "content-length").flatMap {
            UInt64(String(decoding: $0, as: UTF8.self))
        }
        let body = sent.flatMap { $0.count <= Self.bodyLimit ? $0 : nil } ?? []
        // The body is shown as it was sent, so that nothing long is decompressed again.
        let kind: BodyReading.Kind = isUTF8(body) ? .text : .binary
        var notification = Notification(
            request, segments: segments, body: body, reading: BodyReading(kind: kind, fault: reading?.fault),
            receivedAt: receivedAt)
        notification.outcome = outcome
        self.init(
            notification: notification, reason: reason, bodyBytes: sent.map { UInt64($0.count) } ?? announced)
    }
}
