internal import Cryptography
internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// The kinds of destinations that are indexed apart: who answers slowly where somebody is asked leaves room to others.
enum OwnerHeads: UInt8, CaseIterable {
    case plain
    /// Somebody must agree to each attempt.
    case needingApproval
}

/// A kind of head, an owner, the time from which something can be begun, and a destination.
struct OwnerHeadKey: TableKey, Equatable {
    let kind: OwnerHeads
    let owner: UUID
    let time: Timestamp
    let number: UInt64

    /// - Parameter time: without one, a key before those of all the owner's heads.
    init(_ kind: OwnerHeads, _ owner: UUID, _ time: Timestamp = Timestamp(microseconds: .min), _ number: UInt64 = 0) {
        self.kind = kind
        self.owner = owner
        self.time = time
        self.number = number
    }

    func write(to writer: inout ByteWriter) {
        writer.byte(kind.rawValue)
        owner.write(to: &writer)
        writer.sortable(time)
        writer.fixed(number)
    }

    init?(from reader: inout ByteReader) {
        guard let kind = reader.byte().flatMap(OwnerHeads.init(rawValue:)), let owner = reader.uuid(),
            let time = reader.sortableTime(), let number = reader.fixed()
        else { return nil }
        self.init(kind, owner, time, number)
    }
}

/// A kind of head, the time of an owner's first head of the kind, and the owner.
struct DueOwnerKey: TableKey, Equatable {
    let kind: OwnerHeads
    let time: Timestamp
    let owner: UUID

    /// A key before all others of its kind.
    static func first(_ kind: OwnerHeads) -> DueOwnerKey {
        DueOwnerKey(kind, Timestamp(microseconds: .min), EventKey.routedSource)
    }

    init(_ kind: OwnerHeads, _ time: Timestamp, _ owner: UUID) {
        self.kind = kind
        self.time = time
        self.owner = owner
    }

    func write(to writer: inout ByteWriter) {
        writer.byte(kind.rawValue)
        writer.sortable(time)
        owner.write(to: &writer)
    }

    init?(from reader: inout ByteReader) {
        guard let kind = reader.byte().flatMap(OwnerHeads.init(rawValue:)), let time = reader.sortableTime(),
            let owner = reader.uuid()
        else { return nil }
        self.init(kind, time, owner)
    }
}

/// Destinations with deliveries by the time from which something can be begun for them (`heads`), and again by owner, so that
/// each owner's first is found however many others are due.
///
/// An owner is who slots for attempts, and room in the log, are shared among: an environment, or a user of event routing.
extension Tables {
    func heads(_ kind: OwnerHeads) -> RecordTable<UUIDRecord<TimedNumber>> {
        kind == .plain ? deliveryHeads : approvalHeads
    }

    /// Whose a destination is. One that is nobody's, as that of operators, is its own owner.
    func owner(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> UUID {
        let environment = try webhooks.part(at: number, in: transaction) { WebhookRecord.environment($0) }
        if let environment { return environment }
        let user = try subscriptions.part(at: number, in: transaction) { SubscriptionRecord.user($0) }
        let name = user ?? number.keyBytes
        let digest = DigestAlgorithm.sha256.digest(of: name).prefix(16)
        guard let owner = UUID(bytes: Array(digest)) else { preconditionFailure("a digest has 16 bytes and more") }
        return owner
    }

    // MARK: Changing them

    /// Puts a destination that has no head into the indexes.
    func putHead(
        _ kind: OwnerHeads, of number: UInt64, at time: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) {
        let owner = try owner(of: number, in: transaction)
        let before = try firstHead(kind, of: owner, in: transaction)?.time
        try heads(kind).put(owner, at: TimedNumber(time, number), in: &transaction)
        try ownerHeads.put(OwnerHeadKey(kind, owner, time, number), in: &transaction)
        guard before.map({ time < $0 }) ?? true else { return }
        if let before { try dueOwners.remove(DueOwnerKey(kind, before, owner), in: &transaction) }
        try dueOwners.put(DueOwnerKey(kind, time, owner), in: &transaction)
    }

    /// Takes a destination's head out of the indexes; nothing where there is none of that time.
    func removeHead(
        of number: UInt64, at time: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) {
        let key = TimedNumber(time, number)
        for kind in OwnerHeads.allCases {
            let stored = try heads(kind).readable(at: key, in: transaction)
            guard try heads(kind).remove(key, in: &transaction), let owner = stored else { continue }
            try removeOwned(kind, owner, of: number, at: time, in: &transaction)
        }
    }

    /// Takes an entry out of the indexes by owner alone.
    func removeOwned(
        _ kind: OwnerHeads, _ owner: UUID, of number: UInt64, at time: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) {
        try ownerHeads.remove(OwnerHeadKey(kind, owner, time, number), in: &transaction)
        let after = try firstHead(kind, of: owner, in: transaction)?.time
        guard after != time else { return }
        let isFirst = try dueOwners.remove(DueOwnerKey(kind, time, owner), in: &transaction)
        if isFirst, let after { try dueOwners.put(DueOwnerKey(kind, after, owner), in: &transaction) }
    }

    // MARK: Reading them

    /// Lends an owner's destinations by the time from which something can be begun for them, until the body says no.
    func scanHeads(
        _ kind: OwnerHeads, of owner: UUID, in transaction: borrowing Transaction,
        _ body: (_ time: Timestamp, _ number: UInt64) -> Bool
    ) throws(LMDBError) {
        try ownerHeads.scanKeys(from: OwnerHeadKey(kind, owner), in: transaction) { key in
            guard key.kind == kind, key.owner == owner else { return false }
            return body(key.time, key.number)
        }
    }

    func firstHead(
        _ kind: OwnerHeads, of owner: UUID, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (time: Timestamp, number: UInt64)? {
        var first: (Timestamp, UInt64)?
        try scanHeads(kind, of: owner, in: transaction) { time, number in
            first = (time, number)
            return false
        }
        return first
    }

    /// Owners for whom something is due, by time.
    /// - Parameters:
    ///   - start: where the last look ended; `nil`: at the beginning.
    ///   - limit: how many to look at.
    /// - Returns: with the key of the next one where there are more.
    func dueOwners(
        _ kind: OwnerHeads, from start: DueOwnerKey?, until now: Timestamp, limit: Int,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> (owners: [UUID], next: DueOwnerKey?) {
        var (owners, next): ([UUID], DueOwnerKey?) = ([], nil)
        try dueOwners.scanKeys(from: start?.kind == kind ? start : .first(kind), in: transaction) { key in
            guard key.kind == kind, key.time <= now else { return false }
            if owners.count == limit {
                next = key
                return false
            }
            owners.append(key.owner)
            return true
        }
        return (owners, next)
    }
}
