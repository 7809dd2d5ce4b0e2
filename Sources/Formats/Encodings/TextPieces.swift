/// Cuts a text that arrives in pieces so that no UTF-8 sequence is split between two pieces.
package struct TextPieces: Sendable {
    /// The beginning of a sequence that the next piece may complete; three bytes at most.
    private var rest: [UInt8] = []
    /// Whether all bytes so far were well-formed UTF-8.
    package private(set) var isUTF8 = true

    package init() {}

    /// Takes the next bytes of the text.
    /// - Parameter isLast: whether these are the last bytes; then nothing is held back.
    /// - Returns: the bytes that can be used now, including those held back before.
    package mutating func take(_ bytes: some Collection<UInt8>, isLast: Bool) -> [UInt8] {
        var whole = rest + bytes
        rest = []
        if !isLast {
            let count = Self.heldBack(whole)
            rest = Array(whole.suffix(count))
            whole.removeLast(count)
        }
        if isUTF8, !Encodings.isUTF8(whole) { isUTF8 = false }
        return whole
    }

    /// How many bytes at the end are the beginning of an incomplete sequence.
    private static func heldBack(_ bytes: [UInt8]) -> Int {
        for count in 1..<4 where count <= bytes.count {
            switch bytes[bytes.count - count] {
            case 0x80...0xbf: continue
            case 0xc2...0xdf: return count < 2 ? count : 0
            case 0xe0...0xef: return count < 3 ? count : 0
            case 0xf0...0xf4: return count < 4 ? count : 0
            default: return 0
            }
        }
        return 0
    }
}
