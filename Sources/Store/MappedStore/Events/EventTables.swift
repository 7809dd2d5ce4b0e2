internal import Cryptography
internal import Delivery
internal import Encodings
internal import Events
internal import HTTP
internal import LMDB
internal import Values

/// Building blocks of the operations on subscriptions and events.
extension MappedEvents {
    // MARK: Subscriptions

    func subscriptionNumber(_ id: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.subscriptionIDs.value(at: id, in: transaction)
    }

    func subscriptionEntry(
        number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (subscription: Subscription, revision: UInt64)? {
        guard let destination = try deliveries.destination(number, in: transaction) else { return nil }
        guard let record = try tables.subscriptions.value(at: number, in: transaction) else { return nil }
        guard var subscription = record.subscription(destination) else { throw .damaged(SubscriptionRecord.name) }
        subscription.missed = try missedEvents(of: number, in: transaction)
        return (subscription, record.revision)
    }

    /// A subscription; `nil` also if it is damaged.
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

    func subscriptionCount(of user: String, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64 {
        try tables.subscriptionCounts.value(at: NameDigest(user), in: transaction) ?? 0
    }

    func put(subscriptionCount count: UInt64, of user: String, in transaction: inout Transaction) throws(LMDBError) {
        if count > 0 {
            try tables.subscriptionCounts.put(count, at: NameDigest(user), in: &transaction)
        } else {
            try tables.subscriptionCounts.remove(NameDigest(user), in: &transaction)
        }
    }

    // MARK: Expressions

    func eventsState(in transaction: borrowing Transaction) throws(LMDBError) -> EventsState {
        try core.shared(
            tables.eventsState,
            rebuilt: { () throws(LMDBError) in try tables.rebuiltEventsState(in: transaction) }, in: transaction)
            ?? EventsState()
    }

    func put(_ state: EventsState, in transaction: inout Transaction) throws(LMDBError) {
        try tables.eventsState.put(state, in: &transaction)
    }

    /// Records that a subscription's expression is new or has changed.
    /// - Parameter old: the revision of the previous change; 0 for a new subscription.
    /// - Returns: the revision of this change.
    func noteExpression(
        of number: UInt64, instead old: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) -> UInt64 {
        var state = try eventsState(in: transaction)
        let revision = state.nextRevision
        state.nextRevision += 1
        if old != 0 { try tables.expressions.remove(old, in: &transaction) }
        try tables.expressions.put(number, at: revision, in: &transaction)
        try put(state, in: &transaction)
        return revision
    }

    /// The revision of the last change of a subscription's expression, found without the subscription's own record, which
    /// may be damaged.
    func expressionRevision(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        var found: UInt64?
        try tables.expressions.scan(in: transaction) { revision, subscription in
            if subscription == number { found = revision }
            return found == nil
        }
        return found
    }

    /// How many removed subscriptions are remembered. A worker that knows only older revisions reads all expressions again.
    private static let goneLimit: UInt64 = 10_000

    func noteGoneExpression(
        of number: UInt64, _ old: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        var state = try eventsState(in: transaction)
        try tables.expressions.remove(old, in: &transaction)
        try tables.goneExpressions.put(number, at: state.nextRevision, in: &transaction)
        state.nextRevision += 1
        state.goneCount += 1
        if state.goneCount > Self.goneLimit {
            var oldest: [UInt64] = []
            try tables.goneExpressions.scanKeys(in: transaction) { revision in
                guard oldest.count < 1000 else { return false }
                oldest.append(revision)
                return true
            }
            for revision in oldest { try tables.goneExpressions.remove(revision, in: &transaction) }
            state.goneCount -= min(state.goneCount, UInt64(oldest.count))
            state.rememberedSince = oldest.last ?? state.rememberedSince
        }
        try put(state, in: &transaction)
    }

    // MARK: Events

    func routedEvent(
        _ number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> RoutedEventRecord? {
        try tables.routedEvents.value(at: number, in: transaction)
    }

    func waitingRecord(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> WaitingRecord? {
        try tables.waitingEvents.value(at: number, in: transaction)
    }

    /// The first routed event that arrived at a time or later; `nil` if there is none.
    func firstRoutedEvent(
        since time: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64? {
        // A binary search, as payloads are numbered in the order of their arrival.
        var low: UInt64 = 0
        var high = try deliveries.deliveryState(in: transaction).nextPayload
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

    /// The first readable routed event from `start` on and before `end`. A damaged one does not say when it arrived.
    private func readableRoutedEvent(
        from start: UInt64, before end: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Payload? {
        var start = start
        while let next = try nextRoutedEvent(from: start, in: transaction), next < end {
            let payload = try sparing("event \(next)") { () throws(LMDBError) -> Payload? in
                guard try routedEvent(next, in: transaction) != nil else { return nil }
                return try deliveries.payload(next, in: transaction)
            }
            if let payload { return payload }
            start = next + 1
        }
        return nil
    }

    /// The number of the first routed event from a number on.
    /// - Parameter all: also events that another system routed (`isTakenOver`).
    func nextRoutedEvent(
        from number: UInt64, all: Bool = false, in transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64? {
        var found: UInt64?
        try tables.routedEvents.scanBytes(from: number, in: transaction) { event, record in
            if !all, RoutedEventRecord(record)?.isTakenOver == true { return true }
            found = event
            return false
        }
        return found
    }

    func deliveryLine(_ record: AttemptRecord) -> DeliveryLine? {
        UUID(record.eventID).map { _ in record.line }
    }
}
