import Testing

@testable import HTTP

@Suite struct URLEncodedFormTests {
    private func fields(_ text: String) -> [[String]] {
        URLEncodedForm(text.utf8).fields.map { field in
            [field.name, field.value].map { String(decoding: $0, as: UTF8.self) }
        }
    }

    @Test(
        arguments: [
            ("", []), ("a=b", [["a", "b"]]), ("a", [["a", ""]]), ("a=b=c&&a=d&", [["a", "b=c"], ["a", "d"]]),
            ("a+b=%2B+%C3%A9", [["a b", "+ é"]]), ("=x", [["", "x"]]), ("%=%4&x=%zz", [["%", "%4"], ["x", "%zz"]]),
        ] as [(String, [[String]])])
    func `fields are decoded as browsers write them`(text: String, expected: [[String]]) {
        #expect(fields(text) == expected)
    }

    @Test func `broken escapes are counted, and fields beyond the limit are left out`() {
        #expect(URLEncodedForm("%=%4&x=%zz%41".utf8).brokenEscapes == 3)
        let many = URLEncodedForm(Array(repeating: "a=1", count: 1001).joined(separator: "&").utf8)
        #expect(many.isCut && many.fields.count == 1000)
        #expect(!URLEncodedForm(Array(repeating: "a=1", count: 1000).joined(separator: "&").utf8).isCut)
    }
}
