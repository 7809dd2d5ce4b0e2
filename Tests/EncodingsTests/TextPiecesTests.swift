import Testing

@testable import Encodings

@Suite struct TextPiecesTests {
    private static let texts: [[UInt8]] = [
        Array("aä€😀z".utf8), [0xff, 0xe2, 0x82], [0xf0, 0x9f, 0xe2, 0x82, 0xac], [0xe2, 0x41, 0xc3], [0x80, 0x80], [],
    ]

    @Test(arguments: texts, 1...4)
    func `the pieces have every byte, and no piece ends within a character`(text: [UInt8], size: Int) {
        var pieces = TextPieces()
        var taken: [[UInt8]] = []
        var start = 0
        repeat {
            let end = min(start + size, text.count)
            taken.append(pieces.take(text[start..<end], isLast: end == text.count))
            start = end
        } while start < text.count
        #expect(taken.flatMap { $0 } == text)
        // Decoding each piece by itself gives the same text as decoding all bytes at once.
        #expect(taken.map { String(decoding: $0, as: UTF8.self) }.joined() == String(decoding: text, as: UTF8.self))
        #expect(pieces.isUTF8 == isUTF8(text))
    }

    @Test(arguments: ["utf-16", "utf-16be", "shift_jis", "iso-2022-jp", "latin1"], 1...5)
    func `a text decoded in pieces equals the text decoded at once`(label: String, size: Int) throws {
        let bytes: [String: [UInt8]] = [
            "utf-16": [0xff, 0xfe, 0x41, 0x00, 0x3d, 0xd8, 0x00, 0xde], "utf-16be": [0x20, 0xac, 0x00, 0x41],
            "shift_jis": [0x83, 0x65, 0x41, 0x83, 0x58], "latin1": [0xe4, 0x41, 0xff],
            "iso-2022-jp": [0x1b, 0x24, 0x42, 0x25, 0x46, 0x1b, 0x28, 0x42, 0x41],
        ]
        let text = try #require(bytes[label])
        let charset = try #require(Charset(label: label))
        let stream = try #require(CharsetStream(charset))
        var decoded: [UInt8] = []
        for start in stride(from: 0, to: text.count, by: size) {
            let end = min(start + size, text.count)
            decoded += try #require(stream.decode(text[start..<end], isLast: end == text.count))
        }
        #expect(decoded == charset.decode(text))
    }

    @Test func `invalid bytes and a truncated end are refused`() throws {
        let charset = try #require(Charset(label: "utf-16le"))
        #expect(try #require(CharsetStream(charset)).decode([0x41], isLast: true) == nil)
        #expect(try #require(CharsetStream(charset)).decode([0x00, 0xdc], isLast: false) == nil)
    }

    @Test func `UTF-8 has no converting stream`() {
        #expect(CharsetStream(.utf8) == nil)
    }
}
