internal import Encodings

/// A universally unique identifier (RFC 9562), of whatever version.
///
/// The order is that of the bytes, and of the texts. It is our own because Foundation's writes upper case, and nothing else here
/// needs Foundation.
package struct UUID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The bytes in big-endian order.
    private let value: UInt128

    /// Version 4: 122 random bits (section 5.4).
    package init(random: inout some RandomNumberGenerator) {
        let high = random.next() & ~0xf000 | 0x4000
        let low = random.next() & ~(3 << 62) | 2 << 62
        value = UInt128(high) << 64 | UInt128(low)
    }

    /// - Returns: `nil` unless there are 16 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        value = bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// Reads 32 hexadecimal digits in any letter case, with hyphens after the 8th, 12th, 16th and 20th (section 4), and no
    /// other form.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 36 else { return nil }
        var value: UInt128 = 0
        for (index, character) in text.utf8.enumerated() {
            if Self.hyphens.contains(index) {
                guard character == UInt8(ascii: "-") else { return nil }
            } else {
                guard let digit = hexadecimalDigit(character) else { return nil }
                value = value << 4 | UInt128(digit)
            }
        }
        self.value = value
    }

    /// The 16 bytes, the first one first (section 4).
    package var bytes: [UInt8] {
        stride(from: 120, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// In lower case.
    package var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for shift in stride(from: 124, through: 0, by: -4) {
            if Self.hyphens.contains(text.count) { text.append(UInt8(ascii: "-")) }
            text.append(digit(hexadecimal: UInt8(truncatingIfNeeded: value >> shift) & 0xf))
        }
        return String(decoding: text, as: UTF8.self)
    }

    package static func < (left: UUID, right: UUID) -> Bool { left.value < right.value }

    private static let hyphens = [8, 13, 18, 23]
}
