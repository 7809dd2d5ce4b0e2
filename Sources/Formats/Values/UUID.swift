internal import Encodings

/// A universally unique identifier (RFC 9562) of any version.
///
/// The order is that of the bytes, and of the texts. It is not Foundation's type because that one writes upper case, and
/// nothing else here needs Foundation.
package struct UUID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The bytes in big-endian order.
    ///
    /// Stored in two halves: in Swift 6.3, an asynchronous function's stack is corrupted if an `Int128` argument is
    /// passed on it.
    private let high: UInt64
    private let low: UInt64

    private init(_ high: UInt64, _ low: UInt64) { (self.high, self.low) = (high, low) }

    /// Version 4: 122 random bits (section 5.4).
    package init(random: inout some RandomNumberGenerator) {
        self.init(random.next() & ~0xf000 | 0x4000, random.next() & ~(3 << 62) | 2 << 62)
    }

    /// - Returns: `nil` unless there are 16 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init(
            bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }, bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// Reads 32 hexadecimal digits in any letter case, with hyphens after the 8th, 12th, 16th and 20th (section 4). No
    /// other form is accepted.
    package init?(_ text: String) { self.init(text: text.utf8Span.span) }

    package init?(_ text: Substring) { self.init(text: text.utf8Span.span) }

    private init?(text: Span<UInt8>) {
        guard text.count == 36 else { return nil }
        var (high, low): (UInt64, UInt64) = (0, 0)
        for index in text.indices {
            if Self.isHyphen(index) {
                guard text[index] == UInt8(ascii: "-") else { return nil }
            } else {
                guard let digit = hexadecimalDigit(text[index]) else { return nil }
                high = high << 4 | low >> 60
                low = low << 4 | UInt64(digit)
            }
        }
        self.init(high, low)
    }

    /// The 16 bytes, the first one first (section 4).
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        for half in [high, low] {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: half >> shift)) }
        }
        return bytes
    }

    /// In lower case.
    package var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for half in [high, low] {
            for shift in stride(from: 60, through: 0, by: -4) {
                if Self.isHyphen(text.count) { text.append(UInt8(ascii: "-")) }
                text.append(digit(hexadecimal: UInt8(truncatingIfNeeded: half >> shift) & 0xf))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    package static func < (left: UUID, right: UUID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    /// Whether there is a hyphen at this place of the text.
    private static func isHyphen(_ index: Int) -> Bool { index == 8 || index == 13 || index == 18 || index == 23 }
}
