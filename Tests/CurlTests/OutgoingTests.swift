import Curl
import TestSupport
import Testing

@Suite struct OutgoingTests {
    @Test(arguments: ["GET", "POST", "PUT", "PATCH", "DELETE", "PURGE", "get"], ["{\"a\":\"ü\"}", ""])
    func `every method can send a body`(method: String, body: String) throws {
        try withReceiver { receiver in
            let exchange = try Multi.forTests().send(receiver.request("/hook", method: method, body: body))
            #expect(exchange.status == 200)
            let arrival = try #require(try receiver.arrivals().first)
            #expect(arrival.method == method && arrival.path == "/hook" && arrival.body == body)
            #expect(arrival.headers.contains(["Content-Length", "\(body.utf8.count)"]))
        }
    }

    @Test func `headers arrive as given, and only Host and Content-Length are added`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            var request = receiver.request("/a/../b/%7e?x=%20&y", body: String(repeating: "x", count: 300_000))
            _ = try multi.send(request)
            request.headers = [
                ("X-Empty", ""), ("x-lower", "a;b, c: d"), ("X-Twice", "2"), ("X-Twice", "1"), ("expect", "nothing"),
                ("Content-Type", "application/json"), ("X-Bytes", "ü\t."), ("User-Agent", "Postroom"),
                ("accept", "text/*"),
            ]
            _ = try multi.send(request)
            // The headers of the previous request are not sent again.
            request.headers = []
            _ = try multi.send(request)
            let host = ["Host", "127.0.0.1:\(receiver.port)"]
            let length = ["Content-Length", "300000"]
            let arrivals = try receiver.arrivals()
            try #require(arrivals.count == 3)
            #expect(arrivals[0].headers == [host, length])
            #expect(arrivals[0].path == "/a/../b/~")
            // The receiver decodes bytes as ISO 8859-1.
            #expect(
                arrivals[1].headers.filter { $0 != host && $0 != length } == [
                    ["X-Empty", ""], ["x-lower", "a;b, c: d"], ["X-Twice", "2"], ["X-Twice", "1"],
                    ["expect", "nothing"], ["Content-Type", "application/json"], ["X-Bytes", "Ã¼\t."],
                    ["User-Agent", "Postroom"], ["accept", "text/*"],
                ])
            #expect(arrivals[2].headers == [host, length])
        }
    }

    @Test(arguments: [
        ("X-A", "b\r\nX-C: d"), ("X-A", "b\nc"), ("X-A", "\0"), ("X-A", "\u{7f}"), ("X A", "b"), ("X-A:", "b"),
        ("", "b"), ("X-Ä", "b"), ("X-A\r\n", "b"), ("Content-Length", "5"), ("transfer-encoding", "chunked"),
    ])
    func `an invalid header, or one that frames the body, is refused`(name: String, value: String) throws {
        let multi = try Multi.forTests()
        var request = Outgoing.to("http://127.0.0.1/")
        request.headers = [(name, value)]
        #expect(throws: CurlError.self) { try multi.start(request, token: 1) }
        #expect(multi.inFlight == 0)
    }

    @Test(arguments: ["", "GE T", "GET /\r\n", "HEAD", "CONNECT", "PÖST"])
    func `an invalid or unsupported method is refused`(method: String) throws {
        let multi = try Multi.forTests()
        #expect(throws: CurlError.self) { try multi.start(.to("http://127.0.0.1/", method: method), token: 1) }
    }

    @Test(arguments: ["http://127.0.0.1/\0", "http://127.0.0.1/ a", "http://127.0.0.1/\r\nX: y"])
    func `a URL with a space or a control character is refused`(url: String) throws {
        let multi = try Multi.forTests()
        #expect(throws: CurlError.self) { try multi.start(.to(url), token: 1) }
    }

    @Test(arguments: [
        "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "http://user:secret@127.0.0.1/", "http://",
        "http://127.0.0.1:99999/", "127.0.0.1:x",
    ])
    func `a URL that is malformed, has a user or is not HTTP is a protocol error`(url: String) throws {
        let exchange = try Multi.forTests().send(.to(url))
        #expect(exchange.kind == .protocolError, "\(exchange)")
    }
}
