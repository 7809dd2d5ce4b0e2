import JSON
import JSONPath
import Testing

/// Cases that the compliance suite does not cover.
@Suite struct RFC9535Tests {
    private func results(_ query: String, _ document: String) throws -> [String] {
        try JSONPathTests.results(of: query, in: document, dialect: .rfc9535)
    }

    @Test func `a query as a filter tests existence, whatever the value`() throws {
        #expect(try results("$[?@]", #"[false, 0, "", null, [], {}]"#).count == 6)
        #expect(try results("$[?@.a]", #"[{"a": false}, {"a": 0}, {"a": ""}, {"a": null}, {"b": 1}]"#).count == 4)
        #expect(try results("$[?!@]", #"[false, 0, "", null]"#) == [])
    }

    @Test func `strings are equal if their scalars are`() throws {
        // An e with an acute accent, as one scalar and as two.
        let document = #"{"\u00e9": 1, "e\u0301": 2, "list": ["\u00e9", "e\u0301"]}"#
        #expect(try results(#"$["\u00e9"]"#, document) == ["1"])
        #expect(try results(#"$["e\u0301"]"#, document) == ["2"])
        #expect(try results(#"$.list[?@ == "\u00e9"]"#, document) == [#""\u00e9""#])
        #expect(try results("$.*", document).count == 3)
    }

    @Test func `strings are ordered by their scalars`() throws {
        // U+FF61 comes before U+1F600, although its UTF-16 does not.
        #expect(try results(#"$[?@ < "\ud83d\ude00"]"#, #"["\uff61", "\ud83d\ude00", "a"]"#).count == 2)
        #expect(try results(#"$[?@ < "b"]"#, #"["", "a", "aa", "b", "ba", 1, null]"#).count == 3)
        #expect(try results(#"$[?@ >= "b"]"#, #"["", "a", "aa", "b", "ba", 1, null]"#).count == 2)
    }

    @Test(arguments: [
        ("1", "1.0", true), ("1", "1e0", true), ("10", "1E+1", true), ("0", "-0", true), ("0", "-0.0e5", true),
        ("0.5", "5e-1", true), ("100", "1.00e2", true), ("0.1", "0.10", true), ("0.001", "1e-3", true),
        ("9007199254740993", "9007199254740992", false), ("9007199254740993", "9007199254740993.0", true),
        ("9007199254740993", "90071992547409.93e2", true), ("9223372036854775807", "9223372036854775806", false),
        ("9223372036854775808", "9223372036854775808.0", true),
        ("-9223372036854775808", "-9223372036854775808e0", true),
        ("9223372036854775807", "9223372036854775808", true), ("1e400", "1e500", true), ("-1e400", "1e400", false),
        ("1e-400", "0.0", true), ("1e99999999999999999999", "1e400", true), ("0e99999999999999999999", "0", true),
        ("1e-99999999999999999999", "0", true),
        ("123456789012345678901234567890", "123456789012345678901234567891", true),
        ("0.30000000000000004", "0.3", false), ("1000000000000000000000", "1e21", true),
    ])
    func `numbers are compared exactly up to 64 bits, and as doubles beyond`(
        left: String, right: String, isEqual: Bool
    ) throws {
        #expect(try results("$[?@ == $[1]]", "[\(left), \(right)]").count == (isEqual ? 2 : 1))
        #expect(try !results("$[?$[0] <= $[1] && $[0] >= $[1]]", "[\(left), \(right)]").isEmpty == isEqual)
    }

    @Test func `a number with very many digits is read as the nearest double`() throws {
        let digits = "0." + String(repeating: "0", count: 300) + "1" + String(repeating: "0", count: 2000) + "1"
        #expect(try results("$[?@ == 1e-301]", "[\(digits)]").count == 1)
        let half = "9007199254740993" + String(repeating: "0", count: 1000)
        #expect(try results("$[?@ < 1e999]", "[\(half)e-1000, \(half)e-1001]").count == 2)
        #expect(try results("$[?@ == 9007199254740993]", "[\(half)e-1000]").count == 1)
    }

    @Test func `the last of several members with the same name counts, in the position of the first`() throws {
        let document = #"{"a": 1, "b": 2, "a": 3}"#
        #expect(try results("$.a", document) == ["3"])
        #expect(try results("$.*", document) == ["3", "2"])
        #expect(try results("$[?length($) == 2]", document) == ["3", "2"])
        #expect(try results(#"$[?$ == $]"#, document) == ["3", "2"])
        #expect(try JSONPathTests.results(of: "$.keys()", in: document) == [#"["a", "b"]"#])
    }

    @Test(arguments: [
        (#"{"a": [1, 2], "a": 3, "b": 4}"#, "[3, 4]"), (#"{"a": 1, "b": 4, "a": [2, 3]}"#, "[[2, 3], 4, 2, 3]"),
        (#"{"a": [1], "a": {"c": 2}}"#, #"[{"c": 2}, 2]"#), (#"{"a": {"c": 1}, "a": [2], "a": "x"}"#, #"["x"]"#),
        (#"{"a": {"b": 1, "b": [5]}, "a": {"b": 2, "b": [3]}}"#, #"[{"b": 2, "b": [3]}, [3], 3]"#),
        (#"[{"a": null, "a": {}}, {"a": {}, "a": null}]"#, #"[{"a": null, "a": {}}, {"a": {}, "a": null}, {}, null]"#),
    ])
    func `a replaced member leaves no nodes`(document: String, all: String) throws {
        #expect(try results("$..*", document) == json(all).array?.map(text))
    }

    @Test func `objects are equal in any order of their members`() throws {
        let document = #"[{"a": 1, "b": [{"c": 2, "d": 3}]}, {"b": [{"d": 3, "c": 2.0}], "a": 1e0}, {"a": 1, "c": 2}]"#
        #expect(try results("$[?@ == $[0]]", document).count == 2)
    }

    @Test func `the results of a value come before those of its children`() throws {
        let document = #"{"a": [{"b": 1}, {"b": {"b": 2}}], "b": 3}"#
        let paths = try JSONPath(parsing: "$..b").nodes(in: JSONPathTests.document(document)).map(\.normalizedPath)
        #expect(paths == ["$['b']", "$['a'][0]['b']", "$['a'][1]['b']", "$['a'][1]['b']['b']"])
    }

    @Test func `normalized paths are escaped`() throws {
        let document = #"{"a'\\\b\f\n\r\t\u000b\u0000é\"": 1}"#
        let path = try JSONPath(parsing: "$.*").nodes(in: JSONPathTests.document(document))[0].normalizedPath
        #expect(path == #"$['a\'\\\b\f\n\r\t\u000b\u0000é"']"#)
        #expect(try results(path, document) == ["1"])
    }

    @Test(arguments: [
        "$[?@.a == (1)]", "$[?count(1) == 1]", "$[?count(@.a)]", "$[?length(@.*) == 1]", "$[?length(@.a)]",
        "$[?match(@.a)]", "$[?match(@.a, @.*)]", "$[?match(@.a, 'a') == true]", "$[?value(@.a)]", "$[?@.* == 1]",
        "$[?1]", "$[?'a']", "$[?!1]", "$[?!@.a == 1]", "$[?foo(@.a)]", "$[?Length(@.a) == 1]", "$[?length (@.a) == 1]",
        "$[?@.a == 01]", "$[?@.a == .5]", "$[?@.a == 1.]", "$[?@.a === 1]", "$[?@.a = 1]", "$[?@.a and @.b]", "$['a\"",
        "$[?length(@.a, @.b) == 1]", "$[?length() == 1]", "$[?(@.a == 1) == true]", "$[?match(length(@), 'a') && 1]",
        "$[9007199254740992]", "$[-9007199254740992]", "$[-0]", "$[:9007199254740992]", #"$["\'"]"#, #"$['\"']"#,
        #"$["\ud800"]"#, #"$["\udc00\ud800"]"#, "$.a.", "$.-a", "$a", "$ ", " $",
    ])
    func `a query that is malformed or has wrong types is refused with a position`(query: String) {
        do throws(JSONPathError) {
            _ = try JSONPath(parsing: query, dialect: .rfc9535)
            Issue.record("accepted: \(query)")
        } catch {
            #expect(error.legacy == nil)
            #expect(error.rfc9535.map { (0...query.utf8.count).contains($0.offset) && !$0.reason.isEmpty } == true)
        }
    }

    @Test func `a slice ends where the array ends, however large its bounds`() throws {
        let far = 9_007_199_254_740_991
        #expect(try results("$[-\(far):\(far):1]", "[1, 2, 3]") == ["1", "2", "3"])
        #expect(try results("$[\(far):-\(far):-1]", "[1, 2, 3]") == ["3", "2", "1"])
        #expect(try results("$[::\(far)]", "[1, 2, 3]") == ["1"])
        #expect(try results("$[::-\(far)]", "[1, 2, 3]") == ["3"])
        #expect(try results("$[::-1]", "[]") == [])
    }
}
