import Testing

@testable import JSONPath

@Suite struct RegularExpressionTests {
    /// `nil` if the pattern is invalid.
    private func matches(_ pattern: String, _ text: String, isSearch: Bool = false) throws -> Bool? {
        guard let expression = try RegularExpression(pattern, isSearch: isSearch) else { return nil }
        var matcher = RegularExpressionMatcher()
        var budget = Budget(steps: 1_000_000)
        return try matcher.matches(expression, Array(text.utf8)[...], &budget)
    }

    @Test(arguments: [
        ("", "", true), ("", "a", false), ("a", "a", true), ("a", "b", false), ("abc", "abc", true),
        ("abc", "ab", false),
        ("a|b", "b", true), ("a|b|", "", true), ("(a|b)c", "bc", true), ("a*", "", true), ("a*", "aaa", true),
        ("a*", "aab", false), ("a+", "", false), ("a+b?", "aa", true), ("a?b", "b", true), ("a{2}", "aa", true),
        ("a{2}", "aaa", false), ("a{2,}", "a", false), ("a{2,}", "aaaa", true), ("a{1,3}", "aaa", true),
        ("a{1,3}", "aaaa", false), ("a{0}", "", true), ("a{0}", "a", false), ("a{0,0}b", "b", true),
        ("(a*)*", "aaa", true), ("(a*)+b", "aab", true), ("(a|a)*b", "aaab", true), ("(){1000}", "", true),
        (".", "a", true), (".", "\n", false), (".", "\r", false), (".", "\u{2028}", true), (".", "😀", true),
        ("[abc]", "b", true), ("[^abc]", "b", false), ("[^abc]", "\n", true), ("[a-c]+", "abcd", false),
        ("[-a]", "-", true), ("[a-]", "-", true), ("[^-a]", "-", false), ("[a-c-]", "-", true), ("[.]", "a", false),
        ("[$^]", "^", true), (#"[\]\[\-]+"#, "[-]", true), (#"[\n\t]"#, "\t", true), ("[Ͱ-Ͽ]", "λ", true),
        (#"\."#, ".", true), (#"\."#, "a", false), (#"\(\)\*\+\-\?\[\\\]\^\{\|\}"#, #"()*+-?[\]^{|}"#, true),
        (#"\n\r\t"#, "\n\r\t", true), (#"\p{L}+"#, "aÉλ", true), (#"\p{Lu}"#, "a", false), (#"\P{Lu}"#, "a", true),
        (#"\p{Nd}"#, "٣", true), (#"[\p{L}\p{N}_]+"#, "a_1", true), (#"[^\p{L}]"#, "a", false),
        (#"[\P{L}]"#, "1", true), (#"\p{C}"#, "\u{1}", true), (#"\p{S}"#, "€", true), (#"\p{Sc}"#, "€", true),
        (#"\p{Zs}"#, " ", true), (#"\p{Cn}"#, "\u{378}", true), ("é", "é", true), ("é", "e\u{301}", false),
        ("^a$", "a", true), ("a^b", "ab", false), ("a$b", "ab", false), ("(^a|b)*", "ab", true), ("^^a$$", "a", true),
        ("a,b-c", "a,b-c", true), ("a/b&c~", "a/b&c~", true),
    ])
    func `a pattern matches the whole text`(pattern: String, text: String, expected: Bool) throws {
        #expect(try matches(pattern, text) == expected)
    }

    @Test(arguments: [
        ("b", "abc", true), ("", "", true), ("", "abc", true), ("bc$", "abc", true), ("^bc", "abc", false),
        ("^ab", "abc", true), ("ab$", "abc", false), ("a.c", "xxabcxx", true), ("(a|b){3}", "xabax", true),
        ("aab", "aaab", true), ("$", "abc", true), ("^$", "abc", false), (#"\p{Nd}{2}"#, "a1b23", true),
    ])
    func `a search finds a pattern anywhere in the text`(pattern: String, text: String, expected: Bool) throws {
        #expect(try matches(pattern, text, isSearch: true) == expected)
    }

    @Test(arguments: [
        "(", ")", "a)", "(a", "[", "]", "[]", "[^]", "[a", "a]", "*", "+", "?", "a**", "a+?", "{", "}", "{1}", "a{",
        "a{}",
        "a{,2}", "a{2,1}", "a{x}", "a{1,x}", "a{1", "a{1,2", "a{-1}", "\\", #"\d"#, #"\w"#, #"\$"#, #"\a"#, #"\u0041"#,
        #"\p"#, #"\p{"#, #"\p{}"#, #"\p{X}"#, #"\p{Cs}"#, #"\p{Lux}"#, #"\pL"#, "[b-a]", "[[a]", "[a-b-c]", "[a--]",
        #"[a-\p{L}]"#, #"[\d]"#, "(?:a)", "(?i)a", "a{1}{2}",
    ])
    func `a pattern that is not an I-Regexp is invalid`(pattern: String) throws {
        #expect(try matches(pattern, "") == nil)
    }

    @Test(arguments: [
        "a{5000}", "(a{100}){100}", "((((a{20}){20}){20}){20}){20}", "a{0,5000}", "a{99999999999999999999}",
        "(){1000000000}", "((){1000}){1000}",
    ])
    func `a pattern that compiles to too many steps is too large`(pattern: String) {
        #expect(throws: RegularExpression.TooLarge.self) { try matches(pattern, "") }
    }

    @Test func `groups may be nested 64 deep and no deeper`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "(", count: depth) + "a" + String(repeating: ")", count: depth)
        }
        #expect(try matches(nested(64), "a") == true)
        #expect(try matches(nested(65), "a") == nil)
        #expect(try matches(nested(10_000), "a") == nil)
    }

    @Test func `a literal pattern is refused if it is too large, and matches nothing if it is invalid`() throws {
        let error = #expect(throws: JSONPathError.self) { try JSONPath(parsing: "$[?match(@, 'a{5000}')]") }
        #expect(error?.rfc9535?.reason == "the regular expression is too large")
        #expect(error?.rfc9535?.offset == 11)
        let many = Array(repeating: "match(@, 'a{1000}')", count: 5).joined(separator: "||")
        #expect(throws: JSONPathError.self) { try JSONPath(parsing: "$[?\(many)]") }
        #expect(try results(of: "$[?match(@, '[')]", in: #"["[", ""]"#) == [])
        #expect(try results(of: "$[?!match(@, '[')]", in: #"["[", ""]"#).count == 2)
    }

    @Test func `a pattern from the document that is invalid or too large matches nothing`() throws {
        let document = #"{"patterns": ["a+", "[", "a{5000}", 1, null, "b"], "text": "aa"}"#
        #expect(try results(of: "$.patterns[?match($.text, @)]", in: document) == [#""a+""#])
        #expect(try results(of: "$.patterns[?search('xaax', @)]", in: document) == [#""a+""#])
    }

    /// Twice the text takes at most twice the steps, even with patterns that make a backtracking engine take for ever.
    @Test(arguments: ["(a*)*b", "(a|a)*b", "(a|aa)+b", "a?a?a?a?a?a?a?a?aaaaaaaab", "(.*)(.*)(.*)(.*)(.*)b"])
    func `the steps of a match grow no faster than the text`(pattern: String) throws {
        func steps(_ length: Int) throws -> Int {
            let expression = try #require(try RegularExpression(pattern, isSearch: false))
            var low = 1
            var high = 1 << 24
            let text = Array(repeating: UInt8(ascii: "a"), count: length)
            while low < high {
                var matcher = RegularExpressionMatcher()
                var budget = Budget(steps: (low + high) / 2)
                let isEnough = (try? matcher.matches(expression, text[...], &budget)) != nil
                if isEnough { high = (low + high) / 2 } else { low = (low + high) / 2 + 1 }
            }
            return low
        }
        let (short, long) = (try steps(1000), try steps(2000))
        #expect(long <= 2 * short)
        #expect(long < 100_000)
    }
}
