import HTTP
import HTTPTypes
import JSON
import Testing

@testable import CaptureRules

@Suite struct RuleAnswerTests {
    private func response(_ then: String, _ sent: ReceivedRequest = request()) throws -> Response {
        let rules = try rules("[{\"then\": \(then)}]")
        return try #require(rules.outcome(for: sent, positions: [:])).answer.response
    }

    @Test func `a body is plain text, and a page that a browser makes of it cannot run scripts`() throws {
        let plain = try response(#"{"body": "<script>"}"#)
        #expect(plain.head.headerFields[.contentType] == "text/plain; charset=utf-8")
        let page = try response(#"{"body": "<script>", "headers": {"content-type": "text/html"}}"#)
        #expect(page.head.headerFields[.contentType] == "text/html")
        for response in [plain, page] {
            #expect(response.head.headerFields[.noSniff] == "nosniff")
            #expect(response.head.headerFields[.contentSecurityPolicy] == "sandbox")
        }
        let empty = try response(#"{"status": 503}"#)
        #expect(empty.head.status.code == 503 && empty.head.headerFields.isEmpty && empty.body.isEmpty)
    }

    @Test func `a placeholder cannot add a header or break a value`() throws {
        let sent = request(query: "q=%20%0D%0AX-Evil:%201%0D%0A")
        let response = try response(#"{"headers": {"X-Echo": "{query:q}"}}"#, sent)
        #expect(response.head.headerFields.map(\.name.canonicalName) == ["x-echo"])
        #expect(response.head.headerFields[HTTPField.Name("X-Echo")!] == "X-Evil: 1")
    }

    @Test func `a body whose placeholders make it too long is replaced by an error`() throws {
        let text = String(repeating: "x", count: 100_000)
        let then = #"{"status": 201, "delay_ms": 7, "body": "{json:$.x}{json:$.x}{json:$.x}"}"#
        let rules = try rules("[{\"when\": {\"match\": \"$.x\"}, \"then\": \(then)}]")
        let sent = request(json: "{\"x\": \"\(text)\"}")
        let answer = try #require(rules.outcome(for: sent, positions: [:])).answer
        #expect(answer.status == 500 && answer.delayMilliseconds == 7 && answer.headers.isEmpty)
        #expect(
            answer.text == "The answer of responses[0] is too long: a body may have 262144 bytes, and a header 4096.")
    }

    @Test func `a JSON body of a rule stays JSON, whatever is sent`() throws {
        let then = #"{"headers": {"Content-Type": "application/problem+json"}, "body": "{\"id\": \"{query:q}\"}"}"#
        let response = try response(then, request(query: "q=%22,%20%22admin%22:%20%22%FF"))
        #expect(try JSON(parsing: response.body)["id"] == .string("\", \"admin\": \"\u{fffd}"))
    }

    /// Each query would take seconds on this document.
    @Test func `queries that take too many steps have no result, all together`() throws {
        let costly = "$..[?@..[?@..[?@ == 1]]]"
        let rule = "{\"when\": {\"match\": \"\(costly)\"}, \"then\": {\"body\": \"{json:\(costly)}\"}}"
        let rules = try rules("[" + Array(repeating: rule, count: 100).joined(separator: ",") + "]")
        let deep = String(repeating: "[", count: 900) + "2" + String(repeating: "]", count: 900)
        let sent = request(json: deep)
        #expect(rules.outcome(for: sent, positions: [:]) == nil)
        #expect(sent.steps == 0)
    }

    @Test func `placeholders hash a bounded number of bytes`() throws {
        let body = String(repeating: "{hmac-sha256-hex:body}", count: 20)
        let sent = request(body: [UInt8](repeating: 0x61, count: 2 << 20))
        let rules = try rules("[{\"secret\": \"s\", \"then\": {\"body\": \"\(body)\"}}]")
        // The body once, and 4 MiB more.
        #expect(rules.outcome(for: sent, positions: [:])?.answer.body.count == 3 * 64)
    }

    @Test func `a body that is too large or too deep is not read as JSON`() {
        let large = "[" + String(repeating: " ", count: ReceivedRequest.jsonBytes) + "]"
        let many = "[" + Array(repeating: "1", count: ReceivedRequest.jsonValues).joined(separator: ",") + "]"
        let deep = String(repeating: "[", count: 100_000)
        for text in [large, many, deep, "", "{"] { #expect(request(json: text).json == nil) }
    }
}
