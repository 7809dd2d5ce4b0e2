import Testing
import Values

@Suite struct ShortTextTests {
    @Test(arguments: [("", ""), ("abc", "abc"), ("abcd", "abc…"), ("e\u{301}e\u{301}", "e\u{301}e…")])
    func `a text longer than the limit is cut and ends in an ellipsis`(text: String, short: String) {
        #expect(text.shortened(to: 3).unicodeScalars.elementsEqual(short.unicodeScalars))
    }
}
