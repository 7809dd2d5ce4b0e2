import Testing

@testable import JSON

@Suite struct JSONWriterTests {
    private func write(_ value: JSON) -> String {
        var writer = JSONWriter()
        writer.value(value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test(
        arguments: [
            "null", "[]", "{}", "[1, [], {}, \"\"]", #"{"a": {"b": [true, false, null]}, "c": -1.50e+10, "a": []}"#,
            #""\" \\ \b \f \n \r \t \u0000 \u001f \u007f \u00e9 \u2028 \uffff \ud83d\ude00""#,
        ])
    func `a text in the writer's layout is read and written unchanged`(text: String) throws {
        #expect(write(try JSON(parsing: Array(text.utf8))) == text)
    }

    @Test func `commas separate values, and colons follow names`() {
        var writer = JSONWriter(reserving: 64)
        writer.beginObject()
        writer.name("list")
        writer.beginArray()
        writer.integer(-1)
        writer.null()
        writer.beginObject()
        writer.endObject()
        writer.bool(true)
        writer.endArray()
        writer.name("té")
        writer.string("/")
        writer.endObject()
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"list": [-1, null, {}, true], "t\u00e9": "/"}"#)
    }

    @Test(
        arguments: [
            [], [0xff], [0xc3], [0xc3, 0x28], [0xe2, 0x82], [0xe2, 0x28, 0xa1], [0xf0, 0x9f, 0x98],
            [0xf0, 0x9f, 0x98, 0x80],
            [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xe0, 0x80, 0xaf], [0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80],
            [0x61, 0x80, 0x62], [0xf4, 0x8f, 0xbf, 0xbf], [0xef, 0xbf, 0xbf], [0xdf, 0xbf, 0xc2, 0x80],
            [0xf1, 0x80, 0xc2, 0x41],
        ] as [[UInt8]])
    func `invalid UTF-8 is repaired as Swift repairs it`(bytes: [UInt8]) throws {
        var writer = JSONWriter()
        writer.string(utf8: bytes)
        #expect(try JSON(parsing: writer.bytes) == .string(String(decoding: bytes, as: UTF8.self)))
        var lazily = JSONWriter()
        lazily.string(utf8: bytes.lazy.map { $0 })
        #expect(lazily.bytes == writer.bytes)
    }

    @Test func `text that is already JSON is copied unchanged`() {
        var writer = JSONWriter()
        writer.beginArray()
        writer.integer(1)
        writer.value(text: Array(#"{"a":1.50,"a":"\u00e9é"}"#.utf8))
        writer.null()
        writer.endArray()
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"[1, {"a":1.50,"a":"\u00e9é"}, null]"#)
    }
}
