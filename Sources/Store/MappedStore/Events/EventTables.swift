internal import Cryptography
internal import Delivery
internal import Encodings
internal import Events
internal import HTTP
internal import LMDB
internal import Values

/// The steps that the operations of event routing are made of.
extension MappedEvents {
    // MARK: Subscriptions

    func subscriptionNumber(_ id: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.subscriptionIDs.number(at: id.bytes, in: transaction)
    }

    func subscriptionEntry(
        number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (subscription: Subscription, revision: UInt64)? {
        guard let destination = try deliveries.destination(number, in: transaction) else { return nil }
        var entry = try tables.subscriptions.record(at: key(number), "a subscription", in: transaction) {
            SubscriptionRecord.decode($0, destination)
        }
        entry?.subscription.missed = try missedEvents(of: number, in: transaction)
        return entry
    }

    /// A subscription; `nil` also where it is damaged.
    func readableSubscription(
        _ number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (subscription: Subscription, revision: UInt64)? {
        try sparing("subscription \(number)") { () throws(LMDBError) in
            try subscriptionEntry(number: number, in: transaction)
        }
    }

    func subscription(_ id: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> Subscription? {
        guard let number = try subscriptionNumber(id, in: transaction) else { return nil }
        return try subscriptionEntry(number: number, in: transaction)?.subscription
    }

    /// Users' names may be longer than a key.
    func userDigest(_ user: String) -> [UInt8] { DigestAlgorithm.sha256.digest(of: Array(user.utf8)) }

    func userKey(_ user: String, _ number: UInt64 = 0) -> [UInt8] { userDigest(user) + key(number) }

    func subscriptionCount(of user: String, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64 {
        try tables.subscriptionCounts.number(at: userDigest(user), in: transaction) ?? 0
    }

    func put(subscriptionCount count: UInt64, of user: String, in transaction: inout Transaction) throws(LMDBError) {
        if count > 0 {
            try tables.subscriptionCounts.put(key(count), at: userDigest(user), in: &transaction)
        } else {
            try tables.subscriptionCounts.remove(userDigest(user), in: &transaction)
        }
    }

    // MARK: Expressions

    func eventsState(in transaction: borrowing Transaction) throws(LMDBError) -> EventsState {
        try core.shared(
            at: Tables.eventsKey, "the state of events", in: transaction, { EventsState($0) },
            rebuilt: { () throws(LMDBError) in try tables.rebuiltEventsState(in: transaction) }) ?? EventsState()
    }

    func put(_ state: EventsState, in transaction: inout Transaction) throws(LMDBError) {
        try tables.meta.put(state.encoded, at: Tables.eventsKey, in: &transaction)
    }

    /// Notes that a subscription's expression is another one.
    /// - Parameter old: the revision of its change before; 0 where it is new.
    /// - Returns: the revision of this change.
    func noteExpression(
        of number: UInt64, instead old: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) -> UInt64 {
        var state = try eventsState(in: transaction)
        let revision = state.nextRevision
        state.nextRevision += 1
        if old != 0 { try tables.expressions.remove(key(old), in: &transaction) }
        try tables.expressions.put(key(number), at: key(revision), in: &transaction)
        try put(state, in: &transaction)
        return revision
    }

    /// The last change of the expression of a subscription that does not say it itself, being damaged.
    func expressionRevision(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        var found: UInt64?
        try tables.expressions.scan(in: transaction) { place, value in
            var (place, value) = (ByteReader(place), ByteReader(value))
            if value.fixed() == number { found = place.fixed() }
            return found == nil
        }
        return found
    }

    /// How many subscriptions that are gone are remembered; who has not looked for longer reads all anew.
    private static let goneLimit: UInt64 = 10_000

    func noteGoneExpression(
        of number: UInt64, _ old: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        var state = try eventsState(in: transaction)
        try tables.expressions.remove(key(old), in: &transaction)
        try tables.goneExpressions.put(key(number), at: key(state.nextRevision), in: &transaction)
        state.nextRevision += 1
        state.goneCount += 1
        if state.goneCount > Self.goneLimit {
            var oldest: [UInt64] = []
            try tables.goneExpressions.scan(in: transaction) { key, _ in
                var reader = ByteReader(key)
                guard oldest.count < 1000, let revision = reader.fixed() else { return false }
                oldest.append(revision)
                return true
            }
            for revision in oldest { try tables.goneExpressions.remove(key(revision), in: &transaction) }
            state.goneCount -= min(state.goneCount, UInt64(oldest.count))
            state.rememberedSince = oldest.last ?? state.rememberedSince
        }
        try put(state, in: &transaction)
    }

    // MARK: Events

    func routedEvent(
        _ number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> RoutedEventRecord? {
        try tables.routedEvents.record(at: key(number), "a routed event", in: transaction) { RoutedEventRecord($0) }
    }

    func waitingRecord(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> WaitingRecord? {
        try tables.waitingEvents.record(at: key(number), "a waiting event", in: transaction) { WaitingRecord($0) }
    }

    /// The first routed event that came at a time or later; `nil` where there is none.
    func firstRoutedEvent(
        since time: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64? {
        // Parcels are numbered as they come.
        var low: UInt64 = 0
        var high = try deliveries.deliveryState(in: transaction).nextParcel
        while low < high {
            let middle = low + (high - low) / 2
            if let next = try readableRoutedEvent(from: middle, before: high, in: transaction), next.receivedAt < time {
                low = next.number + 1
            } else {
                high = middle
            }
        }
        return try nextRoutedEvent(from: low, in: transaction)
    }

    /// The first routed event, from a number on, that can be read; what is damaged does not say when it came.
    private func readableRoutedEvent(
        from start: UInt64, before end: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Parcel? {
        var start = start
        while let next = try nextRoutedEvent(from: start, in: transaction), next < end {
            let parcel = try sparing("event \(next)") { () throws(LMDBError) -> Parcel? in
                guard try routedEvent(next, in: transaction) != nil else { return nil }
                return try deliveries.parcel(next, in: transaction)
            }
            if let parcel { return parcel }
            start = next + 1
        }
        return nil
    }

    /// - Parameter all: those too that were routed elsewhere.
    func nextRoutedEvent(
        from number: UInt64, all: Bool = false, in transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64? {
        var found: UInt64?
        try tables.routedEvents.scan(from: key(number), in: transaction) { key, value in
            if !all, RoutedEventRecord(value)?.isTakenOver == true { return true }
            var reader = ByteReader(key)
            found = reader.fixed()
            return false
        }
        return found
    }

    func deliveryLine(_ record: AttemptRecord) -> DeliveryLine? {
        guard let event = UUID(record.eventID) else { return nil }
        return DeliveryLine(
            id: record.number, event: event, type: record.event, attempt: record.count, trigger: record.trigger,
            outcome: record.attempt, nextRetryAt: record.nextRetryAt, isFinal: record.isFinal)
    }
}
