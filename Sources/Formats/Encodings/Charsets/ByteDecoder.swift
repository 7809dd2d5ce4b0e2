/// Text that is being decoded.
struct DecodedText {
    /// UTF-8.
    private(set) var bytes: [UInt8] = []
    /// How many times bytes that do not fit the encoding became U+FFFD.
    private(set) var errors = 0

    init(reserving count: Int = 0) { bytes.reserveCapacity(count) }

    mutating func append(ascii byte: UInt8) { bytes.append(byte) }

    mutating func append(_ scalar: UInt32) {
        switch scalar {
        case ..<0x80: bytes.append(UInt8(scalar))
        case ..<0x800:
            bytes.append(0xc0 | UInt8(scalar >> 6))
            bytes.append(0x80 | UInt8(scalar & 0x3f))
        case ..<0x10000:
            bytes.append(0xe0 | UInt8(scalar >> 12))
            bytes.append(0x80 | UInt8(scalar >> 6 & 0x3f))
            bytes.append(0x80 | UInt8(scalar & 0x3f))
        default:
            bytes.append(0xf0 | UInt8(scalar >> 18))
            bytes.append(0x80 | UInt8(scalar >> 12 & 0x3f))
            bytes.append(0x80 | UInt8(scalar >> 6 & 0x3f))
            bytes.append(0x80 | UInt8(scalar & 0x3f))
        }
    }

    mutating func appendError() {
        errors += 1
        append(0xfffd)
    }

    mutating func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }
}

/// A decoder of the encoding standard (encoding.spec.whatwg.org): it takes one byte after the other, and never fails.
protocol ByteDecoder {
    mutating func take(_ byte: UInt8, _ text: inout DecodedText)

    /// Ends the text: bytes that are still held are an error.
    mutating func end(_ text: inout DecodedText)

    mutating func take(_ bytes: ArraySlice<UInt8>, _ text: inout DecodedText)
}

extension ByteDecoder {
    mutating func take(_ bytes: ArraySlice<UInt8>, _ text: inout DecodedText) {
        for byte in bytes { take(byte, &text) }
    }
}

/// Section 9.1.
struct SingleByteDecoder: ByteDecoder {
    /// Those of the bytes from 0x80 on.
    let characters: [UInt16]

    mutating func take(_ byte: UInt8, _ text: inout DecodedText) {
        guard byte >= 0x80 else { return text.append(ascii: byte) }
        let character = characters[Int(byte - 0x80)]
        if character == 0xfffd { text.appendError() } else { text.append(UInt32(character)) }
    }

    mutating func end(_ text: inout DecodedText) {}
}

/// Section 14.2.
struct UTF16Decoder: ByteDecoder {
    let isBigEndian: Bool
    private var held: UInt8?
    private var highSurrogate: UInt32?

    init(isBigEndian: Bool) { self.isBigEndian = isBigEndian }

    mutating func take(_ byte: UInt8, _ text: inout DecodedText) {
        guard let first = held else {
            held = byte
            return
        }
        held = nil
        take(unit: isBigEndian ? UInt32(first) << 8 | UInt32(byte) : UInt32(byte) << 8 | UInt32(first), &text)
    }

    private mutating func take(unit: UInt32, _ text: inout DecodedText) {
        if let high = highSurrogate {
            highSurrogate = nil
            if (0xdc00...0xdfff).contains(unit) {
                return text.append(0x10000 + (high - 0xd800) << 10 + (unit - 0xdc00))
            }
            text.appendError()
        }
        switch unit {
        case 0xd800...0xdbff: highSurrogate = unit
        case 0xdc00...0xdfff: text.appendError()
        default: text.append(unit)
        }
    }

    mutating func end(_ text: inout DecodedText) {
        if held != nil || highSurrogate != nil { text.appendError() }
        (held, highSurrogate) = (nil, nil)
    }
}

/// Section 14.5.
struct UserDefinedDecoder: ByteDecoder {
    mutating func take(_ byte: UInt8, _ text: inout DecodedText) {
        text.append(byte < 0x80 ? UInt32(byte) : 0xf780 + UInt32(byte) - 0x80)
    }

    mutating func end(_ text: inout DecodedText) {}
}
