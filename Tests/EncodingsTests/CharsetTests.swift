import Testing

@testable import Encodings

@Suite struct CharsetTests {
    @Test(
        arguments: [
            ("latin-1", [0x63, 0xe9], "cé"), ("ISO_8859-1", [0xe9], "é"), ("windows-1252", [0x80], "€"),
            ("utf-16", [0xff, 0xfe, 0x41, 0], "A"),
            ("utf-16le", [0x41, 0, 0x3d, 0xd8, 0, 0xde], "A😀"), ("UTF-16BE", [0, 0x41], "A"),
            ("utf-32le", [0, 0xf6, 1, 0], "😀"),
            ("shift_jis", [0x82, 0xa0], "あ"), ("cp932", [0x82, 0xa0], "あ"), ("euc-jp", [0xa4, 0xa2], "あ"),
            ("iso-2022-jp", [0x1b, 0x24, 0x42, 0x24, 0x22, 0x1b, 0x28, 0x42], "あ"), ("gb18030", [0xc4, 0xe3], "你"),
            ("gbk", [0xc4, 0xe3], "你"),
            ("big5", [0xa7, 0x41], "你"), ("euc-kr", [0xb0, 0xa1], "가"), ("koi8-r", [0xc1], "а"), ("cp437", [0x82], "é"),
            ("ascii", [0x41], "A"),
            ("us-ascii", [], ""), ("utf8", [0xc3, 0xa9], "é"), ("", [0xc3, 0xa9], "é"),
        ] as [(String, [UInt8], String)])
    func `bytes are decoded with the encoding that the label names`(label: String, bytes: [UInt8], text: String) throws
    {
        let charset = try #require(Charset(label: label))
        #expect(charset.decode(bytes) == Array(text.utf8))
    }

    @Test(
        arguments: [
            ("utf-8", [0xff]), ("ascii", [0x80]), ("iso-8859-6", [0xff]), ("utf-16le", [0x41]),
            ("utf-16le", [0, 0xd8]),
            ("shift_jis", [0x82]),
            ("euc-jp", [0xa4]),
            ("iso-2022-jp", [0x80]), ("utf-32le", [0, 0, 0x11, 0]), ("windows-1253", [0xaa]),
        ] as [(String, [UInt8])])
    func `bytes that are invalid in the encoding are refused`(label: String, bytes: [UInt8]) throws {
        #expect(try #require(Charset(label: label)).decode(bytes) == nil)
    }

    @Test(arguments: ["utf-7", "banana", "base64", "rot13", "iso-2022-cn-ext", "utf-8//TRANSLIT", "latin1\0", "é"])
    func `a label that is not supported is refused`(label: String) {
        #expect(Charset(label: label) == nil)
    }

    @Test(
        arguments: [
            "ascii", "latin2", "latin3", "latin4", "latin5", "latin6", "latin9", "cyrillic", "greek", "koi8u",
            "macroman", "euccn", "gb2312",
            "cp949", "cp936", "tis620", "iso885911", "iso885916", "cp737", "cp850", "cp858", "cp869", "cp874", "ibm866",
            "windows1250",
            "windows1258",
        ])
    func `the labels of rarer encodings have a converter`(label: String) throws {
        #expect(try #require(Charset(label: label)).decode(Array("Az0".utf8)) == Array("Az0".utf8))
    }

    @Test func `the decoded text is valid UTF-8 for every byte`() throws {
        for label in ["windows1255", "windows1258", "tis620", "macintosh", "cp1252", "cp864"] {
            let charset = try #require(Charset(label: label))
            for first in UInt8.min ... .max {
                for bytes in [[first], [0x41, first, 0xd2, first]] {
                    if let text = charset.decode(bytes) { #expect(isUTF8(text)) }
                }
            }
        }
    }
}
