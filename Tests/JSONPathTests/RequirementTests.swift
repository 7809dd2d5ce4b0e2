import JSON
import JSONPath
import Testing

@Suite struct RequirementTests {
    /// The alternatives as text, `a.b` or `a.b=value`, joined by `|`, or `-` if nothing is required. `*` is any child,
    /// `**` any descendant.
    private func requirement(_ query: String, _ dialect: JSONPath.Dialect? = nil) throws -> String {
        guard let requirement = try JSONPath(parsing: query, dialect: dialect).requirement else { return "-" }
        return requirement.map { requirement in
            let steps = requirement.path.map { step in
                switch step {
                case .member(let name): name
                case .child: "*"
                case .descendant: "**"
                }
            }
            return steps.joined(separator: ".") + (requirement.value.map { "=\($0)" } ?? "")
        }.joined(separator: "|")
    }

    @Test(arguments: [
        (#"$[?(@["eventType"] = "x")]"#, "eventType=x"), (#"$.data[?(@.a = "x" or @.a = "y")]"#, "data.a=x|data.a=y"),
        (#"$[?("x" = @.a.b)]"#, "a.b=x"), (#"$[?(@.a and @.b = "x" and @.c)]"#, "b=x"),
        (#"$[?(@.a = "x" or @.b)]"#, "a=x|b"), (#"$[?(@.a = "x" or not @.b)]"#, "-"), ("$[?(not @.a)]", "-"),
        ("$[?(@.a)]", "a"), ("$[?(@.a > 1)]", "a"), ("$[?(@.a != 1)]", "a"), (#"$[?(@.a != "x")]"#, "a"),
        ("$[?(@.a = @.b.c)]", "b.c"), (#"$.d[?($.a = "x")].e"#, "a=x"), ("$.d[?($.a)].e.f", "d.e.f"),
        (#"$[?(@.a[0] = "x")]"#, "a.*=x"), (#"$[?(@.a.length() = 3)]"#, "a"), ("$[?(@.a..b)]", "a.**.b"),
        ("$[?(@..b)]", "**.b"), (#"$.list[*][?(@.a = "x")]"#, "list.*.a=x"), ("$..a..b", "**.a"),
        (#"$[?(@.a[?(@.b = "x")])]"#, "a.b=x"), ("$[?(1)]", "-"),
        (#"$[?(@.a = "\u0062")]"#, "a=b"), (#"$[?(@["a"][?(@.b)].c = "x")]"#, "a.b"), ("$.a.keys()", "a"),
        (#"$[?(@ = "x")]"#, "-"), ("$[$.a]", "-"), (#"$["a", ?(@.b = "x")]"#, "a|b=x"), (#"$.a["b", 0]"#, "a.b|a.*"),
        (#"$[?(@.a = "x" and (@.b = "y" or @.b = "z"))]"#, "a=x"),
        (#"$[?((@.b = "y" or @.b = "z") and @.a)]"#, "b=y|b=z"),
    ])
    func `a legacy filter requires the members that it tests`(query: String, expected: String) throws {
        #expect(try requirement(query) == expected)
        #expect(try requirement(query, .legacy) == expected)
    }

    @Test(arguments: [
        ("$", "-"), ("$.a", "a"), ("$['a']['b'].c", "a.b.c"), ("$.a[0].b", "a.*.b"), ("$.a.*", "a.*"),
        ("$..a", "**.a"), ("$..*", "**.*"), ("$..[0].a", "**.*.a"),
        ("$.a..b", "a.**.b"), ("$['a','b']", "a|b"), ("$.x['a','b'].c", "x.a|x.b"), ("$.a[1:]", "a.*"),
        ("data", "data"), ("$.a[?@.b == 'x']", "a.*.b=x"), ("$[?@.b == 'x']", "*.b=x"), ("$[?$.b == 'x']", "b=x"),
        ("$[?$.b]", "b"),
        ("$.a[?@.c && $.b == 'x']", "b=x"), ("$[?$.b != 'x']", "*"), ("$[?$.b == $.c]", "*"), ("$[?!$.b]", "*"),
        ("$[?$.b <= 1]", "*"), ("$[?$.b == 'x' || $.c == 'y']", "b=x|c=y"), ("$.a[?@.c, 'd']", "a.*.c|a.d"),
    ])
    func `a query of RFC 9535 requires the members that it names`(query: String, expected: String) throws {
        #expect(try requirement(query) == expected)
    }

    @Test func `a requirement has at most 32 alternatives and 32 steps`() throws {
        func filter(_ count: Int) -> String {
            "$.a[?(" + (0..<count).map { "@.t = \"\($0)\"" }.joined(separator: " or ") + ")]"
        }
        #expect(try requirement(filter(32)).contains("a.t=31"))
        #expect(try requirement(filter(33)) == "a")
        let long = String(repeating: ".a", count: 20_000)
        #expect(try requirement("$" + long).utf8.count == 63)
        #expect(try requirement("$[?(@\(long) = \"x\")]").utf8.count == 63)
    }

    /// If a random query matches a random document, one alternative of its requirement holds.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `a document that matches a query meets its requirement`(seed: UInt64) throws {
        var random = RandomQueries(seed: seed + 1)
        var matched = 0
        for _ in 0..<2500 {
            let (text, dialect) = random.query()
            let query = try JSONPath(parsing: text, dialect: dialect)
            for _ in 0..<4 {
                let value = random.document()
                guard try query.matches(JSONPathDocument(value)), let requirement = query.requirement else { continue }
                matched += 1
                #expect(requirement.contains { $0.holds(for: value) }, "\(text) on \(JSONPathTests.text(value))")
            }
        }
        #expect(matched > 100)
    }
}

extension JSONPathRequirement {
    fileprivate func holds(for document: JSON) -> Bool { holds(for: document, path[...]) }

    private func holds(for value: JSON, _ path: ArraySlice<Step>) -> Bool {
        let rest = path.dropFirst()
        let children: [JSON] =
            switch value {
            case .array(let values): values
            // The last of several members with the same name counts.
            case .object(let members): Set(members.map(\.name)).compactMap { value[$0] }
            default: []
            }
        switch path.first {
        case nil: return self.value == nil || self.value == value.string
        case .member(let name): return value[name].map { holds(for: $0, rest) } ?? false
        case .child: return children.contains { holds(for: $0, rest) }
        case .descendant: return holds(for: value, rest) || children.contains { holds(for: $0, path) }
        }
    }
}
