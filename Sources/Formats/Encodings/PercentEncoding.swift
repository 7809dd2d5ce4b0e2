/// The text of percent-encoded bytes (RFC 3986, section 2.1); `nil` if an escape is broken or the result is not UTF-8.
package func percentDecoded(_ bytes: ArraySlice<UInt8>, plusIsBlank: Bool = false) -> String? {
    let percent = UInt8(ascii: "%")
    let plus = UInt8(ascii: "+")
    guard bytes.contains(where: { $0 == percent || ($0 == plus && plusIsBlank) }) else {
        return String(utf8: bytes.span)
    }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
        let byte = bytes[index]
        index += 1
        if byte == plus, plusIsBlank {
            decoded.append(0x20)
        } else if byte == percent {
            guard index + 2 <= bytes.endIndex, let high = hexadecimalDigit(bytes[index]),
                let low = hexadecimalDigit(bytes[index + 1])
            else { return nil }
            decoded.append(high << 4 | low)
            index += 2
        } else {
            decoded.append(byte)
        }
    }
    return String(utf8: decoded.span)
}

/// A text with its UTF-8 bytes percent-encoded (RFC 3986, section 2.1), except for the ASCII bytes that `isPlain`
/// selects.
package func percentEncoded(_ text: String, except isPlain: (UInt8) -> Bool) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
        if isPlain(byte) {
            bytes.append(byte)
        } else {
            bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
