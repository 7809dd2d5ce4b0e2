import HTTP
import Testing

@Suite struct FieldTextTests {
    @Test func `a token has the characters that RFC 9110 allows`() {
        let bytes = (UInt8.min ... .max).filter(\.isTokenByte)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(
            text == "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~")
    }

    @Test(arguments: [("", ""), (" \t ", ""), ("a", "a"), ("\t a b \t", "a b"), ("\na ", "\na")])
    func `spaces and tabs at both ends are removed`(text: String, inner: String) {
        #expect(String(decoding: Array(text.utf8)[...].withoutOuterBlanks, as: UTF8.self) == inner)
    }
}
