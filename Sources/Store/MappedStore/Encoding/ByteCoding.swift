internal import Encodings
internal import Values

/// Builds keys and records. Numbers in keys are big-endian, so that they sort by value; numbers in records that are
/// mostly small take one byte for every seven bits (LEB128).
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    init(reserving count: Int = 0) { bytes.reserveCapacity(count) }

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func fixed(_ value: UInt64) {
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    mutating func fixed(_ value: Int64) { fixed(UInt64(bitPattern: value)) }

    mutating func number(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Bytes, after their count.
    mutating func counted(_ value: some Collection<UInt8>) {
        number(UInt64(value.count))
        bytes += value
    }

    /// Bytes up to the end of the record.
    mutating func rest(_ value: some Collection<UInt8>) { bytes += value }

    /// Appends a checksum of four bytes to the record: LMDB itself keeps no checksums.
    mutating func seal() {
        let sum = checksum(of: bytes)
        for shift in [UInt32(24), 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: sum >> shift)) }
    }
}

/// Whether the checksum of a sealed record matches its content.
func isIntact(_ span: RawSpan) -> Bool { isIntact(copy(span)) }

func isIntact(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 4 else { return false }
    var stored: UInt32 = 0
    for byte in bytes.suffix(4) { stored = stored << 8 | UInt32(byte) }
    return checksum(of: bytes.dropLast(4)) == stored
}

/// Reads keys and records. Every read is checked: a record may come from a damaged file.
struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    init(_ span: RawSpan) { self.init(copy(span)) }

    var isAtEnd: Bool { position == bytes.count }

    var leftBytes: Int { bytes.count - position }

    mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        position += 1
        return bytes[position - 1]
    }

    mutating func fixed() -> UInt64? {
        guard bytes.count - position >= 8 else { return nil }
        let value = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: position, as: UInt64.self) }
        position += 8
        return UInt64(bigEndian: value)
    }

    mutating func fixedSigned() -> Int64? { fixed().map { Int64(bitPattern: $0) } }

    mutating func number() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard let next = byte() else { return nil }
            value |= UInt64(next & 0x7f) << shift
            if next < 0x80 { return value }
        }
        return nil
    }

    mutating func counted() -> [UInt8]? {
        guard let count = number(), count <= UInt64(bytes.count - position) else { return nil }
        return take(Int(count))
    }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard bytes.count - position >= count else { return nil }
        position += count
        return Array(bytes[(position - count)..<position])
    }

    mutating func rest() -> [UInt8] {
        defer { position = bytes.count }
        return Array(bytes[position...])
    }

    mutating func text() -> String? { counted().flatMap { String(validating: $0, as: UTF8.self) } }
}

func copy(_ span: RawSpan) -> [UInt8] { unsafe span.withUnsafeBytes { unsafe Array($0) } }

extension ByteWriter {
    /// Optional bytes: a 0, or a 1 and the bytes after their count.
    mutating func optional(_ value: [UInt8]?) {
        byte(value == nil ? 0 : 1)
        if let value { counted(value) }
    }

    mutating func optional(_ value: String?) { optional(value.map { Array($0.utf8) }) }

    mutating func optional(_ value: Timestamp?) {
        byte(value == nil ? 0 : 1)
        if let value { fixed(value.microseconds) }
    }

    mutating func double(_ value: Double) { fixed(value.bitPattern) }

    /// A time in a key: those before 1970 sort first.
    mutating func sortable(_ time: Timestamp) { fixed(UInt64(bitPattern: time.microseconds) ^ 1 << 63) }
}

extension ByteReader {
    // Each returns `nil` if the record ends too early or is invalid.

    mutating func optionalBytes() -> Presence<[UInt8]>? {
        switch byte() {
        case 0: .absent
        case 1: counted().map { .present($0) }
        default: nil
        }
    }

    mutating func optionalText() -> Presence<String>? {
        switch byte() {
        case 0: .absent
        case 1: text().map { .present($0) }
        default: nil
        }
    }

    mutating func optionalTime() -> Presence<Timestamp>? {
        switch byte() {
        case 0: .absent
        case 1: time().map { .present($0) }
        default: nil
        }
    }

    mutating func time() -> Timestamp? { fixedSigned().map { Timestamp(microseconds: $0) } }

    /// `nil` also for infinity and NaN: no stored time or rate is one.
    mutating func double() -> Double? {
        guard let value = fixed().map({ Double(bitPattern: $0) }), value.isFinite else { return nil }
        return value
    }

    mutating func sortableTime() -> Timestamp? {
        fixed().map { Timestamp(microseconds: Int64(bitPattern: $0 ^ 1 << 63)) }
    }

    mutating func uuid() -> UUID? { take(16).flatMap { UUID(bytes: $0) } }
}
