internal import Encodings
internal import Glibc
internal import HTTP
internal import HTTPTypes

/// What is wrong with a request's parameters. The client gets this text with status 400.
struct ParameterError: Error, CustomStringConvertible { let description: String }

/// The parameters that make up a request (RFC 3875, section 4.1, and eight of our own), gathered one by one.
///
/// nginx sets all parameters but `HTTP_*`, which are the client's header fields. These may repeat: nginx before 1.23
/// passes a repeated field as a repeated parameter, later versions as one parameter with the values joined.
struct Parameters {
    private var method: [UInt8] = []
    private var target: [UInt8] = []
    private var mountPoint: [UInt8] = []
    private var remoteAddress: [UInt8] = []
    private var contentLength: [UInt8] = []
    private var user: [UInt8] = []
    private var isSecure = false
    private var forwardedHost: [UInt8] = []
    private var requestID: [UInt8] = []
    private var requestTime: [UInt8] = []
    /// Whether nginx discarded the body because it was too long.
    private var isBodyRefused = false
    private var isOperational = false
    private var fields = FieldList()

    /// - Parameter entry: `NAME=value`.
    mutating func add(_ entry: RawSpan) {
        guard let equals = entry.firstOffset(of: UInt8(ascii: "=")) else { return }
        let name = entry.extracting(first: equals)
        let value = entry.extracting(droppingFirst: equals + 1)
        if name.starts(with: "HTTP_") {
            fields.append(parameter: name.extracting(droppingFirst: 5), value: value)
            return
        }
        switch name.byteCount {
        case 14 where name.starts(with: "REQUEST_METHOD"): method = value.array
        case 11 where name.starts(with: "REQUEST_URI"): target = value.array
        case 11 where name.starts(with: "SCRIPT_NAME"): mountPoint = value.array
        case 11 where name.starts(with: "REMOTE_ADDR"): remoteAddress = value.array
        case 11 where name.starts(with: "REMOTE_USER"): user = value.array
        case 15 where name.starts(with: "OPERATIONS_PORT"): isOperational = true
        case 14 where name.starts(with: "CONTENT_LENGTH"): contentLength = value.array
        case 14 where name.starts(with: "REQUEST_SCHEME"):
            isSecure = value.byteCount == 5 && value.starts(with: "https")
        case 14 where name.starts(with: "FORWARDED_HOST"): forwardedHost = value.array
        case 10 where name.starts(with: "REQUEST_ID"): requestID = value.array
        case 12 where name.starts(with: "REQUEST_TIME"): requestTime = value.array
        case 12 where name.starts(with: "BODY_REFUSED"): isBodyRefused = true
        default: break
        }
    }

    /// - Parameter body: the standard input; `nil` if it was too long to keep.
    func request(body: [UInt8]?) throws(ParameterError) -> Request {
        guard let text = String(utf8: method.span), let method = HTTPRequest.Method(text) else {
            throw ParameterError(description: "REQUEST_METHOD is missing, or is not a method")
        }
        guard target.first == UInt8(ascii: "/") || target == [UInt8(ascii: "*")] else {
            throw ParameterError(description: "REQUEST_URI is missing, or is not a path")
        }
        var mount: [String] = []
        if !mountPoint.isEmpty, let path = percentDecoded(mountPoint[...]) {
            mount = path.split(separator: "/").map(String.init)
        }
        return Request(
            method: method, target: Target(raw: target[...], mountPoint: mount), fields: fields, body: try judge(body),
            remoteAddress: remoteAddress.isEmpty ? nil : String(utf8: remoteAddress.span),
            isOperational: isOperational, user: user.isEmpty ? nil : String(utf8: user.span),
            isSecure: isSecure, forwardedHost: forwardedHost.isEmpty ? nil : forwardedHost,
            id: RequestID(time: requestTime[...], id: requestID[...]))
    }

    /// Compares the body's length with CONTENT_LENGTH. Without that parameter, any length is accepted.
    private func judge(_ body: [UInt8]?) throws(ParameterError) -> Request.Body {
        guard let body, !isBodyRefused else { return .tooLarge }
        guard !contentLength.isEmpty else { return .whole(body) }
        guard let announced = Int(String(decoding: contentLength, as: UTF8.self)), announced >= 0 else {
            throw ParameterError(description: "CONTENT_LENGTH is not a number of bytes")
        }
        return announced == body.count ? .whole(body) : .incomplete
    }
}

extension RawSpan {
    fileprivate func firstOffset(of byte: UInt8) -> Int? {
        for offset in 0..<byteCount where unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) == byte {
            return offset
        }
        return nil
    }

    fileprivate func starts(with text: StaticString) -> Bool {
        guard byteCount >= text.utf8CodeUnitCount else { return false }
        return unsafe withUnsafeBytes { unsafe memcmp($0.baseAddress!, text.utf8Start, text.utf8CodeUnitCount) == 0 }
    }

    fileprivate var array: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }
}
