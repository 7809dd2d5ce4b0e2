import Testing

@testable import Encodings

@Suite struct HexadecimalTests {
    @Test(
        arguments: [([], ""), ([0], "00"), ([0x0f, 0xf0, 0xab], "0ff0ab"), ([255, 9], "ff09")] as [([UInt8], String)])
    func `each byte is written as two digits in lower case`(bytes: [UInt8], text: String) {
        #expect(hexadecimal(bytes) == text)
        #expect(hexadecimal(([7] + bytes).dropFirst()) == text)
    }
}
