internal import Capture
internal import Cryptography
internal import Values

/// A key of a table. The entries of a table are in the order of the keys' bytes.
protocol TableKey: Sendable {
    func write(to writer: inout ByteWriter)
    /// Reads a key; `nil` if the bytes are not a valid one.
    init?(from reader: inout ByteReader)
}

extension TableKey {
    var keyBytes: [UInt8] {
        var writer = ByteWriter(reserving: 24)
        write(to: &writer)
        return writer.bytes
    }

    init?(keyBytes: [UInt8]) {
        var reader = ByteReader(keyBytes)
        self.init(from: &reader)
        guard reader.isAtEnd else { return nil }
    }

    init?(keyBytes: RawSpan) { self.init(keyBytes: copy(keyBytes)) }
}

extension UInt64: TableKey {
    func write(to writer: inout ByteWriter) { writer.fixed(self) }

    init?(from reader: inout ByteReader) {
        guard let number = reader.fixed() else { return nil }
        self = number
    }
}

extension UUID: TableKey {
    func write(to writer: inout ByteWriter) { writer.rest(bytes) }

    init?(from reader: inout ByteReader) {
        guard let id = reader.uuid() else { return nil }
        self = id
    }
}

extension Endpoint.ID: TableKey {
    func write(to writer: inout ByteWriter) { writer.rest(bytes) }

    init?(from reader: inout ByteReader) {
        guard let bytes = reader.take(24) else { return nil }
        self.init(bytes: bytes)
    }
}

/// The SHA-256 digest of a name: a name may be longer than a key can be.
struct NameDigest: TableKey, Hashable {
    let bytes: [UInt8]

    static let byteCount = 32

    /// The first digest that begins with some bytes. Bytes beyond a digest's length are ignored.
    init(padding bytes: [UInt8]) {
        let missing = max(0, Self.byteCount - bytes.count)
        self.bytes = Array(bytes.prefix(Self.byteCount)) + Array(repeating: 0, count: missing)
    }

    init(_ name: String) { self.init(of: Array(name.utf8)) }

    init(of name: [UInt8]) { bytes = DigestAlgorithm.sha256.digest(of: name) }

    func write(to writer: inout ByteWriter) { writer.rest(bytes) }

    init?(from reader: inout ByteReader) {
        guard let bytes = reader.take(Self.byteCount) else { return nil }
        self.bytes = bytes
    }
}

/// An owner, then the number of something that it owns.
struct Owned<Owner: TableKey & Hashable>: TableKey, Hashable {
    let owner: Owner
    let number: UInt64

    init(_ owner: Owner, _ number: UInt64) {
        self.owner = owner
        self.number = number
    }

    func write(to writer: inout ByteWriter) {
        owner.write(to: &writer)
        writer.fixed(number)
    }

    init?(from reader: inout ByteReader) {
        guard let owner = Owner(from: &reader), let number = reader.fixed() else { return nil }
        self.init(owner, number)
    }
}

typealias OwnedNumber = Owned<UInt64>

/// A time, then the number of the record that is indexed by it.
struct TimedNumber: TableKey, Hashable {
    let time: Timestamp
    let number: UInt64

    init(_ time: Timestamp, _ number: UInt64) {
        self.time = time
        self.number = number
    }

    func write(to writer: inout ByteWriter) {
        writer.sortable(time)
        writer.fixed(number)
    }

    init?(from reader: inout ByteReader) {
        guard let time = reader.sortableTime(), let number = reader.fixed() else { return nil }
        self.init(time, number)
    }
}
