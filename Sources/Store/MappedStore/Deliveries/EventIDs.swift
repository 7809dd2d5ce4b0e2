internal import Cryptography
internal import Encodings
internal import Events
internal import LMDB
internal import Values

/// Where an event came, and the digest of what it is known by there.
struct EventKey: TableKey, Hashable {
    let environment: UUID
    let digest: NameDigest

    enum Kind: UInt8 {
        case id = 1
        case idempotencyKey
        /// Of an event that is routed, under the id that it was given here.
        case routed
    }

    /// - Parameter text: the event's id, or the idempotency key that it came with.
    init(_ environment: UUID, _ kind: Kind, _ text: String) {
        self.environment = environment
        digest = NameDigest(of: [kind.rawValue] + Array(text.utf8))
    }

    /// Of an event that is routed, by the id that it was given here.
    init(routed id: String) { self.init(Self.routedSource, .routed, id) }

    /// Of an event that is routed, by the identity that it came with.
    /// - Parameter identity: as a parcel keeps it.
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

    /// Stands for the environment of events that are routed.
    static let routedSource = UUID("00000000-0000-0000-0000-000000000000")!

    var isRouted: Bool { environment == Self.routedSource }

    /// An identity as parcels keep it: of a bounded length, whatever the source's is.
    static func text(of identity: ReceivedEvent.Identity) -> String {
        let text = "\(identity.source.utf8.count):\(identity.source)\(identity.id)"
        return hexadecimal(DigestAlgorithm.sha256.digest(of: Array(text.utf8)))
    }
}

/// What is known of an event by its id.
struct EventIDRecord: Equatable, TableRecord {
    static let name = "an event's id"

    let parcel: UInt64
    /// How many deliveries it caused; `nil` where it is routed.
    var deliveries: UInt64?

    static func encode(_ record: EventIDRecord) -> [UInt8] {
        var writer = ByteWriter(reserving: 16)
        if let deliveries = record.deliveries {
            writer.number(record.parcel)
            writer.number(deliveries)
        } else {
            writer.fixed(record.parcel)
        }
        return writer.bytes
    }

    static func decode(_ bytes: RawSpan, at key: EventKey) -> EventIDRecord? {
        // An environment may have the id that stands for routed events. Numbers of parcels are below 2^53, and two numbers of
        // eight bytes in all are not when they are read as one.
        var single = ByteReader(bytes)
        if key.isRouted, let parcel = single.fixed(), single.isAtEnd, parcel < 1 << 53 {
            return EventIDRecord(parcel: parcel)
        }
        var reader = ByteReader(bytes)
        guard let parcel = reader.number(), let deliveries = reader.number(), reader.isAtEnd else { return nil }
        return EventIDRecord(parcel: parcel, deliveries: deliveries)
    }
}
