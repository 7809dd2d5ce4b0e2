import JSON
import JSONPath
import Testing

@Suite struct ReadingsTests {
    @Test(arguments: [
        "$", "$.a[0]", "$[?@.a]", "$[?(@.a)]", "$[?(@.a < 1)]", "$[?(@.a = 1)]", "$[?(@.a == 1)]", "$. a", " $.a",
        "data",
        "data[?(@.a)]", "$['a']", "$[", "", "data.a = 1", "$.a.length()",
    ])
    func `the reading that is chosen is the query that the rule of dialects makes`(text: String) {
        let readings = JSONPathReadings(text)
        let query = try? JSONPath(parsing: text)
        #expect(readings.chosen == query?.dialect)
        for dialect in JSONPath.Dialect.allCases {
            let alone = JSONPathReadings(text, dialect: dialect)
            let forced = try? JSONPath(parsing: text, dialect: dialect)
            #expect(alone.chosen == forced?.dialect)
            #expect((try? alone[dialect]?.get())?.dialect == forced?.dialect)
            #expect(alone[dialect == .legacy ? .rfc9535 : .legacy] == nil)
        }
    }

    @Test func `each grammar says what is wrong and where`() {
        let readings = JSONPathReadings("$[?(@.a = 'x')]")
        guard case .failure(let standard)? = readings[.rfc9535], case .failure(let legacy)? = readings[.legacy] else {
            Issue.record("a grammar accepts the text")
            return
        }
        #expect(standard.offset == 8 && legacy.offset == 10)
    }

    @Test(arguments: [("$.*", 3), ("$..*", 5), ("$.x", 0), ("$", 1), ("$.a.keys()", 1)])
    func `results beyond the limit are only counted`(text: String, count: Int) throws {
        let document = try JSONPathTests.document(#"{"a": {"b": 1}, "c": [2], "d": 3}"#)
        let query = try JSONPath(parsing: text)
        let all = try query.nodes(in: document)
        #expect(all.count == count)
        for limit in [0, 1, 2, 100] {
            let findings = query.findings(in: document, keeping: limit)
            #expect(findings.isComplete && findings.count == count)
            #expect(findings.nodes == Array(all.prefix(limit)))
        }
    }

    @Test func `a match counts although the budget does not suffice for all results`() throws {
        let document = JSONPathDocument(.array(Array(repeating: .number("0"), count: 1000)))
        let query = try JSONPath(parsing: "$[*]")
        let some = query.findings(in: document, keeping: 10, budget: 500)
        #expect(!some.isComplete && some.count > 10 && some.count < 1000 && some.nodes.count == 10)
        let none = query.findings(in: document, keeping: 10, budget: 0)
        #expect(!none.isComplete && none.count == 0 && none.nodes.isEmpty)
        // As many steps as the first match takes.
        for budget in 0..<10 {
            let matches = (try? query.matches(document, budget: budget)) ?? false
            #expect((query.findings(in: document, keeping: 10, budget: budget).count > 0) == matches)
        }
    }

    @Test func `a long path is cut after a whole step`() throws {
        let name = String(repeating: "é", count: 20)
        let document = try JSONPathTests.document("{\"a\": {\"\(name)\": {\"b\": [1]}}}")
        let node = try #require(try JSONPath(parsing: "$.a.*.b[0]").nodes(in: document).first)
        let whole = "$['a']['\(name)']['b'][0]"
        #expect(node.normalizedPath == whole)
        #expect(node.normalizedPath(atMost: whole.utf8.count) == (whole, false))
        #expect(node.normalizedPath(atMost: whole.utf8.count - 1) == ("$['a']['\(name)']['b']", true))
        #expect(node.normalizedPath(atMost: 30) == ("$['a']", true))
        #expect(node.normalizedPath(atMost: 0) == ("$", true))
    }
}
