import Testing

@testable import JSON

@Suite struct TextPositionTests {
    @Test(
        arguments: [
            ("", 0, 1, 1), ("ab", 0, 1, 1), ("ab", 2, 1, 3), ("a\nb", 1, 1, 2), ("a\nb", 2, 2, 1), ("\n\n", 2, 3, 1),
            ("a\r\nb", 3, 2, 1), ("a\rb", 2, 1, 3), ("é\né.", 5, 2, 3), ("a\nb", 9, 2, 2),
        ])
    func `lines end with a line feed, and columns count bytes`(text: String, offset: Int, line: Int, column: Int) {
        let position = TextPosition(of: offset, in: Array(text.utf8))
        #expect((position.line, position.column) == (line, column))
        #expect(position.description == "line \(line), column \(column)")
    }
}
