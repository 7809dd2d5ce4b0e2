internal import Delivery
internal import Events
internal import HTTP
internal import LMDB
internal import Values

/// The records of replays that wait, and of what they matched (`ReplayOperations`).
extension MappedEvents {
    /// Notes that an event matched one subscription more, so that the next replay knows of it.
    /// - Returns: whether the delivery is to be made; else it will be with those to others that are still to be made.
    func noteMatch(
        of event: UInt64, _ subscription: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        guard var record = try routedEvent(event, in: transaction), var matched = record.matched else { return true }
        let place = matched.firstIndex { $0 >= subscription } ?? matched.count
        if place < matched.count, matched[place] == subscription { return true }
        matched.insert(subscription, at: place)
        record.matched = matched
        try tables.routedEvents.put(record.encoded, at: key(event), in: &transaction)
        guard var waiting = try waitingRecord(event, in: transaction) else { return true }
        guard UInt64(place) < waiting.dispatched else { return false }
        waiting.dispatched += 1
        try tables.waitingEvents.put(waiting.encoded, at: key(event), in: &transaction)
        return true
    }

    // MARK: The queue

    /// A subscription's first replay may stand under its number alone.
    static func replayKey(_ subscription: UInt64, _ order: UInt64) -> [UInt8] {
        order == 0 ? key(subscription) : key(subscription, order)
    }

    static func replay(at place: RawSpan) -> (subscription: UInt64, order: UInt64)? {
        var reader = ByteReader(place)
        guard let subscription = reader.fixed(), subscription < .max else { return nil }
        if reader.isAtEnd { return (subscription, 0) }
        guard let order = reader.fixed(), order < .max, reader.isAtEnd else { return nil }
        return (subscription, order)
    }

    /// The keys of a subscription's replays, in the order in which they were asked for.
    private func replayOrders(of subscription: UInt64, in transaction: borrowing Transaction) throws(LMDBError)
        -> [UInt64]
    {
        var orders: [UInt64] = []
        try tables.replays.scan(from: key(subscription), in: transaction) { place, _ in
            guard let (owner, order) = Self.replay(at: place), owner == subscription else { return false }
            orders.append(order)
            return true
        }
        return orders
    }

    /// Has a replay done behind the subscription's others; false where there are too many.
    func addReplay(
        _ record: ReplayRecord, of subscription: UInt64, limit: Int = ReplayRequest.limit,
        in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        let orders = try replayOrders(of: subscription, in: transaction)
        guard orders.count < limit else { return false }
        let place = Self.replayKey(subscription, orders.last.map { $0 + 1 } ?? 0)
        try tables.replays.put(record.encoded, at: place, in: &transaction)
        return true
    }

    func removeReplays(of subscription: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        for order in try replayOrders(of: subscription, in: transaction) {
            try tables.replays.remove(Self.replayKey(subscription, order), in: &transaction)
        }
    }
}
