import Testing

@testable import FastCGI

@Suite struct RecordScannerTests {
    /// All events of a stream that arrives in pieces of `step` bytes, with a new scanner after each event as in the
    /// loop.
    private func events(_ stream: [UInt8], step: Int = .max) -> [RecordScanner.Event] {
        var scanner = RecordScanner()
        var found: [RecordScanner.Event] = []
        var rest = stream[...]
        while !rest.isEmpty {
            let (consumed, event) = scanner.scan(rest.prefix(step))
            rest = rest.dropFirst(consumed)
            guard let event else { continue }
            found.append(event)
            if case .broken = event { return found }
            scanner = RecordScanner()
        }
        return found
    }

    @Test(arguments: [1, 2, 7, 8, 9, 100, .max])
    func `a request is complete with its last byte, in whatever pieces it arrives`(step: Int) {
        let body = [UInt8](repeating: 1, count: 300)
        let bytes = Wire.request("/a", id: 513, body: body, keeps: true, recordBytes: 64, padding: 5)
        let outline = RequestOutline(id: 513, role: 1, keepsConnection: true, bodyBytes: 300, endsPadded: true)
        #expect(events(bytes, step: step) == [.request(outline)])
        #expect(events(Array(bytes.dropLast()), step: step) == [])
        #expect(events(bytes + bytes, step: step) == [.request(outline), .request(outline)])
    }

    @Test func `a scan consumes only the bytes up to the event`() {
        var scanner = RecordScanner()
        let one = Wire.request("/a", keeps: false)
        let (consumed, event) = scanner.scan((one + one)[...])
        #expect(consumed == one.count)
        #expect(event == .request(RequestOutline(id: 1, role: 1)))
    }

    @Test(arguments: [1, .max])
    func `a management record has its content, and an abort ends its request`(step: Int) {
        let stream =
            Wire.record(9, 0, [1, 2, 3], padding: 3) + Wire.record(77, 0) + Wire.begin()
            + Wire.record(4, 1, [1, 1, 65, 66])
            + Wire.abort() + Wire.request("/")
        let outline = RequestOutline(id: 1, role: 1, keepsConnection: true)
        #expect(
            events(stream, step: step) == [
                .management(type: 9, content: [1, 2, 3]), .management(type: 77, content: []), .abort(requestID: 1),
                .request(outline),
            ])
    }

    @Test(
        arguments: [
            [2] + Wire.begin().dropFirst(), Wire.record(1, 1, [0, 1, 0]), Wire.record(4), Wire.record(5),
            Wire.record(3),
            Wire.begin() + Wire.begin(), Wire.begin() + Wire.record(5), Wire.begin() + Wire.record(4, 2),
            Wire.begin() + Wire.record(4) + Wire.record(4), Wire.begin() + Wire.record(9, 0),
            Wire.begin() + Wire.record(6),
            Wire.begin() + Wire.record(4) + Wire.record(5, 7), Array("GET / HTTP/1.1\r\n\r\n".utf8),
        ])
    func `records in a wrong order break the connection`(stream: [UInt8]) {
        let found = events(stream)
        #expect(found.count == 1)
        guard case .broken = found.last else { return #expect(Bool(false), "\(found)") }
        #expect(events(stream, step: 1) == found)
    }

    @Test(arguments: [0, 1])
    func `parameters have at most 256 KiB`(excess: Int) {
        let content = [UInt8](repeating: 0, count: RecordScanner.maximumParameterBytes + excess)
        let stream = Wire.begin() + Wire.stream(4, 1, content, size: 32768, padding: 0) + Wire.record(5)
        let isBroken = events(stream) == [.broken("it sent too many FastCGI parameters")]
        #expect(isBroken == (excess > 0))
    }
}
