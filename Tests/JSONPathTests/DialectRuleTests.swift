import JSONPath
import Testing

@Suite struct DialectRuleTests {
    @Test(
        arguments: [
            ("$", .rfc9535), ("$.a[0]", .rfc9535), ("$..a", .rfc9535), ("$['a']", .rfc9535), ("$.é", .rfc9535),
            ("$[?@.a]", .rfc9535), ("$[?(@.a == 1)]", .rfc9535), ("$[?(@.a && @.b)]", .rfc9535),
            ("$[?(length(@.a) > 1)]", .rfc9535), ("$ .a", .rfc9535), ("$. a", .legacy), (" $.a", .legacy),
            ("$[?(@.a)]", .legacy), ("$[?(@.a < 1)]", .legacy), ("$[?(@.a != 1)]", .legacy),
            ("$[?(@.a = 1)]", .legacy), ("$[?(@.a and @.b)]", .legacy), ("$.a.length()", .legacy), ("$[$.a]", .legacy),
            ("$[-0]", .legacy), ("$.a[?(@.b[?(@.c)])]", .legacy), ("data", .rfc9535), ("data.a[0]", .rfc9535),
            ("data[?(@.a)]", .legacy), ("data.a = 1", nil), ("$[", nil), ("", nil), (" data", nil),
        ] as [(String, JSONPath.Dialect?)])
    func `the dialect that accepts is chosen, and the legacy one for filters that both accept`(
        query: String, dialect: JSONPath.Dialect?
    ) {
        #expect((try? JSONPath(parsing: query))?.dialect == dialect)
    }

    @Test func `a given dialect is used`() throws {
        let event = #"{"a": {"b": {"x": 1}, "x": 0}}"#
        #expect(try results(of: "$.a[?(@.x)]", in: event) == [#"{"b": {"x": 1}, "x": 0}"#])
        #expect(try results(of: "$.a[?(@.x)]", in: event, dialect: .legacy) == [#"{"b": {"x": 1}, "x": 0}"#])
        #expect(try results(of: "$.a[?(@.x)]", in: event, dialect: .rfc9535) == [#"{"x": 1}"#])
        #expect(throws: JSONPathError.self) { try JSONPath(parsing: "$['a']", dialect: .legacy) }
        #expect(throws: JSONPathError.self) { try JSONPath(parsing: "$. a", dialect: .rfc9535) }
    }

    @Test func `a leading name selects a member of the root, except in RFC 9535`() throws {
        #expect(try results(of: "data", in: #"{"data": 1}"#) == ["1"])
        #expect(try results(of: "data", in: #"{"data": 1}"#, dialect: .legacy) == ["1"])
        #expect(try results(of: "data..a[1]", in: #"{"data": {"b": {"a": [1, 2]}}}"#) == ["2"])
        #expect(throws: JSONPathError.self) { try JSONPath(parsing: "data", dialect: .rfc9535) }
    }

    @Test(arguments: [
        ("$.a x", 3, 4), ("data[", 5, 5), ("data x", 4, 5), ("$[?(@.a = 'x')]", 8, 10), ("\n$[", 0, 3),
    ])
    func `if both dialects refuse, the error has the position of each`(query: String, rfc9535: Int, legacy: Int) {
        let error = #expect(throws: JSONPathError.self) { try JSONPath(parsing: query) }
        #expect(error?.rfc9535?.offset == rfc9535)
        #expect(error?.legacy?.offset == legacy)
    }

    @Test func `queries that are too long or too deep are refused`() throws {
        let long = "$" + String(repeating: "[0]", count: 21845)
        #expect(try JSONPath(parsing: long).dialect == .rfc9535)
        #expect(throws: JSONPathError.self) { try JSONPath(parsing: long + ".a") }
        for (open, close) in [
            ("$[?@", "]"), ("$[?(", ")]"), ("$[?(@[$", "])]"), ("$[?length(", ")]"), ("$[?(@=[", "])]"),
        ] {
            let deep = String(repeating: String(open.dropFirst()), count: 4000)
            #expect(throws: JSONPathError.self) { try JSONPath(parsing: "$" + deep + close) }
        }
        func functions(_ count: Int) -> String { "$" + String(repeating: ".entries()", count: count) }
        #expect(try results(of: functions(64) + "[0]", in: "[1]").count == 1)
        #expect(throws: JSONPathError.self) { try JSONPath(parsing: functions(65)) }
        func nested(_ count: Int) -> String {
            "$" + String(repeating: "[?@", count: count) + String(repeating: "]", count: count)
        }
        #expect(try JSONPath(parsing: nested(64)).dialect == .rfc9535)
        #expect(throws: JSONPathError.self) { try JSONPath(parsing: nested(65)) }
    }
}
