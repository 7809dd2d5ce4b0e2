internal import Delivery
internal import Events
internal import HTTP
internal import LMDB
internal import Values

/// The records of pending replays, and of what they matched (`ReplayOperations`).
extension MappedEvents {
    /// Adds a subscription to the matches of an event, so that the next replay knows of it.
    /// - Returns: whether the caller is to create the delivery. If not, it is created with the event's other deliveries that
    ///   are still to be created.
    func noteMatch(
        of event: UInt64, _ subscription: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        guard var record = try routedEvent(event, in: transaction), var matched = record.matched else { return true }
        let place = matched.firstIndex { $0 >= subscription } ?? matched.count
        if place < matched.count, matched[place] == subscription { return true }
        matched.insert(subscription, at: place)
        record.matched = matched
        try tables.routedEvents.put(record, at: event, in: &transaction)
        guard var waiting = try waitingRecord(event, in: transaction) else { return true }
        guard UInt64(place) < waiting.dispatched else { return false }
        waiting.dispatched += 1
        try tables.waitingEvents.put(waiting, at: event, in: &transaction)
        return true
    }

    // MARK: The queue

    /// The keys of a subscription's replays, in the order in which they were asked for.
    private func replays(
        of subscription: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [ReplayKey] {
        var keys: [ReplayKey] = []
        try tables.replays.scanKeys(from: ReplayKey(subscription, 0), in: transaction) { key in
            guard key.subscription == subscription else { return false }
            keys.append(key)
            return true
        }
        return keys
    }

    /// Enqueues a replay after the subscription's others; false if these are too many.
    func addReplay(
        _ record: ReplayRecord, of subscription: UInt64, limit: Int = ReplayRequest.limit,
        in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        let keys = try replays(of: subscription, in: transaction)
        guard keys.count < limit else { return false }
        let key = ReplayKey(subscription, keys.last.map { $0.order + 1 } ?? 0)
        try tables.replays.put(record, at: key, in: &transaction)
        return true
    }

    func removeReplays(of subscription: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        for key in try replays(of: subscription, in: transaction) {
            try tables.replays.remove(key, in: &transaction)
        }
    }
}
