import Testing

@testable import Encodings

@Suite struct Base64Tests {
    @Test(
        arguments: [
            ("", "", ""), ("f", "Zg==", "Zg"), ("fo", "Zm8=", "Zm8"), ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg==", "Zm9vYg"),
            ("\u{3ff}\u{3fe}", "z7/Pvg==", "z7_Pvg"),
        ])
    func `bytes are encoded in both alphabets, and decoded again`(plain: String, standard: String, url: String) {
        #expect(Base64.standard.encode(plain.utf8) == standard && Base64.url.encode(plain.utf8) == url)
        #expect(Base64.standard.decode(standard.utf8) == Array(plain.utf8))
        #expect(Base64.url.decode(url.utf8) == Array(plain.utf8))
    }

    @Test(arguments: [
        "Zg", "Zg=", "Zg===", "Z", "====", "=", "==", "Z===", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm 9v", "Zm9v\n", "z7_Pvg==",
        "Z=g=",
    ])
    func `wrong padding, stray bits and other characters are refused`(text: String) {
        #expect(Base64.standard.decode(text.utf8) == nil)
    }

    @Test(arguments: ["Z", "Zg==", "Zh", "Zm9", "z7/Pvg", "é"])
    func `the URL form refuses padding and the characters of the other alphabet`(text: String) {
        #expect(Base64.url.decode(text.utf8) == nil)
    }

    @Test func `bytes of any length are decoded as they were encoded`() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 67 + count) }
            #expect(Base64.standard.decode(Base64.standard.encode(bytes).utf8) == bytes)
            #expect(Base64.url.decode(Base64.url.encode(bytes).utf8) == bytes)
        }
    }
}
