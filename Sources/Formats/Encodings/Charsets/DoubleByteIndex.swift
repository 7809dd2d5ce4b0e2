internal import Glibc

/// An index of the encoding standard (section 5): for each pointer, a code point, or 0 if there is none.
///
/// The C library's converters have the same characters but for a few. Each index is made with them when it is first used,
/// from known bytes: bytes that are to be decoded never reach a converter.
enum DoubleByteIndex {
    /// Pointers beyond 94 rows of 94 belong to Shift_JIS. Those of its private characters are not in the index.
    static let jis0208: [UInt32] = {
        var index = make("CP932", rows: 60, columns: 188) { row, column in
            [row < 31 ? row + 0x81 : row + 0xc1, column < 63 ? column + 0x40 : column + 0x41]
        }
        for pointer in ShiftJISDecoder.privatePointers { index[pointer] = 0 }
        return index
    }()
    static let jis0212 = make("EUC-JP", rows: 94, columns: 94) { row, column in [0x8f, row + 0xa1, column + 0xa1] }
    static let big5 = make("BIG5-HKSCS", rows: 126, columns: 157, EastAsianTables.big5) { row, column in
        [row + 0x81, column < 63 ? column + 0x40 : column + 0x62]
    }
    static let gb18030 = make("GB18030", rows: 126, columns: 190, EastAsianTables.gb18030) { row, column in
        [row + 0x81, column < 63 ? column + 0x40 : column + 0x41]
    }
    static let eucKR = make("UHC", rows: 126, columns: 190) { row, column in [row + 0x81, column + 0x41] }

    private static func make(
        _ converter: String, rows: UInt8, columns: UInt8, _ corrections: [(pointer: Int, scalar: UInt32)] = [],
        _ bytes: (UInt8, UInt8) -> [UInt8]
    ) -> [UInt32] {
        var index = [UInt32](repeating: 0, count: Int(rows) * Int(columns))
        // Without the converter nothing can be decoded, as with an encoding that is not known.
        let handle = unsafe iconv_open("UCS-4LE", converter)
        guard Int(bitPattern: handle) != -1 else { return index }
        defer { unsafe iconv_close(handle) }
        for row in 0..<rows {
            for column in 0..<columns {
                index[Int(row) * Int(columns) + Int(column)] = unsafe scalar(bytes(row, column), handle) ?? 0
            }
        }
        for correction in corrections { index[correction.pointer] = correction.scalar }
        return index
    }

    /// The only character of the bytes; `nil` if they are not one character.
    private static func scalar(_ bytes: [UInt8], _ handle: iconv_t?) -> UInt32? {
        var source = bytes.map { CChar(bitPattern: $0) }
        var target = [CChar](repeating: 0, count: 32)
        let written: Int? = unsafe source.withUnsafeMutableBufferPointer { source in
            unsafe target.withUnsafeMutableBufferPointer { target in
                var from = source.baseAddress
                var fromLeft = source.count
                var to = target.baseAddress
                var toLeft = target.count
                unsafe iconv(handle, nil, nil, nil, nil)
                guard unsafe iconv(handle, &from, &fromLeft, &to, &toLeft) != -1, fromLeft == 0,
                    unsafe iconv(handle, nil, nil, &to, &toLeft) != -1
                else { return nil }
                return target.count - toLeft
            }
        }
        guard written == 4 else { return nil }
        return target.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32(UInt8(bitPattern: $1)) }
    }
}
