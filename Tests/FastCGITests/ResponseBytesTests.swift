import HTTP
import HTTPTypes
import Testing
import Values

@testable import FastCGI

@Suite struct ResponseBytesTests {
    /// The bytes that are sent if the socket takes `step` bytes at a time, and none at every other attempt.
    private func send(_ response: Response, step: Int) -> [UInt8] {
        var bytes = ResponseBytes(response, to: 1)
        var sent: [UInt8] = []
        for attempt in 0..<1_000_000 where !bytes.isDone {
            var isFirst = true
            bytes.advance { (buffer, start) throws(Never) in
                guard isFirst, attempt % 2 == 0 else { return 0 }
                isFirst = false
                let part = buffer[start...].prefix(step)
                sent += part
                return part.count
            }
        }
        #expect(bytes.isDone)
        return sent
    }

    @Test(arguments: [0, 1, 65_000, 65_528, 196_584, 196_585, 1_000_000])
    func `the bytes of a response do not depend on how many the socket takes at a time`(count: Int) {
        let response = Response(.ok, body: (0..<count).map { UInt8(truncatingIfNeeded: $0) })
        let whole = send(response, step: .max)
        #expect(send(response, step: 70_001) == whole)
        if count < 70_000 { #expect(send(response, step: 13) == whole) }
        #expect(whole.suffix(16) == (Wire.record(3, 1, [0, 0, 0, 0, 0, 0, 0, 0]))[...])
    }

    /// The content of the output records.
    private func output(_ records: [UInt8]) -> [UInt8] {
        var content: [UInt8] = []
        var rest = records[...]
        while let head = Optional(Array(rest.prefix(8))), head.count == 8 {
            let count = Int(head[4]) << 8 | Int(head[5])
            if head[1] == 6 { content += rest.dropFirst(8).prefix(count) }
            rest = rest.dropFirst(8 + count + Int(head[6]))
        }
        return content
    }

    @Test(arguments: [0, 1, 70_000], [0, 1, 13, 70_000, 1_000_000])
    func `a response in parts has all of them, and no length`(beginning: Int, count: Int) throws {
        var left = 3
        let response = Response(.ok, body: [UInt8](repeating: 1, count: beginning))
        var bytes = ResponseBytes(response, to: 1, rest: NoParts())
        var sent: [UInt8] = []
        var parts = 0
        while !bytes.isDone {
            bytes.advance { (buffer, start) throws(Never) in
                let part = buffer[start...].prefix(50_001)
                sent += part
                return part.count
            }
            guard bytes.awaitsPart else { continue }
            parts += 1
            left -= 1
            bytes.add(left < 0 ? nil : [UInt8](repeating: 2, count: left == 1 ? 0 : count))
        }
        #expect(parts == 4)
        let text = output(sent)
        let head = Array("Status: 200 OK\r\n\r\n".utf8)
        #expect(text == head + [UInt8](repeating: 1, count: beginning) + [UInt8](repeating: 2, count: 2 * count))
    }

    @Test(arguments: [(2, true), (2, false), (3, false)])
    func `a response in parts is sent once it is complete, or too long to wait for that`(parts: Int, isComplete: Bool) {
        var bytes = ResponseBytes(Response(.ok), to: 1, rest: NoParts())
        for _ in 0..<parts {
            bytes.advance { (_, _) throws(Never) in
                Issue.record("a part is sent")
                return 0
            }
            #expect(bytes.awaitsPart)
            bytes.add([UInt8](repeating: 2, count: 50_000))
        }
        if isComplete { bytes.add(nil) }
        var sent: [UInt8] = []
        bytes.advance { (buffer, start) throws(Never) in
            sent += buffer[start...]
            return buffer.count - start
        }
        #expect(output(sent).filter { $0 == 2 }.count == (isComplete || parts == 3 ? 50_000 * parts : 0))
        #expect(bytes.isDone == isComplete)
    }

    @Test func `the head has the form of CGI, with the length of the body`() {
        var bytes = ResponseBytes(.text(.notFound, "no"), to: 1)
        var sent: [UInt8] = []
        bytes.advance { (buffer, start) throws(Never) in
            sent += buffer[start...]
            return buffer.count - start
        }
        let text = String(decoding: sent, as: UTF8.self)
        #expect(text.contains("Status: 404 Not Found\r\n"))
        #expect(text.contains("Content-Length: 2\r\n\r\nno"))
    }

    @Test func `the value of a field is sent byte for byte`() throws {
        var response = Response(.ok)
        let name = try #require(HTTPField.Name("X-Echo"))
        response.head.headerFields.append(HTTPField(name: name, lenientValue: [0x61, 0xe9, 0xff, 0x7a]))
        let sent = send(response, step: .max)
        #expect(sent.firstRange(of: Array("X-Echo: a".utf8) + [0xe9, 0xff] + Array("z\r\n".utf8)) != nil)
    }

    @Test func `a response without content has no length`() {
        let sent = String(decoding: send(Response(.noContent), step: .max), as: UTF8.self)
        #expect(sent.contains("Status: 204 No Content\r\n\r\n") && !sent.contains("Content-Length"))
    }

    @Test func `an error of the socket is thrown`() {
        struct Failure: Error {}
        var bytes = ResponseBytes(Response(.ok), to: 1)
        #expect(throws: Failure.self) { try bytes.advance { (_, _) throws(Failure) in throw Failure() } }
    }
}

/// Not used: the test adds the parts itself.
private final class NoParts: BodyParts {
    func next() async throws(StoreFailure) -> [UInt8]? { nil }
}
