import Cryptography
import Testing

@testable import Encodings

/// Decoding as encoding.spec.whatwg.org defines it.
@Suite struct StandardCharsetTests {
    @Test(
        arguments: [
            ("iso-8859-1", "windows-1252"), ("US-ASCII", "US-ASCII"), ("ansi_x3.4-1968", "US-ASCII"),
            (" Latin1\t", "windows-1252"),
            ("latin-1", "windows-1252"), ("iso-8859-9", "windows-1254"), ("iso-8859-11", "windows-874"),
            ("tis-620", "windows-874"), ("gb2312", "GBK"), ("ks_c_5601-1987", "EUC-KR"), ("ms_kanji", "Shift_JIS"),
            ("utf-16", "UTF-16"), ("utf-16le", "UTF-16LE"), ("unicodefffe", "UTF-16BE"), ("visual", "ISO-8859-8"),
            ("logical", "ISO-8859-8-I"),
            ("x-user-defined", "x-user-defined"), ("x-mac-roman", "macintosh"), ("utf8", "UTF-8"), ("cp437", "CP437"),
        ])
    func `a label names the standard's encoding`(label: String, name: String) throws {
        #expect(try #require(Charset(label: label)).name == name)
    }

    @Test(arguments: ["hz-gb-2312", "iso-2022-kr", "iso-2022-cn", "replacement", "utf-7"])
    func `a label whose text is not to be decoded is refused`(label: String) {
        #expect(Charset(label: label) == nil)
    }

    // SHA-256 of the code points in hexadecimal digits, a comma after each and 0 where there is none: of the standard's
    // index files of May 2026.
    @Test(
        arguments: [
            (DoubleByteIndex.jis0208, "577030541d163b2c18dfd07e1434da0dd9a22fb497471b8308dc3a795a93e18c"),
            (DoubleByteIndex.jis0212, "e868e64604d5a420cfda44a8bc2342a05fbd87aed7f8df470b40bb741eef55ab"),
            (DoubleByteIndex.gb18030, "21ca19e2b7e77c747aad8ffe25705c9cea1962aedf561bccdb0d02e6dec64a1a"),
            (DoubleByteIndex.big5, "b974a6c320392f5d6ddf74ef3a68b957aa1a6d2fdc363dcde6c040b1e9d9e87c"),
            (DoubleByteIndex.eucKR, "20dfedcef37044134dcb918a809c20d1f3e4c8cd05d8a3283729f1d65225b0a5"),
        ])
    func `an index has the code points of the standard`(index: [UInt32], digest: String) {
        let text = index.map { String($0, radix: 16) + "," }.joined()
        #expect(hexadecimal(DigestAlgorithm.sha256.digest(of: text.utf8)) == digest)
    }

    // Errors and what follows them, by the algorithms of the standard.
    @Test(
        arguments: [
            ("windows-1252", [0x80, 0x81, 0xe9], "€\u{81}é", true), ("windows-1253", [0x41, 0xaa], "A\u{fffd}", false),
            ("koi8-u", [0xa4, 0xb4], "єЄ", true), ("macintosh", [0xdb], "€", true),
            ("x-user-defined", [0x41, 0xff], "A\u{f7ff}", true),
            ("shift_jis", [0x82, 0x41], "\u{fffd}A", false), ("shift_jis", [0x82, 0x60], "Ａ", true),
            ("shift_jis", [0x80, 0xb1, 0xa0], "\u{80}ｱ\u{fffd}", false), ("shift_jis", [0xf0, 0x40], "\u{e000}", true),
            ("shift_jis", [0x81], "\u{fffd}", false), ("shift_jis", [0x81, 0x60], "～", true),
            ("euc-jp", [0x8e, 0xb1, 0x8f, 0xb0, 0xa1, 0xa4, 0xa2], "ｱ丂あ", true),
            ("euc-jp", [0x8e, 0x41], "\u{fffd}A", false),
            ("euc-jp", [0xa4, 0xff, 0x41], "\u{fffd}A", false),
            ("euc-jp", [0xa9, 0xa1, 0xfc, 0xfe], "\u{fffd}＂", false),
            ("iso-2022-jp", [0x1b, 0x24, 0x42, 0x24, 0x22, 0x1b, 0x28, 0x42, 0x41], "あA", true),
            ("iso-2022-jp", [0x1b, 0x28, 0x4a, 0x5c, 0x7e], "¥‾", true),
            ("iso-2022-jp", [0x1b, 0x28, 0x49, 0x31], "ｱ", true),
            ("iso-2022-jp", [0x1b, 0x41], "\u{fffd}A", false),
            ("iso-2022-jp", [0x1b, 0x24, 0x41], "\u{fffd}$A", false),
            ("iso-2022-jp", [0x1b, 0x28], "\u{fffd}(", false),
            ("iso-2022-jp", [0x1b, 0x24, 0x42, 0x1b, 0x28, 0x42, 0x41], "\u{fffd}A", false),
            ("iso-2022-jp", [0x0e, 0x80], "\u{fffd}\u{fffd}", false),
            ("gbk", [0x80, 0xc4, 0xe3, 0xa3, 0xa0], "€你\u{3000}", true),
            ("gb18030", [0x84, 0x31, 0xa4, 0x39], "\u{ffff}", true),
            ("gb18030", [0x90, 0x30, 0x81, 0x30], "\u{10000}", true),
            ("gb18030", [0x84, 0x31, 0x82, 0x36], "\u{fe10}", true),
            ("gb18030", [0x81, 0x35, 0xf4, 0x37], "\u{e7c7}", true),
            ("gb18030", [0x81, 0x30, 0x81, 0x41], "\u{fffd}0丄", false),
            ("gb18030", [0x81, 0x30, 0x41], "\u{fffd}0A", false),
            ("gb18030", [0xe3, 0x32, 0x9a, 0x36], "\u{fffd}", false),
            ("big5", [0x88, 0x62, 0xa7, 0x41], "\u{ca}\u{304}你", true), ("big5", [0xa1, 0x45, 0xa3, 0xe1], "‧€", true),
            ("big5", [0xa1, 0x20, 0x80], "\u{fffd} \u{fffd}", false), ("euc-kr", [0x81, 0x41, 0xb0, 0xa1], "갂가", true),
            ("euc-kr", [0xb0, 0x20], "\u{fffd} ", false), ("utf-16le", [0x00, 0xd8, 0x41, 0], "\u{fffd}A", false),
            ("utf-16be", [0xdc, 0, 0x00], "\u{fffd}\u{fffd}", false), ("utf-16", [0xfe, 0xff, 0, 0x41], "A", true),
            ("utf-16", [0x41, 0], "A", true),
            ("utf-16le", [0xff, 0xfe, 0x41, 0], "\u{feff}A", true),
            ("utf-8", [0x41, 0xf0, 0x9f, 0x41], "A\u{fffd}A", false), ("cp437", [0x82], "é", true),
        ] as [(String, [UInt8], String, Bool)])
    func `bytes that are not valid become U+FFFD, and the text goes on`(
        label: String, bytes: [UInt8], text: String, isExact: Bool
    ) throws {
        let charset = try #require(Charset(label: label))
        let found = charset.decodeReplacing(bytes)
        #expect(String(decoding: found.text, as: UTF8.self).unicodeScalars.elementsEqual(text.unicodeScalars))
        #expect(found.isExact == isExact)
        #expect((charset.decode(bytes) != nil) == isExact)
    }

    @Test func `a text that arrives in pieces is decoded like a whole one`() throws {
        for label in [
            "shift_jis", "euc-jp", "iso-2022-jp", "gb18030", "big5", "euc-kr", "utf-16", "windows-1251", "utf-32le",
        ] {
            let charset = try #require(Charset(label: label))
            let bytes: [UInt8] =
                switch label {
                case "utf-16": [0xfe, 0xff, 0xd8, 0x3d, 0xde, 0, 0, 0x41]
                case "utf-32le": [0, 0xf6, 1, 0, 0x41, 0, 0, 0]
                case "iso-2022-jp": [0x1b, 0x24, 0x42, 0x24, 0x22, 0x1b, 0x28, 0x42]
                case "gb18030": [0x90, 0x30, 0x81, 0x30, 0xc4, 0xe3]
                case "euc-jp": [0x8f, 0xb0, 0xa1, 0xa4, 0xa2]
                default: [0xa4, 0x41, 0xb0, 0xa1]
                }
            let whole = charset.decode(bytes)
            let stream = try #require(CharsetStream(charset))
            var pieces: [UInt8]? = []
            for (index, byte) in bytes.enumerated() {
                let piece = stream.decode([byte], isLast: index == bytes.count - 1)
                pieces = pieces.flatMap { text in piece.map { text + $0 } }
            }
            #expect(pieces == whole)
        }
    }

    @Test func `a byte order mark shows the encoding`() {
        #expect(Charset.byteOrderMark(of: [0xef, 0xbb, 0xbf, 0x41])?.charset == .utf8)
        #expect(Charset.byteOrderMark(of: [0xfe, 0xff])?.charset.name == "UTF-16BE")
        #expect(Charset.byteOrderMark(of: [0xff, 0xfe])?.charset.name == "UTF-16LE")
        #expect(Charset.byteOrderMark(of: [0xef, 0xbb]) == nil)
    }

    @Test(
        arguments: [
            ("iso-8859-1", "é", true), ("ascii", "é", true), ("iso-8859-1", "e", false), ("utf-8", "é", false),
            ("shift_jis", "é", false),
        ])
    func `a text that is UTF-8 although its label says otherwise is recognized`(
        label: String, text: String, isProbable: Bool
    ) throws {
        #expect(try #require(Charset(label: label)).isProbablyUTF8(Array(text.utf8)) == isProbable)
    }

    @Test func `every byte of every single-byte encoding is decoded or an error`() throws {
        for label in ["ibm866", "iso-8859-8-i", "koi8-r", "windows-1258", "x-mac-cyrillic", "windows-874"] {
            let charset = try #require(Charset(label: label))
            let found = charset.decodeReplacing(Array(0...255))
            #expect(String(decoding: found.text, as: UTF8.self).unicodeScalars.count == 256)
        }
    }
}
