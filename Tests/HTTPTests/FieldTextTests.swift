import HTTP
import Testing

@Suite struct FieldTextTests {
    @Test func `a token has the characters that RFC 9110 allows`() {
        let bytes = (UInt8.min ... .max).filter(\.isTokenByte)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(
            text == "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~")
    }

    @Test func `a field's value must not contain control characters but the tab`() {
        let refused = (UInt8.min ... .max).filter(\.isFieldControl)
        #expect(refused == Array(0x00...0x08) + Array(0x0a...0x1f) + [0x7f])
    }

    @Test(arguments: [("", ""), (" \t ", ""), ("a", "a"), ("\t a b \t", "a b"), ("\na ", "\na")])
    func `spaces and tabs at both ends are removed`(text: String, inner: String) {
        #expect(String(decoding: Array(text.utf8)[...].withoutOuterBlanks, as: UTF8.self) == inner)
    }
}
