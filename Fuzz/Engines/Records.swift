@testable import FastCGI

/// A stream has the same events in one piece and in several, and the scanner consumes no more than it was given.
func fuzzRecords(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    let stream = bytes[1...]
    let whole = events(stream, step: stream.count)
    let pieces = events(stream, step: Int(first & 0x1f) + 1)
    require(whole == pieces, "events depend on how the bytes arrive")

    let names = Records.names(inPairs: bytes)
    require(names.count <= bytes.count, "more names than bytes")
    let answer = Records.answer(toManagement: first, Array(stream))
    require(answer.count <= 8 + 255, "a long answer to a management record")
    require(answer.count == 8 + Int(answer[4]) << 8 + Int(answer[5]), "a record of the wrong length")
}

private func events(_ stream: ArraySlice<UInt8>, step: Int) -> [RecordScanner.Event] {
    var scanner = RecordScanner()
    var found: [RecordScanner.Event] = []
    var rest = stream
    while !rest.isEmpty {
        let part = rest.prefix(max(1, step))
        let (consumed, event) = scanner.scan(part)
        require((0...part.count).contains(consumed), "more bytes consumed than were given")
        require(event != nil || consumed == part.count, "bytes left without a reason")
        require(consumed > 0, "nothing consumed")
        rest = rest.dropFirst(consumed)
        guard let event else { continue }
        found.append(event)
        switch event {
        case .broken: return found
        default: scanner = RecordScanner()
        }
    }
    return found
}
