import Testing

@testable import HTTP

@Suite struct TargetTests {
    private func target(_ raw: String, _ mount: [String] = []) -> Target {
        Target(raw: Array(raw.utf8)[...], mountPoint: mount)
    }

    @Test(
        arguments: [
            ("/", [""]), ("/a/b", ["a", "b"]), ("/a//b/", ["a", "", "b", ""]), ("/a%2Fb/c", ["a/b", "c"]),
            ("/%77ebhook", ["webhook"]), ("/a+b", ["a+b"]), ("/a%00", ["a\0"]), ("/%C3%a9", ["é"]), ("/a?b/c", ["a"]),
            ("/..", [".."]), ("/a;b=c", ["a;b=c"]), ("/a#b", ["a#b"]), ("", nil), ("*", nil), ("a/b", nil),
            ("/%zz", ["%zz"]), ("/%", ["%"]), ("/%4", ["%4"]), ("/%FF", ["%FF"]), ("/ok%20/%c3%28", ["ok ", "%c3%28"]),
            ("?a", nil),
        ] as [(String, [String]?)])
    func `a segment is decoded, unless its escapes are invalid or not UTF-8`(
        raw: String, segments: [String]?
    ) {
        #expect(target(raw).segments == segments)
    }

    @Test(
        arguments: [
            ("/api/x", ["api"], ["x"]), ("/api/", ["api"], [""]), ("/api", ["api"], []), ("/apix", ["api"], nil),
            ("/x/api", ["api"], nil), ("/a/b/c", ["a", "b"], ["c"]), ("/a", ["a", "b"], nil),
            ("/%61pi/x", ["api"], ["x"]),
            ("/API/x", ["api"], nil), ("//api/x", ["api"], nil),
        ] as [(String, [String], [String]?)])
    func `segments begin after the mount point`(raw: String, mount: [String], segments: [String]?) {
        #expect(target(raw, mount).segments == segments)
    }

    @Test(arguments: [("/api/webhook/id", ""), ("/api/webhook/id/", "/"), ("/api/webhook/id/a%20b//c?q", "/a%20b//c")])
    func `the rest of a path is not decoded`(raw: String, rest: String) {
        #expect(target(raw, ["api"]).rest(after: 2).elementsEqual(rest.utf8))
    }

    @Test(
        arguments: [
            ("/", nil), ("/?", ""), ("/?a", "a"), ("/?a?b", "a?b"), ("/?%zz", "%zz"),
        ] as [(String, String?)])
    func `a query is not decoded`(raw: String, query: String?) {
        #expect(target(raw).query.map { String(decoding: $0, as: UTF8.self) } == query)
    }

    @Test(
        arguments: [
            ("/", nil), ("/?", nil), ("/?x=1", "1"), ("/?x", ""), ("/?x=", ""), ("/?y=2&x=1", "1"), ("/?x=1&x=2", "1"),
            ("/?x=a%20b+c%2B", "a b c+"), ("/?%78=1", "1"), ("/?xx=1", nil), ("/?x=a=b", "a=b"), ("/?X=1", nil),
            ("/?x=%zz", "%zz"), ("/?x=a%ff+", "a%ff+"), ("/?%zz=1&x=2", "2"), ("/?&&x=3&", "3"),
        ] as [(String, String?)])
    func `the first query parameter of a name is decoded`(raw: String, value: String?) {
        #expect(target(raw).queryValue("x") == value)
    }

    @Test func `a target can be a slice of a larger array`() {
        let all = Array("xx/a%41/b?c=dyy".utf8)
        let found = Target(raw: all[2..<(all.count - 2)], mountPoint: [])
        #expect(found.segments == ["aA", "b"])
        #expect(found.queryValue("c") == "d")
        #expect(found.rest(after: 1).elementsEqual("/b".utf8))
    }
}
