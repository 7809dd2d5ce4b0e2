internal import HTTP
internal import HTTPTypes

/// A response on its way to the server: written as far as the socket takes it, the rest made into records bit by bit.
struct ResponseBytes {
    private let requestID: UInt16
    private var body: ArraySlice<UInt8>
    /// What follows that, unless it has ended.
    private var rest: BodyParts?
    private var isEnded = false
    private var buffer: [UInt8] = []
    private var sent = 0
    /// Bytes that were handed over in all.
    private(set) var sentBytes = 0

    /// How much of a body is turned into records at a time.
    private static let portion = 3 * Records.maximumContent

    /// - Parameter rest: parts that follow the response's body.
    init(_ response: Response, to requestID: UInt16, rest: BodyParts? = nil) {
        self.requestID = requestID
        self.rest = rest
        isParted = rest != nil
        body = response.body[...]
        let head = Self.head(of: response, isWhole: rest == nil)
        if head.count + body.count <= Records.maximumContent {
            buffer.reserveCapacity(head.count + body.count + 48)
            Records.appendOutput((head + body)[...], requestID: requestID, to: &buffer)
            body = []
        } else {
            Records.appendOutput(head[...], requestID: requestID, to: &buffer)
        }
        fill()
    }

    /// Whether the body is made in parts.
    let isParted: Bool

    /// Memory that it holds.
    var heldBytes: Int { buffer.capacity + body.count }

    var isDone: Bool { isEnded && sent == buffer.count }

    /// Whether all that there is was sent, and the next part has to be made.
    var awaitsPart: Bool { !isEnded && body.isEmpty && sent == buffer.count }

    mutating func makePart() throws(StoreFailure) {
        if let part = try rest?() { body = part[...] } else { rest = nil }
        fill()
    }

    /// Hands bytes to `send` until it takes no more or all is sent, up to the next part.
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
            buffer += Records.header(type: RecordType.standardOutput, requestID: requestID, contentCount: 0)
            buffer += Records.end(requestID: requestID)
            isEnded = true
        }
    }

    /// The header fields as CGI writes them (RFC 3875, section 6.3), the length of the body among them where it is known.
    private static func head(of response: Response, isWhole: Bool) -> [UInt8] {
        let status = response.head.status
        var head = Array("Status: \(status.code) \(status.reasonPhrase)\r\n".utf8)
        for field in response.head.headerFields {
            head += field.name.rawName.utf8
            head += ": ".utf8
            head += field.value.utf8
            head += "\r\n".utf8
        }
        if isWhole, status != .noContent { head += "Content-Length: \(response.body.count)\r\n".utf8 }
        head += "\r\n".utf8
        return head
    }
}
