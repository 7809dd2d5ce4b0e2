/// The UTF-16 code unit of an escape: the four hexadecimal digits at an offset; `nil` if these are not four digits.
package func escapedCodeUnit(in text: [UInt8], at offset: Int) -> UInt16? {
    guard offset + 4 <= text.count else { return nil }
    let digits = text[offset..<offset + 4]
    // Check the digits first, as `UInt16` would also accept a sign.
    guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
    return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
}
