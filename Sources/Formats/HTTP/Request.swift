internal import Encodings
package import HTTPTypes

/// Identifies one request of a client. It stays the same when nginx retries the request on another responder.
///
/// Made of nginx's `$msec` and `$request_id`, both set once for a request. The time comes first, so that the records
/// that are kept of requests are stored in the order of time.
package struct RequestID: Hashable, Sendable {
    /// When nginx began the request, in milliseconds since 1970.
    package let milliseconds: UInt64
    /// 16 random bytes.
    package let high: UInt64
    package let low: UInt64

    package init(milliseconds: UInt64, high: UInt64, low: UInt64) {
        self.milliseconds = milliseconds
        self.high = high
        self.low = low
    }

    /// - Parameters:
    ///   - time: seconds with three digits of fraction, as `$msec` writes them.
    ///   - id: 32 hexadecimal digits, as `$request_id` writes them.
    package init?(time: ArraySlice<UInt8>, id: ArraySlice<UInt8>) {
        guard id.count == 32, (5...20).contains(time.count), time[time.endIndex - 4] == UInt8(ascii: ".") else {
            return nil
        }
        var milliseconds: UInt64 = 0
        for (offset, byte) in time.enumerated() where offset != time.count - 4 {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let (tens, tooLarge) = milliseconds.multipliedReportingOverflow(by: 10)
            guard !tooLarge else { return nil }
            milliseconds = tens &+ UInt64(byte - UInt8(ascii: "0"))
        }
        let digits = id.span
        guard let high = Self.half(digits.extracting(first: 16)), let low = Self.half(digits.extracting(last: 16))
        else {
            return nil
        }
        self.init(milliseconds: milliseconds, high: high, low: low)
    }

    private static func half(_ digits: Span<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for index in digits.indices {
            guard let digit = hexadecimalDigit(digits[index]) else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return value
    }
}

/// One HTTP request, as a handler sees it. It is a class, so that dropping the body frees it for all who hold the
/// request.
package final class Request {
    package enum Body: Equatable, Sendable {
        case whole([UInt8])
        /// Longer than this service accepts; its bytes were discarded.
        case tooLarge
        /// Its length is not the one that the request announced.
        case incomplete
    }

    package let method: HTTPRequest.Method
    package let target: Target
    package private(set) var fields: FieldList
    package private(set) var body: Body
    /// The client's address as nginx passes it, without port; never taken from a header.
    package let remoteAddress: String?
    /// Whether the request came in at the operations port.
    package let isOperational: Bool
    /// The user whom nginx has authenticated; never taken from a header. `nil` if there is none.
    package let user: String?
    /// Whether the client used TLS, as nginx or a trusted proxy in front of it reports.
    package let isSecure: Bool
    /// The host that the client called, as a trusted proxy reports it; `nil`: the one in the field Host.
    package let forwardedHost: [UInt8]?
    /// `nil` if nginx does not pass one; then a retry of the request cannot be distinguished from a new request.
    package let id: RequestID?

    package init(
        method: HTTPRequest.Method, target: Target, fields: FieldList = FieldList(), body: Body = .whole([]),
        remoteAddress: String? = nil, isOperational: Bool = false, user: String? = nil, isSecure: Bool = false,
        forwardedHost: [UInt8]? = nil, id: RequestID? = nil
    ) {
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.remoteAddress = remoteAddress
        self.isOperational = isOperational
        self.user = user
        self.isSecure = isSecure
        self.forwardedHost = forwardedHost
        self.id = id
    }

    /// Frees the memory of the body, which nothing may read from now on.
    package func dropBody() { body = .whole([]) }

    /// Frees memory that the fields have reserved and do not use.
    package func trim() { fields.trim() }
}
