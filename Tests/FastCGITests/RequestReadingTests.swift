import Glibc
import Linux
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FastCGI

/// How the loop reads requests from a connection.
@Suite struct RequestReadingTests {
    @Test(arguments: [0, 1, 8191, 65_535, 65_536, 200_000, 1 << 20])
    func `a body arrives completely, padded or not`(count: Int) throws {
        let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            for (size, padding) in [(32768, 0), (65535, 1), (9000, 255)] {
                try connection.send(Wire.request("/body", body: body, recordBytes: size, padding: padding))
                let answer = try connection.answer()
                #expect(answer?.status == 200)
                #expect(answer?.text == description(of: body))
            }
        }
    }

    @Test func `long bodies wait in their spools while others are held, and short requests do not wait`() throws {
        try RunningLoop.with(bodyLimit: 16 << 20) { loop in
            let bodies = (0..<3).map { [UInt8](repeating: $0, count: 9 << 20) }
            let connections = try bodies.map { body in
                let connection = try loop.connect()
                try connection.send(Wire.request("/work", body: body))
                return connection
            }
            #expect(holds { loop.shared.working.load(ordering: .sequentiallyConsistent) == 1 })
            // The loop has read all others that it reads, as these come after them.
            for body in [[], [UInt8](repeating: 1, count: 200_000)] {
                #expect(try loop.connect().ask("/body", body: body)?.text == description(of: body))
            }
            #expect(loop.shared.working.load(ordering: .sequentiallyConsistent) == 1)
            loop.shared.endsWork.store(true, ordering: .sequentiallyConsistent)
            for (connection, body) in zip(connections, bodies) {
                #expect(try connection.answer()?.text == description(of: body))
                #expect(try connection.ask("/body")?.status == 200)
            }
        }
    }

    @Test func `a stop answers the requests whose bodies wait in their spools`() throws {
        try RunningLoop.with(bodyLimit: 16 << 20, shutdownSeconds: 60) { loop in
            let body = [UInt8](repeating: 1, count: 9 << 20)
            let connections = try (0..<3).map { _ in
                let connection = try loop.connect()
                try connection.send(Wire.request("/work", body: body))
                return connection
            }
            #expect(holds { loop.shared.working.load(ordering: .sequentiallyConsistent) == 1 })
            // All three requests have been received, as this one comes after them.
            #expect(try loop.connect().ask("/body")?.status == 200)
            loop.send(Signal.terminate)
            loop.shared.endsWork.store(true, ordering: .sequentiallyConsistent)
            for connection in connections {
                #expect(try connection.answer()?.text == description(of: body))
                #expect(try connection.isClosed())
            }
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test(arguments: [(1000, 1001), (1000, 70_000), (1000, 200_000), (1 << 20, 1 << 20 + 1), (1 << 20, 5 << 20)])
    func `a body over the limit is reported to the handler, and the connection can be used again`(
        limit: Int, count: Int
    ) throws {
        try RunningLoop.with(bodyLimit: limit) { loop in
            let connection = try loop.connect()
            for _ in 0..<2 {
                #expect(try connection.ask("/body", body: [UInt8](repeating: 1, count: count))?.text == "too large")
                #expect(try connection.ask("/body")?.text == description(of: []))
            }
        }
    }

    @Test(arguments: ["4", "6", "0"])
    func `a body of another length than declared is incomplete`(length: String) throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            try connection.send(Wire.request("/body", body: Array("hello".utf8), length: length))
            #expect(try connection.answer()?.text == "incomplete")
            #expect(try connection.ask("/body")?.status == 200)
        }
    }

    @Test(
        arguments: [
            [("REQUEST_METHOD", "GET"), ("REQUEST_METHOD", "")], [("REQUEST_URI", "nonsense")],
            [("CONTENT_LENGTH", "-5")],
            [("REQUEST_METHOD", "A\u{1}B")],
        ])
    func `invalid parameters give 400, and the connection can be used again`(parameters: [(String, String)]) throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            try connection.send(Wire.request("/body", parameters: parameters))
            #expect(try connection.answer()?.status == 400)
            #expect(try connection.ask("/body")?.status == 200)
        }
    }

    @Test(
        arguments: [
            [5], [5, 5, 65], [0x80, 0, 0], [1, 0x80, 0], [0xff, 0xff, 0xff, 0xff, 0],
            [0xff, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xff, 0xf0, 65],
            [0, 0xff, 0xff, 0xff, 0xff],
        ] as [[UInt8]])
    func `truncated parameters close their connection, and no other`(content: [UInt8]) throws {
        try RunningLoop.with { loop in
            let other = try loop.connect()
            #expect(try other.ask("/body")?.status == 200)
            for body in [[], [UInt8](repeating: 1, count: 100_000)] {
                let connection = try loop.connect()
                // The connection may be closed before all is sent.
                _ = try? connection.send(
                    Wire.begin() + Wire.stream(4, 1, content, size: 9, padding: 0)
                        + Wire.stream(5, 1, body, size: 32768, padding: 0))
                #expect(try connection.isClosed())
                #expect(try other.ask("/body")?.status == 200)
            }
        }
    }

    @Test func `parameters over 256 KiB close their connection, and 250 kB do not`() throws {
        try RunningLoop.with { loop in
            let value = String(repeating: "v", count: 250_000)
            let connection = try loop.connect()
            try connection.send(Wire.request("/body", parameters: [("HTTP_X", value)]))
            #expect(try connection.answer()?.status == 200)
            let other = try loop.connect()
            _ = try? other.send(Wire.request("/body", parameters: [("HTTP_X", value + value)]))
            #expect(try other.isClosed())
            #expect(try connection.ask("/body")?.status == 200)
        }
    }

    @Test func `a role other than responder is refused`() throws {
        try RunningLoop.with { loop in
            for (role, count) in [(2, 0), (3, 10), (9, 200_000)] as [(UInt16, Int)] {
                let connection = try loop.connect()
                let body = [UInt8](repeating: 1, count: count)
                let rest = Wire.request("/body", body: body).dropFirst(16)
                try connection.send(Wire.begin(role: role) + rest)
                #expect(try connection.answer() == WireAnswer(id: 1, protocolStatus: 3))
                #expect(try connection.isClosed())
            }
        }
    }

    @Test func `management records are answered between requests`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            let asked = (0..<200).flatMap { _ in Wire.pair("FCGI_MPXS_CONNS", "") }
            for _ in 0..<3 {
                try connection.send(Wire.record(9, 0, asked) + Wire.record(42, 0, [1, 2], padding: 7))
                let values = try #require(try connection.record())
                #expect(values.type == 10 && values.content == Wire.pair("FCGI_MPXS_CONNS", "0"))
                let unknown = try #require(try connection.record())
                #expect(unknown.type == 11 && unknown.content.first == 42)
                #expect(try connection.ask("/body")?.status == 200)
            }
        }
    }

    @Test func `a management record of maximum length is answered, and so is a request after it`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            var asked = Wire.pair("FCGI_MAX_CONNS", "")
            asked += Wire.pair("X", String(repeating: "x", count: 65535 - asked.count - 6))
            #expect(asked.count == 65535)
            for _ in 0..<2 {
                try connection.send(Wire.record(9, 0, asked, padding: 255))
                #expect(try connection.record()?.content == Wire.pair("FCGI_MAX_CONNS", "10000"))
                #expect(try connection.ask("/body")?.status == 200)
            }
        }
    }

    @Test func `a request can be aborted at any point`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            let body = [UInt8](repeating: 1, count: 100_000)
            let beginnings = [
                Wire.begin(), Wire.begin() + Wire.record(4, 1, Wire.pair("REQUEST_METHOD", "GET")),
                Wire.begin() + Wire.record(4) + Wire.record(5, 1, [1, 2, 3]),
                Array(Wire.request("/body", body: body).dropLast(8)),
            ]
            for beginning in beginnings {
                try connection.send(beginning + Wire.abort())
                #expect(try connection.answer() == WireAnswer(id: 1))
                #expect(try connection.ask("/body")?.status == 200)
            }
        }
    }

    @Test func `bytes that are not FastCGI close their connection`() throws {
        try RunningLoop.with { loop in
            for bytes in [
                Array("GET / HTTP/1.0\r\n\r\n".utf8), Wire.record(5), Wire.begin() + Wire.begin(),
                [UInt8](repeating: 0, count: 64),
            ] {
                let connection = try loop.connect()
                try connection.send(bytes)
                #expect(try connection.isClosed())
            }
            #expect(try loop.connect().ask("/body")?.status == 200)
        }
    }

    @Test func `a client may disconnect after any byte`() throws {
        try RunningLoop.with { loop in
            let request = Wire.request("/stored", body: Array("hello".utf8), recordBytes: 40, padding: 3)
            for count in 0...request.count {
                let connection = try loop.connect()
                try connection.send(Array(request.prefix(count)))
            }
            let large = Wire.request("/body", body: [UInt8](repeating: 1, count: 300_000))
            for count in stride(from: 0, through: large.count, by: 50_021) {
                let connection = try loop.connect()
                try connection.send(Array(large.prefix(count)))
            }
            #expect(try loop.connect().ask("/body")?.status == 200)
        }
    }

    @Test func `a connection without the keep flag is closed after its response`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            try connection.send(Wire.request("/body", keeps: false))
            #expect(try connection.answer()?.status == 200)
            #expect(try connection.isClosed())
        }
    }
}
