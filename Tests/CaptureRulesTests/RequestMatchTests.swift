import JSON
import Testing

@testable import CaptureRules

@Suite struct RequestMatchTests {
    private let order = request(
        path: "/orders/1", query: "mode=test&mode=live&empty",
        [("X-Github-Event", "push"), ("X-Tag", "a"), ("X-Tag", "b")],
        json: #"{"order": {"id": 17, "items": [{"price": 5}]}}"#)

    @Test(
        arguments: [
            ("$", true), ("$.json.order", true), ("$.json.orders", false), ("$[?$.json.order.id == 17]", true),
            ("$[?$.json.order.id == 18]", false), ("$..items[?@.price > 4]", true), ("$[?$.method == 'POST']", true),
            ("$[?$.headers['x-github-event'] == 'push']", true), ("$.headers['X-Github-Event']", false),
            ("$[?$.headers['x-tag'] == 'a, b']", true), ("$[?$.query.mode == 'test']", true),
            ("$[?$.query.mode == 'live']", false), ("$.query.empty", true), ("$[?$.path == '/orders/1']", true),
            ("$[?search($.url, 'webhook')]", true), ("$.form", false),
        ])
    func `an expression is about the whole request`(expression: String, matches: Bool) throws {
        #expect(try RequestMatch(expression).matches(RequestDocument(order)) == matches)
    }

    @Test func `a form has its fields, and a description of its files`() throws {
        let body = """
            --q\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--q\r\n\
            Content-Disposition: form-data; name="f"; filename="x.png"\r\nContent-Type: image/png\r\n\r\nabc\r\n--q--\r\n
            """
        let sent = request([("Content-Type", "multipart/form-data; boundary=q")], body: Array(body.utf8))
        let document = RequestDocument(sent)
        #expect(document.json["form"]?["a"] == .string("1"))
        #expect(try RequestMatch("$[?$.form.f.filename == 'x.png' && $.form.f.size == 3]").matches(document))
        #expect(document.json["json"] == nil)
        let other = request([("Content-Type", "application/x-www-form-urlencoded")], body: Array("a=1&a=2".utf8))
        #expect(RequestDocument(other).json["form"] == .object([.init("a", .string("1"))]))
    }

    @Test func `bytes that are not text do not break the document`() {
        let sent = request(query: "a=%FF&%FE=1", body: [0xff, 0])
        #expect(RequestDocument(sent).json["query"]?["a"] == .string("\u{fffd}"))
    }

    @Test(arguments: ["", "$[", "json.order", String(repeating: "$", count: 5000)])
    func `an expression that is not a query is refused with the reason`(expression: String) throws {
        let error = #expect(throws: InvalidMatch.self) { try RequestMatch(expression) }
        #expect(error?.reason.hasPrefix("The expression ") == true)
    }

    /// The evaluation would take hours.
    @Test func `an expression that is too costly does not match`() throws {
        let deep = String(repeating: "[", count: 900) + "2" + String(repeating: "]", count: 900)
        let costly = try RequestMatch("$..[?@..[?@..[?@..[?@ == 1]]]]")
        #expect(!costly.matches(RequestDocument(request(json: deep))))
    }
}
