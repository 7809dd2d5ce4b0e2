package import HTTP
internal import Linux
package import Values

/// An HTTP request to send, with its limits.
package struct Outgoing: Sendable {
    /// A token (RFC 9110, section 9.1), sent as given. CONNECT is refused, as its response is read in another way, and HEAD
    /// with a body.
    package var method: String
    /// An absolute URL, `http` or `https`, without user information.
    package var url: String
    /// Sent in this order, as given. libcurl also sends Host and Content-Length; the others that it would add (Accept,
    /// Content-Type, Expect, User-Agent) are sent only if they are in this list.
    package var headers: [(name: String, value: String)]
    /// Sent after `headers`, byte for byte.
    package var fields = FieldList()
    /// Sent with every method.
    package var body: [UInt8]
    /// Whether Content-Length is sent. Without it, there is no body.
    package var hasBody = true

    /// The limit for the whole exchange, from the lookup of the name to the last byte of the response.
    package var timeoutMilliseconds: Int
    /// The limit within it until the connection is established, TLS included.
    package var connectTimeoutMilliseconds: Int
    /// How many bytes of the response's body are returned at most.
    package var keptBytes: Int
    /// How many bytes of the response's body are read at most. If it is longer, the connection is closed and the rest is
    /// not read.
    package var readBytes: Int
    /// How many bytes of the response's header fields, names and values together, are returned at most.
    package var keptHeaderBytes: Int

    /// Whether HTTP/1.1 is used also with TLS. HTTP/2 has the names of header fields in lower case.
    package var isHTTP1 = false

    /// Whether a new connection is made for it instead of reusing one.
    package var isFresh: Bool

    /// Whether an address may be called. It is asked for each address just before connecting to it, and again before the
    /// request is sent, which may be over a reused connection.
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

    /// Throws if the request could not be sent exactly as given.
    func validate() throws(CurlError) {
        guard Self.isToken(method), method != "CONNECT" else {
            throw .unusable("not a method: \(method.debugDescription)")
        }
        guard hasBody ? method != "HEAD" : body.isEmpty else {
            throw .unusable("a body cannot be sent with \(method)")
        }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw .unusable("the URL has a blank or a control character: \(url.debugDescription)")
        }
        for (name, value) in headers {
            guard Self.isToken(name) else { throw .unusable("not a field name: \(name.debugDescription)") }
            guard !["content-length", "transfer-encoding"].contains(name.lowercased()) else {
                throw .unusable("the header field \(name) must not be set: it follows from the body")
            }
            guard !value.utf8.contains(where: \.isFieldControl) else {
                throw .unusable("the header field \(name) has a control character in its value")
            }
        }
        for index in 0..<fields.count {
            let name = String(decoding: fields.name(at: index), as: UTF8.self)
            guard Self.isToken(name) else { throw .unusable("not a field name: \(name.debugDescription)") }
            // These would end the field (RFC 9110, section 5.5).
            guard !fields.value(at: index).contains(where: { $0 == 0 || $0 == 0x0a || $0 == 0x0d }) else {
                throw .unusable("the header field \(name) has a line break or a zero byte in its value")
            }
        }
    }

    private static func isToken(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(\.isTokenByte) }
}
