internal import Values

/// A type of record in a table, and its encoding.
protocol TableRecord<Key> {
    associatedtype Key: TableKey
    associatedtype Value = Self

    /// The name of such a record in an error, with its article.
    static var name: String { get }

    static func encode(_ value: Value) -> [UInt8]

    /// Reads a record; `nil` if it is damaged.
    static func decode(_ bytes: RawSpan, at key: Key) -> Value?

    /// How many bytes a record counts as, where the bytes of an owner are limited.
    static func weight(_ bytes: RawSpan) -> Int
}

extension TableRecord {
    static func weight(_ bytes: RawSpan) -> Int { bytes.byteCount }
}

/// A record that is read without its key.
protocol KeylessRecord<Key>: TableRecord where Value == Self {
    var encoded: [UInt8] { get }
    init?(_ bytes: RawSpan)
}

extension KeylessRecord {
    static func encode(_ value: Self) -> [UInt8] { value.encoded }

    static func decode(_ bytes: RawSpan, at key: Key) -> Self? { Self(bytes) }
}

/// A record as it is stored.
struct Encoded<Record: TableRecord> {
    let bytes: [UInt8]

    var byteCount: Int { bytes.count }

    var weight: Int { unsafe Record.weight(bytes.span.bytes) }

    init(_ value: Record.Value) { bytes = Record.encode(value) }
}

/// A number of eight bytes.
enum NumberRecord<Key: TableKey>: TableRecord {
    static var name: String { "a number" }

    static func encode(_ value: UInt64) -> [UInt8] {
        var writer = ByteWriter(reserving: 8)
        writer.fixed(value)
        return writer.bytes
    }

    static func decode(_ bytes: RawSpan, at key: Key) -> UInt64? {
        var reader = ByteReader(bytes)
        guard let number = reader.fixed(), reader.isAtEnd else { return nil }
        return number
    }
}

/// An id of 16 bytes.
enum UUIDRecord<Key: TableKey>: TableRecord {
    static var name: String { "an id" }

    static func encode(_ value: UUID) -> [UInt8] { value.bytes }

    static func decode(_ bytes: RawSpan, at key: Key) -> UUID? { UUID(bytes: copy(bytes)) }
}

/// A record without content: its key is all the information.
enum EmptyRecord<Key: TableKey>: TableRecord {
    static var name: String { "an entry" }

    static func encode(_ value: Void) -> [UInt8] { [] }

    static func decode(_ bytes: RawSpan, at key: Key) -> Void? { () }
}

/// Bytes that the store does not interpret.
enum BytesRecord<Key: TableKey>: TableRecord {
    static var name: String { "a value" }

    static func encode(_ value: [UInt8]) -> [UInt8] { value }

    static func decode(_ bytes: RawSpan, at key: Key) -> [UInt8]? { copy(bytes) }
}
