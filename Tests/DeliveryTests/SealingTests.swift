import Testing

@testable import Delivery

@Suite struct SealingTests {
    @Test(arguments: [[], [("A", "b")], [("X-A", "a:b"), ("X-B", "é  ü")]] as [[(String, String)]])
    func `headers are written as lines, and read back`(pairs: [(String, String)]) {
        let fields = pairs.map { HeaderField(name: $0.0, value: $0.1) }
        #expect(HeaderField.fields(lines: HeaderField.lines(fields)) == fields)
    }

    @Test(arguments: ["A:b", "A\n", "A:b\nC\n"])
    func `malformed lines are refused`(text: String) {
        #expect(HeaderField.fields(lines: Array(text.utf8)) == nil)
    }

    @Test func `each purpose has its own context`() {
        #expect(Set(Sealing.Purpose.allCases.map(\.context)).count == Sealing.Purpose.allCases.count)
    }
}
