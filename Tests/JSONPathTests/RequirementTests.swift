import JSON
import JSONPath
import Testing

@Suite struct RequirementTests {
    /// As `a.b`, `a.b=value`, joined by `|`; `-` for none.
    private func requirement(_ query: String, _ dialect: JSONPath.Dialect? = nil) throws -> String {
        guard let requirement = try JSONPath(parsing: query, dialect: dialect).requirement else { return "-" }
        return requirement.map { $0.path.joined(separator: ".") + ($0.value.map { "=\($0)" } ?? "") }
            .joined(separator: "|")
    }

    @Test(arguments: [
        (#"$[?(@["eventType"] = "x")]"#, "eventType=x"), (#"$.data[?(@.a = "x" or @.a = "y")]"#, "data.a=x|data.a=y"),
        (#"$[?("x" = @.a.b)]"#, "a.b=x"), (#"$[?(@.a and @.b = "x" and @.c)]"#, "b=x"),
        (#"$[?(@.a = "x" or @.b)]"#, "a=x|b"), (#"$[?(@.a = "x" or not @.b)]"#, "-"), ("$[?(not @.a)]", "-"),
        ("$[?(@.a)]", "a"), ("$[?(@.a > 1)]", "a"), ("$[?(@.a != 1)]", "a"), (#"$[?(@.a != "x")]"#, "a"),
        ("$[?(@.a = @.b.c)]", "b.c"), (#"$.d[?($.a = "x")].e"#, "a=x"), ("$.d[?($.a)].e.f", "d.e.f"),
        (#"$[?(@.a[0] = "x")]"#, "a"), (#"$[?(@.a.length() = 3)]"#, "a"), ("$[?(@.a..b)]", "a"), ("$[?(@..b)]", "-"),
        (#"$.list[*][?(@.a = "x")]"#, "list"), (#"$[?(@.a[?(@.b = "x")])]"#, "a.b=x"), ("$[?(1)]", "-"),
        (#"$[?(@.a = "\u0062")]"#, "a=b"), (#"$[?(@["a"][?(@.b)].c = "x")]"#, "a.b"), ("$.a.keys()", "a"),
        (#"$[?(@ = "x")]"#, "-"), ("$[$.a]", "-"), (#"$["a", ?(@.b = "x")]"#, "a|b=x"), (#"$.a["b", 0]"#, "a"),
        (#"$[?(@.a = "x" and (@.b = "y" or @.b = "z"))]"#, "a=x"),
        (#"$[?((@.b = "y" or @.b = "z") and @.a)]"#, "b=y|b=z"),
    ])
    func `legacy filters say what an event must have`(query: String, expected: String) throws {
        #expect(try requirement(query) == expected)
        #expect(try requirement(query, .legacy) == expected)
    }

    @Test(arguments: [
        ("$", "-"), ("$.a", "a"), ("$['a']['b'].c", "a.b.c"), ("$.a[0].b", "a"), ("$.a.*", "a"), ("$..a", "-"),
        ("$.a..b", "a"), ("$['a','b']", "a|b"), ("$.x['a','b'].c", "x.a|x.b"), ("$.a[1:]", "a"), ("data", "data"),
        ("$.a[?@.b == 'x']", "a"), ("$[?@.b == 'x']", "-"), ("$[?$.b == 'x']", "b=x"), ("$[?$.b]", "b"),
        ("$.a[?@.c && $.b == 'x']", "b=x"), ("$[?$.b != 'x']", "-"), ("$[?$.b == $.c]", "-"), ("$[?!$.b]", "-"),
        ("$[?$.b <= 1]", "-"), ("$[?$.b == 'x' || $.c == 'y']", "b=x|c=y"), ("$.a[?@.c, 'd']", "a"),
    ])
    func `queries of RFC 9535 say as far as names are sure`(query: String, expected: String) throws {
        #expect(try requirement(query) == expected)
    }

    @Test func `more alternatives than an index would follow are not told`() throws {
        func filter(_ count: Int) -> String {
            "$.a[?(" + (0..<count).map { "@.t = \"\($0)\"" }.joined(separator: " or ") + ")]"
        }
        #expect(try requirement(filter(32)).contains("a.t=31"))
        #expect(try requirement(filter(33)) == "a")
        let long = String(repeating: ".a", count: 20_000)
        #expect(try requirement("$" + long).utf8.count == 65)
        #expect(try requirement("$[?(@\(long) = \"x\")]").utf8.count == 65)
    }

    /// Whatever is asked of whatever document: where the query matches, one alternative holds.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `no document matches without what is required`(seed: UInt64) throws {
        var random = RandomQueries(seed: seed + 1)
        var told = 0
        for _ in 0..<2500 {
            let (text, dialect) = random.query()
            let query = try JSONPath(parsing: text, dialect: dialect)
            for _ in 0..<4 {
                let value = random.document()
                guard try query.matches(JSONPathDocument(value)), let requirement = query.requirement else { continue }
                told += 1
                #expect(requirement.contains { $0.holds(for: value) }, "\(text) on \(JSONPathTests.text(value))")
            }
        }
        #expect(told > 100)
    }
}

extension JSONPathRequirement {
    fileprivate func holds(for document: JSON) -> Bool {
        var value = document
        for name in path {
            guard let member = value[name] else { return false }
            value = member
        }
        return self.value == nil || self.value == value.string
    }
}
