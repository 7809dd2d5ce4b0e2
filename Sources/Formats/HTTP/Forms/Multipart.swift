/// The parts of a multipart body (RFC 2046, section 5.1), found in one pass. Lines may end with CR LF or LF alone.
struct Multipart {
    /// Where each part is in the body: headers and content, without the line end before the next boundary.
    private(set) var sections: [Range<Int>] = []
    private(set) var faults: [String] = []

    /// RFC 2046 allows 70.
    static let maximumBoundaryBytes = 256

    init(_ body: [UInt8], boundary: [UInt8], maximumParts: Int) {
        let dashes = [UInt8(ascii: "-"), UInt8(ascii: "-")]
        let mark = dashes + boundary
        var lineStart = 0
        /// Where the current part begins; `nil` before the first boundary.
        var partStart: Int?
        var isClosed = false
        while lineStart < body.count, !isClosed {
            let lineEnd = body[lineStart...].firstIndex(of: 0x0a) ?? body.count
            let next = min(lineEnd + 1, body.count)
            defer { lineStart = next }
            guard body[lineStart..<lineEnd].starts(with: mark) else { continue }
            // Blanks may follow a boundary.
            var rest = body[(lineStart + mark.count)..<lineEnd]
            let closes = rest.starts(with: dashes)
            if closes { rest = rest.dropFirst(2) }
            guard rest.allSatisfy({ $0.isFieldBlank || $0 == 0x0d }) else { continue }
            if let start = partStart {
                guard sections.count < maximumParts else {
                    faults.append("There are more than \(maximumParts) parts; the others are left out.")
                    return
                }
                sections.append(start..<Self.withoutLineEnd(body, start, lineStart))
            }
            partStart = lineEnd < body.count ? lineEnd + 1 : body.count
            isClosed = closes
        }
        guard let start = partStart else {
            if !body.isEmpty { faults.append("The boundary is not in the body.") }
            return
        }
        guard !isClosed else { return }
        faults.append("The last boundary is missing: the body may be cut off.")
        if start < body.count, sections.count < maximumParts { sections.append(start..<body.count) }
    }

    private static func withoutLineEnd(_ body: [UInt8], _ start: Int, _ end: Int) -> Int {
        guard end > start, body[end - 1] == 0x0a else { return end }
        return end - 1 > start && body[end - 2] == 0x0d ? end - 2 : end - 1
    }

    /// The boundary that the first line of a body shows; empty if it shows none.
    static func firstBoundary(of body: [UInt8]) -> ArraySlice<UInt8> {
        guard body.starts(with: "--".utf8) else { return [] }
        return body.dropFirst(2).prefix { $0 != 0x0a && $0 != 0x0d }.prefix(maximumBoundaryBytes + 1)
    }
}
