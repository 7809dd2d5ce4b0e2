internal import Cryptography
internal import Encodings
internal import Events
internal import LMDB
internal import Values

/// The key by which an event is recognized: its environment, and a digest of its id or idempotency key.
struct EventKey: TableKey, Hashable {
    let environment: UUID
    let digest: NameDigest

    enum Kind: UInt8 {
        case id = 1
        case idempotencyKey
        /// The id that Postroom gave to a routed event.
        case routed
    }

    /// - Parameter text: the event's id, or the idempotency key that it came with.
    init(_ environment: UUID, _ kind: Kind, _ text: String) {
        self.environment = environment
        digest = NameDigest(of: [kind.rawValue] + Array(text.utf8))
    }

    /// The key of a routed event, by the id that Postroom gave to it.
    init(routed id: String) { self.init(Self.routedSource, .routed, id) }

    /// The key of a routed event, by the identity that its producer gave to it.
    /// - Parameter identity: as stored with its payload (`text(of:)`).
    init(routedIdentity identity: String) { self.init(Self.routedSource, .idempotencyKey, identity) }

    func write(to writer: inout ByteWriter) {
        environment.write(to: &writer)
        digest.write(to: &writer)
    }

    init?(from reader: inout ByteReader) {
        guard let environment = UUID(from: &reader), let digest = NameDigest(from: &reader) else { return nil }
        self.environment = environment
        self.digest = digest
    }

    /// The environment id used for routed events.
    static let routedSource = UUID("00000000-0000-0000-0000-000000000000")!

    var isRouted: Bool { environment == Self.routedSource }

    /// An identity as payloads store it: a digest, so that its length does not depend on that of the source.
    static func text(of identity: ReceivedEvent.Identity) -> String {
        let text = "\(identity.source.utf8.count):\(identity.source)\(identity.id)"
        return hexadecimal(DigestAlgorithm.sha256.digest(of: Array(text.utf8)))
    }
}

/// What is stored under an event's id or idempotency key.
struct EventIDRecord: Equatable, TableRecord {
    static let name = "an event's id"

    let payload: UInt64
    /// How many deliveries it caused; `nil` for a routed event.
    var deliveries: UInt64?

    static func encode(_ record: EventIDRecord) -> [UInt8] {
        var writer = ByteWriter(reserving: 16)
        if let deliveries = record.deliveries {
            writer.number(record.payload)
            writer.number(deliveries)
        } else {
            writer.fixed(record.payload)
        }
        return writer.bytes
    }

    static func decode(_ bytes: RawSpan, at key: EventKey) -> EventIDRecord? {
        // A real environment may have the id used for routed events. Both forms can be told apart even with eight bytes:
        // payload numbers are below 2^53, but two numbers that take eight bytes in all, read as one, are not.
        var single = ByteReader(bytes)
        if key.isRouted, let payload = single.fixed(), single.isAtEnd, payload < 1 << 53 {
            return EventIDRecord(payload: payload)
        }
        var reader = ByteReader(bytes)
        guard let payload = reader.number(), let deliveries = reader.number(), reader.isAtEnd else { return nil }
        return EventIDRecord(payload: payload, deliveries: deliveries)
    }
}
