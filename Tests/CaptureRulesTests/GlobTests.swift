import Testing

@testable import CaptureRules

@Suite struct GlobTests {
    @Test(
        arguments: [
            ("", "", true), ("", "/", false), ("/pay*", "/pay", true), ("/pay*", "/payments/1", true),
            ("/pay*", "/pa", false), ("*", "", true), ("*", "/x", true), ("**", "/x", true), ("*/x", "/a/x", true),
            ("*/x", "/x/y", false), ("/a*b*c", "/abc", true), ("/a*b*c", "/a-b-b-c", true), ("/a*b*c", "/ac", false),
            ("/a*a", "/a", false), ("/a*a", "/aa", true), ("/*aab*", "/aaaab", true), ("*abab*ab", "abab", false),
            ("*abab*ab", "xababxab", true), ("/%61", "/a", false),
        ] as [(String, String, Bool)])
    func `an asterisk stands for any text`(pattern: String, text: String, matches: Bool) {
        #expect(Glob(pattern).matches(Array(text.utf8)) == matches)
    }

    /// Backtracking would take longer than the age of the universe.
    @Test func `many asterisks do not make a match slow`() {
        let pattern = Glob(String(repeating: "*a", count: 400) + "*b")
        #expect(!pattern.matches([UInt8](repeating: UInt8(ascii: "a"), count: 60_000)))
    }
}
