internal import HTTP
internal import Linux
package import Values

/// An HTTP request to be sent, and how much it may cost.
package struct Outgoing: Sendable {
    /// A token (RFC 9110, section 9.1), sent as it is; not HEAD or CONNECT, whose answers are read in other ways.
    package var method: String
    /// Absolute, `http` or `https`, without user information.
    package var url: String
    /// Sent in this order, as given. What libcurl would add of its own (Accept, Content-Type, Expect, User-Agent) is not
    /// sent unless it is among them; Host and Content-Length are.
    package var headers: [(name: String, value: String)]
    /// Sent with every method.
    package var body: [UInt8]

    /// From the look-up of the name to the last byte of the response.
    package var timeoutMilliseconds: Int
    /// Of that, until the connection stands, TLS included.
    package var connectTimeoutMilliseconds: Int
    /// As much of the response's body is handed out.
    package var keptBytes: Int
    /// As much of it is read; of one that is longer, the connection is closed and the rest stays unread.
    package var readBytes: Int
    /// As much of the response's header fields, in names and values, is handed out.
    package var keptHeaderBytes: Int

    /// Whether it gets a connection of its own, and no kept one.
    package var isFresh: Bool

    /// Asked for each address at the moment of connecting to it, and again before the request goes out, which may be
    /// over a connection that stood already.
    package var mayConnect: @Sendable (IPAddress) -> Bool

    package init(
        method: String = "POST", url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        timeoutMilliseconds: Int = 10_000, connectTimeoutMilliseconds: Int = 3000, keptBytes: Int = 16 << 10,
        readBytes: Int = 128 << 10, keptHeaderBytes: Int = 16 << 10,
        isFresh: Bool = false, mayConnect: @escaping @Sendable (IPAddress) -> Bool
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeoutMilliseconds = timeoutMilliseconds
        self.connectTimeoutMilliseconds = connectTimeoutMilliseconds
        self.keptBytes = keptBytes
        self.readBytes = readBytes
        self.keptHeaderBytes = keptHeaderBytes
        self.isFresh = isFresh
        self.mayConnect = mayConnect
    }

    /// Refuses what would end up as something else on the wire.
    func validate() throws(CurlError) {
        guard Self.isToken(method), !["HEAD", "CONNECT"].contains(method) else {
            throw .unusable("no method to send a request with: \(method.debugDescription)")
        }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw .unusable("the URL has a blank or a control character: \(url.debugDescription)")
        }
        for (name, value) in headers {
            guard Self.isToken(name) else { throw .unusable("no name of a header field: \(name.debugDescription)") }
            guard !["content-length", "transfer-encoding"].contains(name.lowercased()) else {
                throw .unusable("\(name) follows from the body")
            }
            // RFC 9110, section 5.5.
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                throw .unusable("the header field \(name) has a control character in its value")
            }
        }
    }

    private static func isToken(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(\.isTokenByte) }
}
