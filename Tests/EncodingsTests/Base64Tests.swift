import Testing

@testable import Encodings

@Suite struct Base64Tests {
    @Test(
        arguments: [
            ("", "", ""), ("f", "Zg==", "Zg"), ("fo", "Zm8=", "Zm8"), ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg==", "Zm9vYg"),
            ("\u{3ff}\u{3fe}", "z7/Pvg==", "z7_Pvg"),
        ])
    func `bytes are their text, and the text its bytes`(plain: String, standard: String, url: String) {
        #expect(Base64.standard.encode(plain.utf8) == standard && Base64.url.encode(plain.utf8) == url)
        #expect(Base64.standard.decode(standard.utf8) == Array(plain.utf8))
        #expect(Base64.url.decode(url.utf8) == Array(plain.utf8))
    }

    @Test(arguments: [
        "Zg", "Zg=", "Zg===", "Z", "====", "=", "==", "Z===", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm 9v", "Zm9v\n", "z7_Pvg==",
        "Z=g=",
    ])
    func `a text that is not strictly so is refused`(text: String) {
        #expect(Base64.standard.decode(text.utf8) == nil)
    }

    @Test(arguments: ["Z", "Zg==", "Zh", "Zm9", "z7/Pvg", "é"])
    func `for URLs there is no padding, and another alphabet`(text: String) {
        #expect(Base64.url.decode(text.utf8) == nil)
    }

    @Test func `every byte goes there and back, at every place`() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 67 + count) }
            #expect(Base64.standard.decode(Base64.standard.encode(bytes).utf8) == bytes)
            #expect(Base64.url.decode(Base64.url.encode(bytes).utf8) == bytes)
        }
    }
}
