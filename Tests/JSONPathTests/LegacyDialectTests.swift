import JSON
import JSONPath
import Testing

/// The behaviour of the legacy dialect, as observed with jsonpath2 0.4.5.
@Suite struct LegacyDialectTests {
    private static let event = #"""
        {"a": {"x": 1, "s": "héllo"}, "list": [1, 2, 3], "t": true, "f": false, "n": null, "length": 5, "e": "abc",
        "one": 1.0, "empty": [], "objects": [{"k": 1}, {"k": 2}, {"j": 3}], "\\u0061": "six", "and": 7}
        """#

    private func results(_ query: String) throws -> [String] {
        try JSONPathTests.results(of: query, in: LegacyDialectTests.event, dialect: .legacy)
    }

    /// Whether the filter holds for the event.
    private func holds(_ expression: String) throws -> Bool { try !results("$[?(\(expression))]").isEmpty }

    @Test(arguments: [
        ("$", 1), (" \t$\n. a [ \"x\" ] ", 1), ("$.a.x", 1), ("$ .. x", 1), ("$[ * ]", 12), ("$.list[0 , 0]", 2),
        ("$..*", 23), ("$..[\"k\"]", 2), ("$.missing", 0), ("$.e.x", 0), ("$[\"and\"]", 1), ("$.objects[*,0]", 4),
    ])
    func `whitespace is allowed between any tokens`(query: String, count: Int) throws {
        #expect(try results(query).count == count)
    }

    @Test(arguments: [
        "", "@", "a.b c", "$.", "$..", "$...a", "$[]", "$.é", "$.1a", "$.and", "$.not", "$.true", "$['a']", "$[\"a]",
        #"$["\q"]"#, #"$["\u12"]"#, "$[\"\t\"]", "$.a x", "$[01]", "$[1.0]", "$[1e0]", "$[1:2.0]", "$[- 1]", "$[?@.a]",
        "$[?(@.a == 1)]", "$[?(@.a = 1 = 1)]", "$[?((@.a) = 1)]", "$[?(@.a && @.b)]", "$[?(!@.a)]", "$[?(NOT @.a)]",
        "$[?()]", "$[?(@.a = 'x')]", "$[?(@.a = )]", "$[?(@.a]", "$[1,]", "$[,1]", "$.foo()", "$[foo]", "$[foo()]",
        "$.a(", "$[?(length(@.a) = 1)]", "$[?(@.a = 1e05)]", "$[?(@.a andb)]", "$[:::]", "$[?(@.a = {a: 1})]",
        "$[?(@.a = [1,])]", "$[?(@.a = 01)]",
    ])
    func `a query that jsonpath2 refuses is refused with a position`(query: String) {
        do throws(JSONPathError) {
            let query = try JSONPath(parsing: query, dialect: .legacy)
            Issue.record("accepted: \(query)")
        } catch {
            #expect(error.rfc9535 == nil)
            #expect(error.legacy.map { (0...query.utf8.count).contains($0.offset) && !$0.reason.isEmpty } == true)
        }
    }

    @Test func `an error has a line and a column`() {
        let error = #expect(throws: JSONPathError.self) { try JSONPath(parsing: "$.a\n .b[", dialect: .legacy) }
        #expect(error?.legacy?.description == "line 2, column 5: expected a subscript")
        #expect(error?.description == "in the legacy dialect, line 2, column 5: expected a subscript")
    }

    @Test(arguments: [
        ("$.list[0]", ["1"]), ("$.list[-1]", ["3"]), ("$.list[-0]", ["1"]), ("$.list[3]", []), ("$.list[-4]", []),
        ("$.a[0]", []), ("$.e[0]", []), ("$.list[99999999999999999999999999]", []),
        ("$.list[-99999999999999999999999999]", []), ("$.list[0:2]", ["1", "2"]), ("$.list[:]", ["1", "2", "3"]),
        ("$.list[::]", ["1", "2", "3"]), ("$.list[-2:]", ["2", "3"]), ("$.list[-9:2]", ["1", "2"]),
        ("$.list[:9007199254740991]", ["1", "2", "3"]), ("$.list[:99999999999999999999]", ["1", "2", "3"]),
        ("$.list[::2]", ["1", "3"]), ("$.list[::-1]", ["3", "2", "1"]), ("$.list[::0]", []),
    ])
    func `indices and slices select elements as in Python`(query: String, values: [String]) throws {
        #expect(try results(query) == values)
    }

    @Test func `escapes in names and literals are decoded`() throws {
        #expect(try results(#"$["\u0061"].x"#) == ["1"])
        #expect(try results(#"$["\\u0061"]"#) == ["\"six\""])
        #expect(try holds(#"@.e = "\u0061bc""#))
        #expect(try results(#"$["\ud800"]"#) == [])
    }

    @Test func `a filter tests the current value, not its children`() throws {
        #expect(try results("$.objects[?(@.k)]") == [])
        #expect(try results("$.objects[*][?(@.k)]") == [#"{"k": 1}"#, #"{"k": 2}"#])
        #expect(try results("$.objects[*][?(@.k = 2)].k") == ["2"])
        #expect(try results("$.a[?(@.x)].s") == [#""h\u00e9llo""#])
        #expect(try results("$..[?(@ = 3)]") == ["3", "3"])
    }

    @Test(arguments: [
        ("@.f and @.t = false or @.t", true), ("@.missing and @.t or @.a", false), ("@.a or @.t and @.missing", false),
        ("@.missing or @.a and @.t", true), ("not @.missing", true), ("not @.a.x = 2", true), ("not not @.a", true),
        ("not (@.a and @.missing)", true), ("not @.a or @.t", true), ("(@.missing and @.t) or @.a", true),
    ])
    func `or binds tighter than and, and not negates only the next test`(expression: String, expected: Bool) throws {
        #expect(try holds(expression) == expected)
    }

    @Test(arguments: [
        ("@.a.x = 1", true), ("1 = @.a.x", true), ("@.a.x = 1.0", true), ("@.one = 1", true), ("@.a.x != 1", false),
        ("@.missing = 1", false), ("@.missing != 1", false), ("@.missing = @.missing", false),
        ("@.t = 1", true), ("@.f = 0", true), ("@.t = true", true), ("@.t = 2", false), ("@.n = null", true),
        ("@.n = false", false), (#"@.e = "abc""#, true), (#"@.e != "abd""#, true), ("@.list = [1, 2, 3]", true),
        ("@.list = [true, 2.0, 3e0]", true), ("@.list = [1, 2]", false), (#"@.a = {"s": "héllo", "x": true}"#, true),
        (#"@.a = {"x": 1}"#, false), ("@.empty = []", true), ("@.empty = {}", false), ("{} = {}", true),
        (#"@ = $"#, true), ("$.list[*] = 3", true), ("3 = $.list[*]", true), ("$.list[*] = 4", false),
        ("$.list[*] != 1", true),
    ])
    func `equality compares deeply, and true equals 1`(expression: String, expected: Bool) throws {
        #expect(try holds(expression) == expected)
    }

    @Test(arguments: [
        ("$.list[*] = @.a.x", true), ("$.list[*] = @.list[1]", false), ("$.list[1] = @.list[*]", true),
        ("$.list[1:] = @.list[*]", true), ("$.list[*] > @.a.x", false),
    ])
    func `if the right side is a query, only the first value on the left is compared`(
        expression: String, expected: Bool
    ) throws {
        #expect(try holds(expression) == expected)
    }

    @Test(arguments: [
        ("@.a.x < 2", true), ("@.a.x <= 1.0", true), ("@.a.x > 1", false), ("@.a.x >= 1", true), ("2 > @.a.x", true),
        ("@.t < 2", true), ("@.f < @.t", true), (#"@.e < "b""#, false), (#"@.e <= "abc""#, false), ("@.n < 1", false),
        ("@.n <= null", false), ("@.list < 5", false), ("@.missing < 1", false), ("1 < 2", true),
    ])
    func `only numbers and Booleans have an order`(expression: String, expected: Bool) throws {
        #expect(try holds(expression) == expected)
    }

    @Test(arguments: [
        ("@.f", true), ("@.n", true), ("@.empty", true), ("@.missing", false), ("@", true), ("0", false), ("-0", false),
        ("0.0", false), ("1e-999", false), ("1", true), (#""""#, false), (#""0""#, true), ("null", false),
        ("true", true), ("false", false), ("[]", false), ("[0]", true), ("{}", false), (#"{"a": 0}"#, true),
    ])
    func `a query is true if it finds anything, and a literal as in Python`(expression: String, expected: Bool) throws {
        #expect(try holds(expression) == expected)
    }

    @Test(arguments: [
        ("$.list.length()", ["3"]), ("$.list[length()]", ["3"]), ("$.e.length()", ["3"]), ("$.a.s.length()", ["5"]),
        ("$.a.length()", []), ("$.t.length()", []), ("$.e.length(1)", []), ("$.length", ["5"]),
        ("$.a.keys()", [#"["x", "s"]"#]), ("$.list.keys()", ["[0, 1, 2]"]), ("$.e.keys()", []), ("$.a.keys(1)", []),
        ("$.a.values()", [#"[1, "h\u00e9llo"]"#]), ("$.list.values()", ["[1, 2, 3]"]), ("$.one.values()", []),
        ("$.a.entries()", [#"[["x", 1], ["s", "h\u00e9llo"]]"#]), ("$.list.entries()[1]", ["[1, 2]"]),
        ("$.objects.entries()[*][1].k", ["1", "2"]), ("$.e.charAt(1)", [#""b""#]), ("$.e.charAt(-1)", [#""c""#]),
        ("$.a.s.charAt(1)", [#""\u00e9""#]), ("$.e.charAt(3)", []), ("$.e.charAt(-4)", []), ("$.e.charAt()", []),
        ("$.e.charAt(1.0)", []), ("$.e.charAt($.t)", [#""b""#]), ("$.e.charAt($.list[*])", [#""b""#, #""c""#]),
        ("$.list.charAt(0)", []), ("$.e.substring(1)", [#""bc""#]), ("$.e.substring(-2)", [#""bc""#]),
        ("$.e.substring(1, -1)", [#""b""#]), ("$.e.substring(2, 1)", [#""""#]), ("$.e.substring(-9, 9)", [#""abc""#]),
        ("$.a.s.substring(1, 3)", [#""\u00e9l""#]), ("$.e.substring()", []), ("$.e.substring(0, 1, 2)", []),
        ("$..length()", ["5", "3", "3", "0", "3", "3"]), ("$[\"a\",\"e\"].length()", ["3"]),
        ("$.e[substring(0, $.list[0]), charAt(@.length())]", [#""a""#]), ("$.one.values().x", []),
        ("$.objects.values()[2].entries()[0][0].length()", ["1"]),
    ])
    func `functions are called as subscripts`(query: String, values: [String]) throws {
        let sorted = try query.contains("..") ? results(query).sorted() : results(query)
        #expect(sorted == (query.contains("..") ? values.sorted() : values))
    }

    @Test(arguments: [
        ("$.list[$.a.x]", ["2"]), ("$.list[$.t]", ["2"]), ("$.list[$.one]", []), ("$.list[@[0]]", ["2"]),
        ("$.list[$.list[*]]", ["2", "3"]), ("$[$.e]", []), ("$[@.objects[*].keys()[0]]", []),
        ("$.objects[0][$.objects[*].keys()[0]]", ["1", "1"]), ("$.list[$.e]", []), ("$.a[$.list]", []),
    ])
    func `a query in a subscript selects children by its results`(query: String, values: [String]) throws {
        #expect(try results(query) == values)
    }

    @Test func `a normalized path contains functions, but no filters`() throws {
        let query = try JSONPath(parsing: "$.objects[*][?(@.k)].entries()[0][1]", dialect: .legacy)
        let paths = try query.nodes(in: document(LegacyDialectTests.event)).map(\.normalizedPath)
        #expect(paths == ["$['objects'][0][entries()][0][1]", "$['objects'][1][entries()][0][1]"])
    }

    @Test func `functions keep the text of numbers`() throws {
        let values = try results(of: "$.values()[*]", in: "[1.50, 1e2, 12345678901234567890]", dialect: .legacy)
        #expect(values == ["1.50", "1e2", "12345678901234567890"])
    }

    private func results(of query: String, in document: String, dialect: JSONPath.Dialect) throws -> [String] {
        try JSONPathTests.results(of: query, in: document, dialect: dialect)
    }
}
