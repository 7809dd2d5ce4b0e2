internal import Cryptography
internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// The kinds of destinations. Each kind has its own index, so that a slow policy service leaves slots to destinations that
/// need no approval.
enum OwnerHeads: UInt8, CaseIterable {
    case plain
    /// The policy service must approve each attempt.
    case needingApproval
}

/// A key of the next-due index by owner: the kind, the owner, the time from which an attempt can begin, and the
/// destination's number.
struct OwnerHeadKey: TableKey, Equatable {
    let kind: OwnerHeads
    let owner: UUID
    let time: Timestamp
    let number: UInt64

    /// - Parameter time: by default, the key is before those of all the owner's destinations of the kind.
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

/// A key of the index of due owners: the kind, the next due time of the owner's destinations of that kind, and the owner.
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

/// The next-due indexes. Destinations with deliveries are indexed by the time from which an attempt can begin (`heads`), and
/// by owner and that time, so that each owner's first is found however many others are due.
///
/// Slots for attempts, and room in the log, are shared among owners. An owner is an environment, or a user of event routing.
extension Tables {
    func heads(_ kind: OwnerHeads) -> RecordTable<UUIDRecord<TimedNumber>> {
        kind == .plain ? deliveryHeads : approvalHeads
    }

    /// The owner of a destination. A destination that belongs to nobody, such as that of the operators, is its own owner.
    func owner(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> UUID {
        let environment = try webhooks.part(at: number, in: transaction) { WebhookRecord.environment($0) }
        if let environment { return environment }
        let user = try subscriptions.part(at: number, in: transaction) { SubscriptionRecord.user($0) }
        let name = user ?? number.keyBytes
        let digest = DigestAlgorithm.sha256.digest(of: name).prefix(16)
        guard let owner = UUID(bytes: Array(digest)) else { preconditionFailure("a digest has 16 bytes and more") }
        return owner
    }

    // MARK: Writing

    /// Adds a destination to the indexes. It must not be in them yet.
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

    /// Removes a destination from the indexes. Does nothing if it is not indexed at that time.
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

    /// Removes an entry from the indexes by owner only.
    func removeOwned(
        _ kind: OwnerHeads, _ owner: UUID, of number: UInt64, at time: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) {
        try ownerHeads.remove(OwnerHeadKey(kind, owner, time, number), in: &transaction)
        let after = try firstHead(kind, of: owner, in: transaction)?.time
        guard after != time else { return }
        let isFirst = try dueOwners.remove(DueOwnerKey(kind, time, owner), in: &transaction)
        if isFirst, let after { try dueOwners.put(DueOwnerKey(kind, after, owner), in: &transaction) }
    }

    // MARK: Reading

    /// Visits an owner's destinations in the order of the time from which an attempt can begin, until `body` returns false.
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

    /// Owners with due destinations, in the order of their next due times.
    /// - Parameters:
    ///   - start: where the previous call ended. `nil`, or a key of the other kind, begins with the first owner.
    ///   - limit: how many owners to return.
    /// - Returns: the owners, and the key of the next one if there are more.
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
