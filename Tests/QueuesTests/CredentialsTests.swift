import Encodings
import HTTP
import HTTPTypes
import Testing

@testable import Queues

@Suite struct CredentialsTests {
    private func credentials(_ values: [UInt8]..., name: String = "Authorization") -> Credentials? {
        var fields = FieldList()
        for value in values { fields.append(name: name.utf8, value: value) }
        return Credentials(Request(method: .get, target: Target(raw: [0x2f], mountPoint: []), fields: fields))
    }

    private func credentials(_ value: String) -> Credentials? { credentials(Array(value.utf8)) }

    private func encoded(_ bytes: [UInt8]) -> String { Base64.standard.encode(bytes) }

    /// RFC 7617, sections 2 and 2.1.
    @Test(arguments: [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"), ("Basic dGVzdDoxMjPCow==", "test", "123£"),
    ])
    func `the examples of RFC 7617 are read`(field: String, name: String, password: String) {
        #expect(credentials(field)?.name == name)
        #expect(credentials(field)?.password == Array(password.utf8))
    }

    @Test(arguments: ["Basic", "basic", "BASIC", "bAsIc"], [" ", "   "])
    func `the scheme may have any letter case, and any number of spaces after it`(scheme: String, blanks: String) {
        #expect(credentials("\(scheme)\(blanks)QWxhZGRpbjpvcGVuIHNlc2FtZQ==")?.name == "Aladdin")
    }

    @Test(arguments: [
        ("u:p:q", "u", "p:q"), ("u::", "u", ":"), (":p", "", "p"), ("u:", "u", ""), (":", "", ""),
        ("ü€😀:p\u{0}\n", "ü€😀", "p\u{0}\n"), ("a b:c d", "a b", "c d"), ("e\u{301}:x", "e\u{301}", "x"),
        ("u:\u{301}x", "u", "\u{301}x"),
    ])
    func `the name ends at the first colon`(text: String, name: String, password: String) throws {
        let found = try #require(credentials("Basic \(encoded(Array(text.utf8)))"))
        #expect(Array(found.name.utf8) == Array(name.utf8))
        #expect(found.password == Array(password.utf8))
    }

    @Test func `a name of 8 KiB is read completely`() {
        let name = String(repeating: "ä", count: 4096)
        #expect(credentials("Basic \(encoded(Array("\(name):p".utf8)))")?.name == name)
    }

    @Test(arguments: [
        "", "Basic", "Basic ", "Basic    ", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "BasicQWxhZGRpbjpvcGVu",
        "Basic\tQWxhZGRpbjpvcGVuIHNlc2FtZQ==", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", " Basic", "Basic !!!!",
        "Basic QWxhZGRpbg==", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x", "Digest username=\"Aladdin\"", "Basic ====",
        "Basic Zm9v",
    ])
    func `a header without name and password has no credentials`(field: String) {
        #expect(credentials(field) == nil)
    }

    @Test(
        arguments: [[0xff, 0x3a, 0x70], [0x75, 0x3a, 0xc3], [0xc3, 0x3a, 0xa4], [0xed, 0xa0, 0x80, 0x3a]] as [[UInt8]])
    func `a header that is not UTF-8 has no credentials`(bytes: [UInt8]) {
        #expect(credentials("Basic \(encoded(bytes))") == nil)
        #expect(credentials(Array("Basic ".utf8) + bytes) == nil)
    }

    @Test func `a request without the header, or with two, has no credentials`() {
        let field = Array("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".utf8)
        #expect(credentials() == nil)
        #expect(credentials(field, name: "Proxy-Authorization") == nil)
        #expect(credentials(field, field) == nil)
        #expect(credentials(field, Array("Basic".utf8)) == nil)
        #expect(credentials(field, name: "AUTHORIZATION")?.name == "Aladdin")
    }
}
