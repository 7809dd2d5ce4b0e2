import Gateway
import HTTPTypes
import Testing

@testable import FastCGI

@Suite struct ResponseBytesTests {
    /// What is sent where the socket takes so many bytes at a time, and nothing at every other attempt.
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
    func `an answer is the same however the socket takes it`(count: Int) {
        let response = Response(.ok, body: (0..<count).map { UInt8(truncatingIfNeeded: $0) })
        let whole = send(response, step: .max)
        #expect(send(response, step: 70_001) == whole)
        if count < 70_000 { #expect(send(response, step: 13) == whole) }
        #expect(whole.suffix(16) == (Wire.record(3, 1, [0, 0, 0, 0, 0, 0, 0, 0]))[...])
    }

    @Test func `the head is CGI's, with the body's length`() {
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

    @Test func `an answer without content has no length`() {
        let sent = String(decoding: send(Response(.noContent), step: .max), as: UTF8.self)
        #expect(sent.contains("Status: 204 No Content\r\n\r\n") && !sent.contains("Content-Length"))
    }

    @Test func `a socket that fails fails the answer`() {
        struct Failure: Error {}
        var bytes = ResponseBytes(Response(.ok), to: 1)
        #expect(throws: Failure.self) { try bytes.advance { (_, _) throws(Failure) in throw Failure() } }
    }
}
