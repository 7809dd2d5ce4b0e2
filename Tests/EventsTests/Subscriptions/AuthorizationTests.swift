import JSON
import Testing

@testable import Events

@Suite struct AuthorizationTests {
    @Test(
        arguments: [
            (#"{"type": "basic", "basic": {"username": "u", "password": "p"}}"#, "Basic dTpw"),
            (#"{"type": "basic", "basic": {"username": "é", "password": ""}}"#, "Basic w6k6"),
            (#"{"type": "basic"}"#, nil), (#"{"type": "header"}"#, nil),
            (#"{"type": "header", "header": {"type": "Bearer", "credentials": "x y"}}"#, "Bearer x y"),
            (#"{"type": "header", "header": {"type": "", "credentials": ""}}"#, " "),
            // Details of the other kind are not used.
            (#"{"type": "header", "basic": {"username": "u", "password": "p"}}"#, nil),
            (#"{"type": "basic", "more": [1]}"#, nil),
        ])
    func `credentials become a header`(text: String, header: String?) throws {
        let auth = try parsed(text)
        #expect(Authorization.fault(auth) == nil)
        #expect(Authorization.header(auth) == header)
    }

    @Test(
        arguments: [
            ("[]", "auth"), ("null", "auth"), ("{}", "auth.type"), (#"{"type": null}"#, "auth.type"),
            (#"{"type": "Basic"}"#, "auth.type"), (#"{"type": "digest"}"#, "auth.type"),
            (#"{"type": "basic", "basic": []}"#, "auth.basic"), (#"{"type": "basic", "basic": null}"#, "auth.basic"),
            (#"{"type": "basic", "basic": {"username": "u"}}"#, "auth.basic.password"),
            (#"{"type": "basic", "basic": {"password": "p"}}"#, "auth.basic.username"),
            (#"{"type": "basic", "basic": {"username": 1, "password": "p"}}"#, "auth.basic.username"),
            (#"{"type": "header", "header": {"type": "x"}}"#, "auth.header.credentials"),
            (#"{"type": "header", "header": {"credentials": "x"}}"#, "auth.header.type"),
            (#"{"type": "header", "header": {"type": "a\r\nb", "credentials": "x"}}"#, "auth.header"),
            (#"{"type": "header", "header": {"type": "a", "credentials": "\u0000"}}"#, "auth.header"),
            (#"{"type": "header", "header": {"type": "a", "credentials": "\u007f"}}"#, "auth.header"),
            // Details that are not used must be valid too.
            (#"{"type": "header", "basic": {"username": "u"}}"#, "auth.basic.password"),
        ])
    func `invalid credentials are refused with the path of the error`(text: String, path: String) throws {
        #expect(Authorization.fault(try parsed(text))?.path == path)
    }

    @Test func `a header has at most 8192 bytes`() throws {
        func fault(_ count: Int) -> String? {
            let details = JSON.object([
                .init("type", .string("x")), .init("credentials", .string(String(repeating: "a", count: count))),
            ])
            return Authorization.fault(.object([.init("type", .string("header")), .init("header", details)]))?.path
        }
        #expect(fault(8190) == nil)
        #expect(fault(8191) == "auth.header")
    }
}
