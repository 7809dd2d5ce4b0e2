import Values

@testable import MappedStore

// The store reads records in place in the map; tests have them as arrays.

extension KeylessRecord {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}

extension TableRecord {
    static func decode(_ bytes: [UInt8], at key: Key) -> Value? { unsafe decode(bytes.span.bytes, at: key) }

    static func isWhole(_ bytes: [UInt8]) -> Bool { unsafe isIntact(bytes.span.bytes) }
}

extension TableRecord<UInt64> {
    static func decode(_ bytes: [UInt8]) -> Value? { decode(bytes, at: 1) }
}

extension TableRecord<OwnedNumber> {
    static func decode(_ bytes: [UInt8]) -> Value? { decode(bytes, at: OwnedNumber(1, 1)) }
}

extension TableRecord<NameDigest> {
    static func decode(_ bytes: [UInt8]) -> Value? { decode(bytes, at: NameDigest("a")) }
}

/// A key of numbers.
func key(_ numbers: UInt64...) -> [UInt8] { numbers.flatMap(\.keyBytes) }
