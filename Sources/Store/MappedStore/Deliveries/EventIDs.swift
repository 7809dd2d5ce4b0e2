internal import Cryptography
internal import Encodings
internal import Events
internal import LMDB
internal import Values

/// What events are known by: the keys of `event-ids`, and what stands there.
enum EventIDs {
    enum Kind: UInt8 {
        case id = 1
        case idempotencyKey
        /// Of an event that is routed, under the id that it was given here.
        case routed
    }

    /// Stands where events of other kinds have their environment.
    static let routedSource = UUID("00000000-0000-0000-0000-000000000000")!

    /// By what an event is found: its own id, or the idempotency key that it came with.
    static func key(_ environment: UUID, _ kind: Kind, _ text: String) -> [UInt8] {
        environment.bytes + DigestAlgorithm.sha256.digest(of: [kind.rawValue] + Array(text.utf8))
    }

    /// By what an event that is routed is found: the id that it was given here.
    static func key(routed id: String) -> [UInt8] { key(routedSource, .routed, id) }

    /// By what an event that is routed is found: the identity that it came with.
    /// - Parameter identity: as a parcel keeps it.
    static func key(routedIdentity identity: String) -> [UInt8] { key(routedSource, .idempotencyKey, identity) }

    /// An identity as parcels keep it: of a bounded length, whatever the source's is.
    static func text(of identity: ReceivedEvent.Identity) -> String {
        let text = "\(identity.source.utf8.count):\(identity.source)\(identity.id)"
        return hexadecimal(DigestAlgorithm.sha256.digest(of: Array(text.utf8)))
    }

    /// Where an event is routed, no more than its parcel stands there.
    static func parcel(at place: RawSpan, _ value: RawSpan) -> UInt64? {
        var source = ByteReader(place)
        var reader = ByteReader(value)
        let isRouted = source.uuid() == routedSource
        guard let parcel = isRouted ? reader.fixed() : reader.number(), isRouted || reader.number() != nil,
            reader.isAtEnd
        else { return nil }
        return parcel
    }
}
