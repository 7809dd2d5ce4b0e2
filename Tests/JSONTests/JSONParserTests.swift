import Testing

@testable import JSON

@Suite struct JSONParserTests {
    private func parse(_ text: String) throws(JSONError) -> JSON { try JSON(parsing: Array(text.utf8)) }

    @Test(
        arguments: [
            ("null", .null), (" true\n", .bool(true)), ("\tfalse\r", .bool(false)), ("0", .number("0")),
            ("-0", .number("-0")), ("1e5", .number("1e5")), ("1E+5", .number("1E+5")),
            ("-1.50e-07", .number("-1.50e-07")),
            ("123456789012345678901234567890", .number("123456789012345678901234567890")),
            (#""""#, .string("")), (#""\"\\\/\b\f\n\r\t""#, .string("\"\\/\u{8}\u{c}\n\r\t")),
            (#""\u0041\u00e9\u20AC""#, .string("Aé€")), (#""\ud83d\ude00""#, .string("😀")), (#""😀""#, .string("😀")),
            (#""\u0000""#, .string("\0")), ("\"\u{7f}\u{2028}\"", .string("\u{7f}\u{2028}")),
            ("[]", .array([])), ("[ ]", .array([])),
            ("[1,[2] , 3]", .array([.number("1"), .array([.number("2")]), .number("3")])),
            ("{}", .object([])), ("{ }", .object([])),
            (#"{"a":1 , "a" : 2}"#, .object([.init("a", .number("1")), .init("a", .number("2"))])),
            (#"{"":{}}"#, .object([.init("", .object([]))])),
        ] as [(String, JSON)])
    func `valid JSON is parsed`(text: String, value: JSON) throws {
        #expect(try parse(text) == value)
    }

    @Test(
        arguments: [
            (#""\ud83d""#, "\u{fffd}"), (#""\ude00""#, "\u{fffd}"), (#""\ud83dx""#, "\u{fffd}x"),
            (#""\ud83d\u0041""#, "\u{fffd}A"), (#""\ud83d\n""#, "\u{fffd}\n"), (#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        ])
    func `half a surrogate pair becomes U+FFFD`(text: String, value: String) throws {
        #expect(try parse(text) == .string(value))
    }

    @Test(
        arguments: [
            "", " ", "nul", "nulll", "True", "NaN", "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x10",
            "1_0",
            "\"", "\"\\\"", #""\x""#, #""\u12""#, #""\u12g4""#, #""\ud83d\u12""#, "\"\n\"", "\"\u{1f}\"", "'a'", "[",
            "[1",
            "[1,", "[1,]", "[,1]", "[1 2]", "]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
            "{a:1}",
            "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "}", "1 2", "{} {}", "[]x", "// c\n1", "\u{feff}1", "\u{a0}1",
            "\0",
        ])
    func `invalid JSON is refused`(text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test(arguments: [
        [0x22, 0xff, 0x22], [0x22, 0xc3, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xff], [0x22, 0xc0, 0x80, 0x22],
    ])
    func `bytes that are not UTF-8 are refused`(bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSON(parsing: bytes) }
    }

    @Test(arguments: [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")])
    func `values may be nested up to the maximum depth and no deeper`(open: String, close: String) throws {
        let levels = open.contains("[{") ? 2 : 1
        func nested(_ depth: Int) -> String {
            String(repeating: open, count: depth / levels) + "1" + String(repeating: close, count: depth / levels)
        }
        _ = try parse(nested(JSON.maximumDepth))
        #expect(throws: JSONError.self) { try parse(nested(JSON.maximumDepth + levels)) }
        #expect(throws: JSONError.self) { try parse(String(repeating: open, count: 1_000_000)) }
    }

    @Test(
        arguments: [
            ("{\"a\": 1,\n \"b\": x}", 15, 2, 7), ("", 0, 1, 1), ("[1,\n\n2", 6, 3, 2), ("\"é\u{1}\"", 3, 1, 4),
            ("\n\"abc", 1, 2, 1),
        ])
    func `an error has its offset, line and column`(text: String, offset: Int, line: Int, column: Int) {
        do throws(JSONError) {
            _ = try parse(text)
            Issue.record("parsed")
        } catch {
            #expect((error.offset, error.line, error.column) == (offset, line, column))
            #expect(error.description.hasPrefix("line \(line), column \(column): "))
        }
    }
}

@Suite struct JSONTests {
    @Test func `the last of several members with the same name counts`() throws {
        let value = try JSON(parsing: Array(#"{"a": 1, "b": null, "a": 2}"#.utf8))
        #expect(value["a"]?.integer == 2)
        #expect(value["b"] == .null)
        #expect(value["c"] == nil && JSON.null["a"] == nil)
    }

    @Test(arguments: [
        ("12", 12), ("-9223372036854775808", Int.min), ("9223372036854775808", nil), ("1.0", nil), ("1e2", nil),
    ])
    func `a number with a fraction or an exponent, or out of range, is not an integer`(text: String, value: Int?) {
        #expect(JSON.number(text).integer == value)
    }

    @Test func `a value is not converted to another type`() {
        #expect(JSON.string("true").bool == nil && JSON.bool(true).string == nil)
        #expect(JSON.string("1").integer == nil && JSON.object([]).array == nil)
        #expect(JSON.bool(false).bool == false && JSON.array([.null]).array == [.null])
    }
}
