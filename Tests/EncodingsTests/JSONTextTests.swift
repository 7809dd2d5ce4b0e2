import Testing

@testable import Encodings

@Suite struct JSONTextTests {
    private static let encodings: [(mark: [UInt8], encode: @Sendable (String) -> [UInt8])] = [
        ([0xef, 0xbb, 0xbf], { Array($0.utf8) }),
        ([0xfe, 0xff], { $0.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] } }),
        ([0xff, 0xfe], { $0.utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] } }),
        ([0, 0, 0xfe, 0xff], { $0.unicodeScalars.flatMap { bytes(of: $0.value) } }),
        ([0xff, 0xfe, 0, 0], { $0.unicodeScalars.flatMap { bytes(of: $0.value).reversed() } }),
    ]

    private static func bytes(of scalar: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(scalar >> $0 & 0xff) }
    }

    @Test(arguments: [
        "{}", "1", "12", "[1]", "null", "\"\"", "\"é\"", "\"€😀\"", "\"😀\"", " \n[\"a\", {\"ü\": \"\u{4e00}\u{100}\"}]",
    ])
    func `a text is read in every encoding, with a byte order mark and without`(text: String) {
        for (mark, encode) in Self.encodings {
            #expect(jsonText(encode(text)) == Array(text.utf8))
            #expect(jsonText(mark + encode(text)) == Array(text.utf8))
        }
    }

    @Test func `only the first byte order mark is removed`() {
        for (mark, _) in Self.encodings {
            #expect(jsonText(mark) == [])
            #expect(jsonText(mark + mark) == Array("\u{feff}".utf8))
        }
        #expect(jsonText([]) == [])
    }

    @Test(
        arguments: [
            [0xff], [0xc3], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xef, 0xbb, 0xbf, 0xff],
            [0x5b, 0, 0x5d, 0, 0], [0xff, 0xfe, 0x31], [0xfe, 0xff, 0xd8, 0x3d], [0x22, 0, 0x3d, 0xd8, 0x22, 0],
            [0, 0x22, 0xde, 0, 0, 0x22], [0, 0, 0, 0x31, 0], [0x31, 0, 0, 0, 0, 0, 0x11, 0],
            [0, 0, 0xfe, 0xff, 0, 0, 0xd8, 0x3d],
        ] as [[UInt8]])
    func `a text that is truncated or invalid in its encoding is refused`(bytes: [UInt8]) {
        #expect(jsonText(bytes) == nil)
    }

    @Test(
        arguments: [
            ([0x31, 0], "1"), ([0, 0x31], "1"), ([0x31, 0, 0], "1\0\0"), ([0], "\0"), ([0, 0], "\0"),
            ([0x22, 0, 0, 0x4e, 0x22, 0], "\"\u{4e00}\""), ([0x22, 0, 0x4e, 0, 0x22, 0], "\"N\""),
            ([0, 0x22, 0x4e, 0, 0, 0x22], "\"\u{4e00}\""), ([0x31, 0x32, 0, 0], "12\0\0"),
        ] as [([UInt8], String)])
    func `without a byte order mark, zero bytes give the encoding, as in Python`(bytes: [UInt8], text: String) {
        #expect(jsonText(bytes) == Array(text.utf8))
    }
}
