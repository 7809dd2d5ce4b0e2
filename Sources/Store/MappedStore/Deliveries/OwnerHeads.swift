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

/// Destinations with deliveries by the time from which something can be begun for them (`heads`), and again by owner, so that
/// each owner's first is found however many others are due.
///
/// An owner is who places for attempts, and room in the log, are shared among: an environment, or a user of event routing.
extension Tables {
    func heads(_ kind: OwnerHeads) -> Table { kind == .plain ? deliveryHeads : approvalHeads }

    /// Whose a destination is. One that is nobody's, as that of operators, is its own owner.
    func owner(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> UUID {
        let environment = try webhooks.readable(at: key(number), in: transaction) { WebhookRecord.environment($0) }
        if let environment { return environment }
        let user = try subscriptions.readable(at: key(number), in: transaction) { SubscriptionRecord.user($0) }
        let name = user ?? key(number)
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
        try heads(kind).put(owner.bytes, at: key(sortable(time), number), in: &transaction)
        try ownerHeads.put([], at: Self.ownerKey(kind, owner) + key(sortable(time), number), in: &transaction)
        guard before.map({ time < $0 }) ?? true else { return }
        if let before { try dueOwners.remove(Self.dueKey(kind, before) + owner.bytes, in: &transaction) }
        try dueOwners.put([], at: Self.dueKey(kind, time) + owner.bytes, in: &transaction)
    }

    /// Takes a destination's head out of the indexes; nothing where there is none of that time.
    func removeHead(
        of number: UInt64, at time: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) {
        let place = key(sortable(time), number)
        for kind in OwnerHeads.allCases {
            let stored = try heads(kind).readable(at: place, in: transaction) { UUID(bytes: copy($0)) }
            guard try heads(kind).remove(place, in: &transaction), let owner = stored else { continue }
            try removeOwned(kind, owner, of: number, at: time, in: &transaction)
        }
    }

    /// Takes an entry out of the indexes by owner alone.
    func removeOwned(
        _ kind: OwnerHeads, _ owner: UUID, of number: UInt64, at time: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) {
        try ownerHeads.remove(Self.ownerKey(kind, owner) + key(sortable(time), number), in: &transaction)
        let after = try firstHead(kind, of: owner, in: transaction)?.time
        guard after != time else { return }
        let isFirst = try dueOwners.remove(Self.dueKey(kind, time) + owner.bytes, in: &transaction)
        if isFirst, let after { try dueOwners.put([], at: Self.dueKey(kind, after) + owner.bytes, in: &transaction) }
    }

    // MARK: Reading them

    /// Lends an owner's destinations by the time from which something can be begun for them, until the body says no.
    func scanHeads(
        _ kind: OwnerHeads, of owner: UUID, in transaction: borrowing Transaction,
        _ body: (_ time: Timestamp, _ number: UInt64) -> Bool
    ) throws(LMDBError) {
        let prefix = Self.ownerKey(kind, owner)
        try ownerHeads.scan(from: prefix, in: transaction) { place, _ in
            var reader = ByteReader(place)
            guard reader.take(prefix.count)?.elementsEqual(prefix) == true, let time = reader.fixed(),
                let number = reader.fixed()
            else { return false }
            return body(timestamp(sortable: time), number)
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
    ///   - start: the place that the last look ended at; empty: at the beginning.
    ///   - limit: how many to look at.
    /// - Returns: with the place of the last one where there are more, else with an empty one.
    func dueOwners(
        _ kind: OwnerHeads, from start: [UInt8], until now: Timestamp, limit: Int,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> (owners: [UUID], next: [UInt8]) {
        var (owners, next): ([UUID], [UInt8]) = ([], [])
        let isStarted = start.first == kind.rawValue
        try dueOwners.scan(from: isStarted ? start : [kind.rawValue], in: transaction) { place, _ in
            var reader = ByteReader(place)
            guard reader.byte() == kind.rawValue, let time = reader.fixed(), timestamp(sortable: time) <= now,
                let owner = reader.uuid()
            else { return false }
            if owners.count == limit {
                next = copy(place)
                return false
            }
            owners.append(owner)
            return true
        }
        return (owners, next)
    }

    private static func ownerKey(_ kind: OwnerHeads, _ owner: UUID) -> [UInt8] { [kind.rawValue] + owner.bytes }

    private static func dueKey(_ kind: OwnerHeads, _ time: Timestamp) -> [UInt8] {
        [kind.rawValue] + key(sortable(time))
    }
}
