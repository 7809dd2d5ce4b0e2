import Curl
import Linux
import SystemPackage
import TestSupport
import Testing

@Suite struct ExchangeTests {
    @Test(arguments: [200, 201, 204, 301, 304, 400, 401, 404, 407, 410, 429, 500, 503])
    func `every status is a response, not a failure`(status: Int) throws {
        try withReceiver { receiver in
            let exchange = try Multi.forTests().send(receiver.request("/?status=\(status)&retry_after=7&body=later"))
            #expect(exchange.status == status)
            #expect(exchange.headers.starts(with: ["content-type: text/plain", "retry-after: 7"]))
            #expect(exchange.body == (status == 204 || status == 304 ? "" : "later"))
            #expect(exchange.isTruncated == false)
            #expect(exchange.remoteAddress == "127.0.0.1")
            #expect(exchange.httpVersion == .http11)
            #expect(!exchange.isReusedConnection)
            #expect(try receiver.arrivals().count == 1)
        }
    }

    @Test func `a redirect is not followed`() throws {
        try withReceiver { receiver in
            let exchange = try Multi.forTests().send(receiver.request("/?redirect=/elsewhere"))
            #expect(exchange.status == 302)
            #expect(exchange.headers.contains("location: /elsewhere"))
            #expect(try receiver.arrivals().count == 1)
        }
    }

    @Test func `a connection is reused until the receiver closes it`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            let reused = try (1...4).map { try multi.send(receiver.request("/\($0)")).isReusedConnection }
            #expect(reused == [false, true, true, true])
            _ = try multi.send(receiver.request("/?keepalive=0"))
            #expect(try !multi.send(receiver.request("/")).isReusedConnection)
            #expect(try receiver.arrivals().map(\.conn) == [1, 1, 1, 1, 1, 2])
        }
    }

    // Each fault meets the first request on a connection, and one on a reused connection; both arrive once.
    @Test(arguments: [
        ("fault=reset", Exchange.ErrorKind.reset), ("fault=reset_mid", .reset), ("fault=close", .reset),
        ("fault=truncate", .reset), ("fault=garbage", .protocolError), ("fault=hang", .timeout),
        ("fault=half", .timeout), ("drip=10000,1,0.01", .timeout), ("delay=10", .timeout),
    ])
    func `each fault of a receiver has its kind of error, and the request is sent once`(
        rule: String, kind: Exchange.ErrorKind
    ) throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            let timeout = kind == .timeout ? 1000 : 20_000
            let first = try multi.send(receiver.request("/first?\(rule)", timeout: timeout))
            #expect(first.kind == kind, "\(first)")
            #expect(!first.isReusedConnection)
            #expect(try multi.send(receiver.request("/good")).status == 200)
            let second = try multi.send(receiver.request("/second?\(rule)", timeout: timeout))
            #expect(second.kind == kind, "\(second)")
            #expect(second.isReusedConnection)
            #expect(second.text?.isEmpty == false)
            #expect(try multi.send(receiver.request("/good")).status == 200)
            #expect(try receiver.arrivals().map(\.path) == ["/first", "/good", "/second", "/good"])
        }
    }

    @Test func `a connection reset before the body was read is a reset`() throws {
        try withReceiver { receiver in
            let body = String(repeating: "x", count: 8_000_000)
            let exchange = try Multi.forTests().send(receiver.request("/?fault=reset_early", body: body))
            #expect(exchange.kind == .reset, "\(exchange)")
        }
    }

    @Test func `the first 16 KiB of a body are kept, and at most 128 KiB are read`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            for (bytes, kept, isTruncated) in [
                (16_384, 16_384, false), (16_385, 16_384, true), (131_072, 16_384, true), (131_073, 16_384, true),
                (50_000_000, 16_384, true),
            ] {
                let exchange = try multi.send(receiver.request("/?body_bytes=\(bytes)"))
                #expect(exchange.status == 200)
                #expect(exchange.body?.utf8.count == kept && exchange.isTruncated == isTruncated)
            }
            // A body of up to 128 KiB is read to its end, so that its connection can be reused.
            #expect(try receiver.arrivals().map(\.conn) == [1, 1, 1, 1, 2])
            #expect(try multi.send(receiver.request("/?endless=1")).status == 200)
            #expect(try multi.send(receiver.request("/?drip=300000,65536,0.01")).isTruncated == true)
        }
    }

    @Test func `a compressed response is not decompressed`() throws {
        try withReceiver { receiver in
            let exchange = try Multi.forTests().send(receiver.request("/?gzip_bomb=10000000"))
            #expect(exchange.status == 200)
            #expect(exchange.headers.contains("content-encoding: gzip"))
            // 10 MB of zeros take 10 kB.
            #expect(exchange.body.map { $0.utf8.count < 20_000 } == true && exchange.isTruncated == false)
        }
    }

    @Test func `a compressed transfer coding is decoded only as far as the body is read`() throws {
        try withTemporaryDirectory { directory in
            // 100 MB of zeros.
            let bomb = directory.appending("bomb").string
            let made = try runProgram("sh", ["-c", "head -c 100000000 /dev/zero | gzip > \(bomb)"])
            try #require(made == .exited(0))
            let program = """
                import socket
                s = socket.create_server(("127.0.0.1", 0))
                open("\(directory)/made", "w").write(str(s.getsockname()[1]))
                __import__("os").rename("\(directory)/made", "\(directory)/port")
                c, _ = s.accept()
                c.recv(65536)
                c.sendall(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: gzip\\r\\n\\r\\n" + open("\(bomb)", "rb").read())
                c.recv(1)
                """
            try withProgram("python3", ["-c", program]) { _ in
                var port = ""
                _ = holds {
                    port = String(decoding: Files.contents(of: directory.appending("port")) ?? [], as: UTF8.self)
                    return !port.isEmpty
                }
                let exchange = try Multi.forTests().send(.to("http://127.0.0.1:\(port)/"))
                #expect(exchange.status == 200, "\(exchange.kind as Any) \(exchange.text ?? "")")
                #expect(exchange.body?.utf8.count == 16_384 && exchange.isTruncated == true)
            }
        }
    }

    @Test func `only the first headers of a response are kept`() throws {
        let long = String(repeating: "v", count: 1000)
        let headers = (1...40).map { "X-\($0): \(long)\r\n" }.joined()
        let server = try TCPServer(["HTTP/1.1 200 OK\r\n\(headers)Content-Length: 2\r\n\r\nok"])
        let exchange = try Multi.forTests().send(.to("http://127.0.0.1:\(server.port)/"))
        #expect(exchange.status == 200 && exchange.body == "ok")
        #expect(exchange.headers == (1...16).map { "X-\($0): \(long)" })
        server.stop()
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n"), ("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nX-Long: ", "and longer"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", "X-Trailer: more\r\n"),
    ])
    func `a header that never ends is a protocol error`(start: String, repeating: String) throws {
        let server = try TCPServer([start], repeating: String(repeating: repeating, count: 100))
        let exchange = try Multi.forTests().send(.to("http://127.0.0.1:\(server.port)/"))
        #expect(exchange.kind == .protocolError, "\(exchange)")
        server.stop()
    }

    @Test func `the headers of a response do not include interim responses and trailers`() throws {
        let server = try TCPServer([
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 Fine\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n"
        ])
        let exchange = try Multi.forTests().send(.to("http://127.0.0.1:\(server.port)/"))
        #expect(exchange.status == 200 && exchange.body == "ok")
        #expect(exchange.headers == ["X-A: 1", "Transfer-Encoding: chunked"])
        server.stop()
    }

    @Test func `bytes after a response are not taken as the next response`() throws {
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        let server = try TCPServer([good + "HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n"])
        let multi = try Multi.forTests()
        #expect(try multi.send(.to("http://127.0.0.1:\(server.port)/")).status == 200)
        let second = try multi.send(.to("http://127.0.0.1:\(server.port)/"))
        #expect(second.status == 200 && !second.isReusedConnection)
        server.stop()
    }

    @Test func `a refused connection and an unknown name are different errors`() throws {
        let multi = try Multi.forTests()
        let refused = try multi.send(.to("http://127.0.0.1:\(try freePort())/"))
        #expect(refused.kind == .connect, "\(refused)")
        // Longer than a label of a name can be (RFC 1035, section 2.3.4).
        let unknown = try multi.send(.to("http://\(String(repeating: "a", count: 64)).invalid/"))
        #expect(unknown.kind == .dns, "\(unknown)")
    }
}
