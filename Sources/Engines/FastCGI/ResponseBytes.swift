internal import HTTP
internal import HTTPTypes
internal import Values

/// A response that is being sent to the web server. Its body is made into records portion by portion, as the socket
/// takes them.
struct ResponseBytes {
    private let requestID: UInt16
    private var body: ArraySlice<UInt8>
    /// The parts that follow `body`; `nil` if there are no more.
    private(set) var rest: (any BodyParts)?
    private var isEnded = false
    private var buffer: [UInt8] = []
    private var sent = 0
    /// How many bytes the socket has taken in all.
    private(set) var sentBytes = 0

    /// How much of a body is turned into records at a time.
    private static let portion = 3 * Records.maximumContent

    /// - Parameter rest: parts that follow the response's body.
    init(_ response: Response, to requestID: UInt16, rest: (any BodyParts)? = nil) {
        self.requestID = requestID
        self.rest = rest
        isParted = rest != nil
        body = response.body[...]
        let isShort = body.count <= Self.shortBody
        buffer.reserveCapacity((isShort ? body.count : 0) + Self.usualHead)
        Records.appendOutput(requestID: requestID, to: &buffer) { bytes in
            Self.appendHead(of: response, isWhole: rest == nil, to: &bytes)
            if isShort { bytes += response.body }
        }
        if isShort { body = [] }
        fill()
    }

    /// A body of up to this many bytes shares the record of the header fields.
    private static let shortBody = 32 << 10
    /// Bytes reserved for a header without many fields, and for the records around it.
    private static let usualHead = 256

    /// Whether the body is made in parts.
    let isParted: Bool

    /// How many bytes of memory the response holds.
    var heldBytes: Int { buffer.capacity + body.count }

    var isDone: Bool { isEnded && sent == buffer.count }

    /// Whether `rest` has to make the next part before anything can be sent.
    var awaitsPart: Bool { !isEnded && body.isEmpty && (sent == buffer.count || isBeginning) }

    /// Whether the answer may still turn out to be short enough to be sent at once. Once nginx has its beginning, no other
    /// responder can answer the request if this one dies.
    private var isBeginning: Bool { sentBytes == 0 && rest != nil && buffer.count < Self.beginning }

    /// Bytes of an answer in parts that are made before the first is sent. A socket takes as many at once.
    private static let beginning = 128 << 10

    /// - Parameter part: the part that `rest` has made; `nil` at its end.
    mutating func add(_ part: [UInt8]?) {
        if let part { body = part[...] } else { rest = nil }
        fill()
    }

    /// Passes bytes to `send` until it takes no more, all are sent, or the next part is needed.
    mutating func advance<Failure: Error>(_ send: ([UInt8], Int) throws(Failure) -> Int) throws(Failure) {
        while !isDone, !awaitsPart {
            let count = try send(buffer, sent)
            sent += count
            sentBytes += count
            guard sent == buffer.count, !awaitsPart else { return }
            fill()
        }
    }

    private mutating func fill() {
        guard !isEnded else { return }
        if sent > 0 {
            buffer.removeAll(keepingCapacity: true)
            sent = 0
        }
        let part = body.prefix(Self.portion)
        Records.appendOutput(part, requestID: requestID, to: &buffer)
        // An empty slice would keep the memory of the whole part.
        body = part.count < body.count ? body.dropFirst(part.count) : []
        if body.isEmpty, rest == nil {
            Records.appendHeader(type: RecordType.standardOutput, requestID: requestID, contentCount: 0, to: &buffer)
            Records.appendEnd(requestID: requestID, to: &buffer)
            isEnded = true
        }
    }

    /// Appends the header fields as CGI writes them (RFC 3875, section 6.3), with Content-Length if the body is whole.
    private static func appendHead(of response: Response, isWhole: Bool, to bytes: inout [UInt8]) {
        let status = response.head.status
        append("Status: ", to: &bytes)
        append(status.code, to: &bytes)
        append(" ", to: &bytes)
        bytes += status.reasonPhrase.utf8
        append("\r\n", to: &bytes)
        for field in response.head.headerFields {
            bytes += field.name.rawName.utf8
            append(": ", to: &bytes)
            // The value may be bytes that are not UTF-8, which `value` would replace.
            unsafe field.withUnsafeBytesOfValue { unsafe bytes += $0 }
            append("\r\n", to: &bytes)
        }
        if isWhole, status.code != 204 {
            append("Content-Length: ", to: &bytes)
            append(response.body.count, to: &bytes)
            append("\r\n", to: &bytes)
        }
        append("\r\n", to: &bytes)
    }

    private static func append(_ text: StaticString, to bytes: inout [UInt8]) {
        text.withUTF8Buffer { unsafe bytes += $0 }
    }

    /// Appends a number of zero or more in decimal digits.
    private static func append(_ number: Int, to bytes: inout [UInt8]) {
        let start = bytes.count
        var rest = number
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }
}
