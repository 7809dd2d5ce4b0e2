import JSON
import Testing

@testable import CaptureRules

@Suite struct TextTemplateTests {
    private func expand(
        _ text: String, for request: ReceivedRequest, _ context: TextTemplate.Context = .plain
    ) throws -> String {
        let template = try TextTemplate(text)
        let bytes = try template.expanded(for: request, secret: Array("key".utf8), context, maximumBytes: 1000)
        return String(decoding: bytes, as: UTF8.self)
    }

    private let sent = request(
        query: "a=1+2&b=%C3%A9&a=3", [("X-Name", "v"), ("Content-Type", "application/x-www-form-urlencoded")],
        body: Array("f=g%26h".utf8))

    @Test(
        arguments: [
            ("plain", "plain"), ("{query:a}", "1 2"), ("<{query:b}>", "<é>"), ("{query:c}", ""),
            ("{header:x-name}", "v"),
            ("{header:None}", ""), ("{form:f}", "g&h"), ("{body}", "f=g%26h"), ("{json:$.x}", ""),
            (#"{"a": {"b": "{query:a}"}}"#, #"{"a": {"b": "1 2"}}"#), ("{quer:a} {}", "{quer:a} {}"), ("{", "{"),
        ])
    func `a placeholder is replaced, and another brace is a brace`(text: String, expanded: String) throws {
        #expect(try expand(text, for: sent) == expanded)
    }

    // By Python's hmac.new(b"key", …).
    @Test(
        arguments: [
            ("{hmac-sha256-hex:query:a}", "acabc1388bd39921cf92f85b5eee3d9558112c6e85ee9e08f2e32b8f2cef1990"),
            ("{hmac-sha1-base64:query:a}", "JkYuFN5jy3WE66anLYcysR+0MeA="),
            ("{hmac-sha256-hex:body}", "dee1977421c1da36c835f343989b9c791e6f2fb1ee89f168aedca0f22efb1c06"),
            ("{hmac-sha256-hex:query:none}", ""),
        ])
    func `an HMAC is made of another placeholder`(text: String, expanded: String) throws {
        #expect(try expand(text, for: sent) == expanded)
    }

    @Test(
        arguments: [
            (#"{"id": "a}b"}"#, "{json:$['id']}", "a}b"), (#"{"a}": 1}"#, #"{json:$["a}"]}!"#, "1!"),
            (#"{"a'}": 1}"#, #"{json:$['a\'}']}!"#, "1!"), ("[1.50]", "{json:$[0]}", "1.50"),
            ("[null]", "{json:$[0]}", "null"),
            (#"[{"a": [true]}]"#, "{json:$[0]}", #"{"a": [true]}"#),
        ])
    func `a JSONPath gives its first result, a string without quotes`(
        body: String, text: String, expanded: String
    ) throws {
        #expect(try expand(text, for: request(json: body)) == expanded)
    }

    @Test func `in JSON a string is escaped, and other values are written as they are`() throws {
        let sent = request(query: "q=%22%7D", json: #"{"s": "a\"b\\\n", "n": 1, "o": {"x": "y\""}}"#)
        let text = #"{"s": "{json:$.s}", "n": {json:$.n}, "o": {json:$.o}, "q": "{query:q}"}"#
        let json = try JSON(parsing: Array(try expand(text, for: sent, .json).utf8))
        #expect(json["s"] == .string("a\"b\\\n") && json["n"] == .number("1") && json["q"] == .string("\"}"))
        #expect(json["o"]?["x"] == .string("y\""))
    }

    @Test func `in a header control characters become blanks`() throws {
        let sent = request(query: "q=a%0D%0ASet-Cookie:%20b%00%7F%09c")
        #expect(try expand("{query:q}", for: sent, .header) == "a  Set-Cookie: b  \tc")
    }

    @Test func `a text that would be too long is not made`() throws {
        let sent = request(query: "q=" + String(repeating: "x", count: 600))
        #expect(throws: TextTemplate.TooLong.self) { try expand("{query:q}{query:q}", for: sent) }
        #expect(throws: TextTemplate.TooLong.self) {
            try expand("{query:q}", for: request(query: "q=" + String(repeating: "%01", count: 600)), .json)
        }
    }

    @Test(
        arguments: [
            "{json:$.a", "{json:a}", "{query:}", "{header:}", "{hmac-sha1-hex:x}", "{hmac-sha1-hex:hmac-sha1-hex:body}",
            String(repeating: "{body}", count: 21), "{json:" + String(repeating: "a", count: 1025) + "}",
            "{query:" + String(repeating: "a", count: 2000) + "}",
        ])
    func `an invalid placeholder is refused`(text: String) {
        #expect(throws: InvalidPlaceholder.self) { try TextTemplate(text) }
    }
}
