/// The part that is the same in decoders of two bytes: a byte that leads, and one that completes the character.
protocol LeadingByteDecoder: ByteDecoder {
    var leading: UInt8 { get set }

    /// Takes a byte that does not complete a character.
    mutating func begin(_ byte: UInt8, _ text: inout DecodedText)

    /// The code point of two bytes; 0 if there is none. A decoder that has written the character itself returns `nil`.
    mutating func scalar(_ leading: UInt8, _ byte: UInt8, _ text: inout DecodedText) -> UInt32?
}

extension LeadingByteDecoder {
    /// For encodings with the leading bytes 0x81 to 0xfe.
    mutating func begin(_ byte: UInt8, _ text: inout DecodedText) {
        switch byte {
        case ..<0x80: text.append(ascii: byte)
        case 0x81...0xfe: leading = byte
        default: text.appendError()
        }
    }

    mutating func take(_ byte: UInt8, _ text: inout DecodedText) {
        guard leading != 0 else { return begin(byte, &text) }
        let first = leading
        leading = 0
        guard let scalar = scalar(first, byte, &text) else { return }
        guard scalar == 0 else { return text.append(scalar) }
        text.appendError()
        // An ASCII byte is never part of an error.
        if byte < 0x80 { begin(byte, &text) }
    }

    mutating func end(_ text: inout DecodedText) {
        if leading != 0 { text.appendError() }
        leading = 0
    }
}

extension [UInt32] {
    fileprivate func at(_ pointer: Int) -> UInt32 { indices.contains(pointer) ? self[pointer] : 0 }
}

/// Section 12.1.1.
struct Big5Decoder: LeadingByteDecoder {
    var leading: UInt8 = 0
    private let index = DoubleByteIndex.big5

    mutating func scalar(_ leading: UInt8, _ byte: UInt8, _ text: inout DecodedText) -> UInt32? {
        guard (0x40...0x7e).contains(byte) || (0xa1...0xfe).contains(byte) else { return 0 }
        let pointer = (Int(leading) - 0x81) * 157 + Int(byte) - (byte < 0x7f ? 0x40 : 0x62)
        // These four are two code points each.
        let pair: (UInt32, UInt32)? =
            switch pointer {
            case 1133: (0xca, 0x304)
            case 1135: (0xca, 0x30c)
            case 1164: (0xea, 0x304)
            case 1166: (0xea, 0x30c)
            default: nil
            }
        guard let pair else { return index.at(pointer) }
        text.append(pair.0)
        text.append(pair.1)
        return nil
    }
}

/// Section 13.3.1.
struct ShiftJISDecoder: LeadingByteDecoder {
    static let privatePointers = 8836...10715
    var leading: UInt8 = 0
    private let index = DoubleByteIndex.jis0208

    mutating func begin(_ byte: UInt8, _ text: inout DecodedText) {
        switch byte {
        case ...0x80: text.append(UInt32(byte))
        case 0xa1...0xdf: text.append(0xff61 - 0xa1 + UInt32(byte))
        case 0x81...0x9f, 0xe0...0xfc: leading = byte
        default: text.appendError()
        }
    }

    mutating func scalar(_ leading: UInt8, _ byte: UInt8, _ text: inout DecodedText) -> UInt32? {
        guard (0x40...0x7e).contains(byte) || (0x80...0xfc).contains(byte) else { return 0 }
        let row = Int(leading) - (leading < 0xa0 ? 0x81 : 0xc1)
        let pointer = row * 188 + Int(byte) - (byte < 0x7f ? 0x40 : 0x41)
        return Self.privatePointers.contains(pointer) ? UInt32(0xe000 - 8836 + pointer) : index.at(pointer)
    }
}

/// Section 14.1.1, of the encoding EUC-KR.
struct EUCKRDecoder: LeadingByteDecoder {
    var leading: UInt8 = 0
    private let index = DoubleByteIndex.eucKR

    mutating func scalar(_ leading: UInt8, _ byte: UInt8, _ text: inout DecodedText) -> UInt32? {
        guard (0x41...0xfe).contains(byte) else { return 0 }
        return index.at((Int(leading) - 0x81) * 190 + Int(byte) - 0x41)
    }
}

/// Section 13.1.1.
struct EUCJPDecoder: LeadingByteDecoder {
    var leading: UInt8 = 0
    private var isJIS0212 = false
    private let jis0208 = DoubleByteIndex.jis0208
    private let jis0212 = DoubleByteIndex.jis0212

    mutating func begin(_ byte: UInt8, _ text: inout DecodedText) {
        switch byte {
        case ..<0x80: text.append(ascii: byte)
        case 0x8e, 0x8f, 0xa1...0xfe: leading = byte
        default: text.appendError()
        }
    }

    mutating func scalar(_ leading: UInt8, _ byte: UInt8, _ text: inout DecodedText) -> UInt32? {
        if leading == 0x8e, (0xa1...0xdf).contains(byte) { return 0xff61 - 0xa1 + UInt32(byte) }
        if leading == 0x8f, (0xa1...0xfe).contains(byte) {
            isJIS0212 = true
            self.leading = byte
            return nil
        }
        let index = isJIS0212 ? jis0212 : jis0208
        isJIS0212 = false
        guard (0xa1...0xfe).contains(leading), (0xa1...0xfe).contains(byte) else { return 0 }
        return index.at((Int(leading) - 0xa1) * 94 + Int(byte) - 0xa1)
    }
}

/// Section 11.2.1; also the decoder of GBK.
struct GB18030Decoder: ByteDecoder {
    private var first: UInt8 = 0
    private var second: UInt8 = 0
    private var third: UInt8 = 0
    private let index = DoubleByteIndex.gb18030
    private let ranges = EastAsianTables.gb18030Ranges

    mutating func take(_ byte: UInt8, _ text: inout DecodedText) {
        let isDigit = (0x30...0x39).contains(byte)
        if first == 0 { return begin(byte, &text) }
        if second == 0 {
            if isDigit {
                second = byte
                return
            }
            let scalar = scalar(first, byte)
            first = 0
            guard scalar == 0 else { return text.append(scalar) }
            text.appendError()
            if byte < 0x80 { begin(byte, &text) }
        } else if third == 0, (0x81...0xfe).contains(byte) {
            third = byte
        } else if third != 0, isDigit {
            let scalar = scalar(rangePointer(byte))
            (first, second, third) = (0, 0, 0)
            if let scalar { text.append(scalar) } else { text.appendError() }
        } else {
            // The first byte is the error; those after it are read again.
            let (again, last) = (second, third)
            (first, second, third) = (0, 0, 0)
            text.appendError()
            take(again, &text)
            if last != 0 { take(last, &text) }
            take(byte, &text)
        }
    }

    private func rangePointer(_ fourth: UInt8) -> Int {
        ((Int(first) - 0x81) * 10 + Int(second) - 0x30) * 1260 + (Int(third) - 0x81) * 10 + Int(fourth) - 0x30
    }

    private mutating func begin(_ byte: UInt8, _ text: inout DecodedText) {
        switch byte {
        case ..<0x80: text.append(ascii: byte)
        case 0x80: text.append(0x20ac)
        case 0x81...0xfe: first = byte
        default: text.appendError()
        }
    }

    private func scalar(_ first: UInt8, _ byte: UInt8) -> UInt32 {
        guard (0x40...0x7e).contains(byte) || (0x80...0xfe).contains(byte) else { return 0 }
        return index.at((Int(first) - 0x81) * 190 + Int(byte) - (byte < 0x7f ? 0x40 : 0x41))
    }

    private func scalar(_ pointer: Int) -> UInt32? {
        guard pointer <= 39_419 || (189_000...1_237_575).contains(pointer) else { return nil }
        if pointer == 7457 { return 0xe7c7 }
        let range = ranges[ranges.partitioningIndex { $0.pointer > pointer } - 1]
        return range.scalar + UInt32(pointer - range.pointer)
    }

    mutating func end(_ text: inout DecodedText) {
        if first != 0 { text.appendError() }
        (first, second, third) = (0, 0, 0)
    }
}

extension Array {
    /// The index of the first element for which the condition holds; it does not hold for those before, and holds for
    /// those after it.
    fileprivate func partitioningIndex(where holds: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
