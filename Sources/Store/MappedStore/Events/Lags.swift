internal import Delivery
internal import Events
internal import HTTP
internal import LMDB
internal import Values

/// The records of subscriptions that lag (`LagOperations`).
extension MappedEvents {
    /// Records that subscriptions lag. Those that lag from an earlier event on already are left unchanged.
    /// - Parameter first: the first event that each subscription is still to be tried with, by subscription number.
    func noteLags(_ first: [UInt64: UInt64], in transaction: inout Transaction) throws(LMDBError) {
        for (number, event) in first {
            guard try tables.subscriptions.contains(number, in: transaction) else { continue }
            let key = try lagKey(of: number, in: transaction)
            if let next = try tables.lags.value(at: key, in: transaction), next <= event { continue }
            try tables.lags.put(event, at: key, in: &transaction)
        }
    }

    /// Removes the lag of a subscription. The subscription must still exist, as the key has its owner.
    func removeLag(of number: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try tables.lags.remove(try lagKey(of: number, in: transaction), in: &transaction)
    }

    private func lagKey(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Owned<UUID> {
        Owned(try tables.owner(of: number, in: transaction), number)
    }

    /// Whether a lagging subscription is still to be tried with an event.
    func isLagging(behind event: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        var isFound = false
        try tables.lags.scan(in: transaction) { _, next in
            isFound = next.map { $0 <= event } ?? false
            return !isFound
        }
        return isFound
    }

    // MARK: Events that are dropped

    /// The facts of a dropped event that lagging subscriptions need.
    struct DroppedEvent {
        let number: UInt64
        let receivedAt: Timestamp
        let matched: Set<UInt64>
    }

    /// The event of a payload that is about to be removed; `nil` if subscriptions are not tried with it.
    func droppedEvent(_ payload: Payload, in transaction: borrowing Transaction) throws(LMDBError) -> DroppedEvent? {
        guard payload.source == EventKey.routedSource else { return nil }
        let record = try sparing("event \(payload.number)") { () throws(LMDBError) in
            try routedEvent(payload.number, in: transaction)
        }
        guard let record, !record.isTakenOver else { return nil }
        return DroppedEvent(
            number: payload.number, receivedAt: payload.receivedAt, matched: Set(record.matched ?? []))
    }

    /// Moves lagging subscriptions past events that were removed, and counts those as missed.
    func skip(_ events: [DroppedEvent], in transaction: inout Transaction) throws(LMDBError) {
        guard let last = events.map(\.number).max() else { return }
        let lags = try lags(before: last, in: transaction)
        var missed: [UInt64: MissedEvents] = [:]
        for event in events {
            for lag in lags where lag.next <= event.number && !event.matched.contains(lag.number) {
                let before = missed[lag.number] ?? MissedEvents(count: 0, since: event.receivedAt)
                let since = min(before.since, event.receivedAt)
                missed[lag.number] = MissedEvents(count: before.count + 1, since: since)
            }
        }
        // If there is no room for the counts, they are not written: dropping the events is what frees room.
        guard !missed.isEmpty,
            try admit(
                bytes: Self.skipBytes * missed.count, largest: Self.skipBytes, leaving: 0, in: &transaction)
        else { return }
        // The next event is looked up once for each start, as many lags may begin at the same event.
        var nexts: [UInt64: UInt64] = [:]
        for lag in lags {
            guard let more = missed[lag.number] else { continue }
            try addMissed(more, of: lag.number, in: &transaction)
            var next = nexts[lag.next]
            if next == nil { next = try nextRoutedEvent(from: lag.next, in: transaction) ?? last + 1 }
            nexts[lag.next] = next
            guard let next, next > lag.next else { continue }
            try tables.lags.put(next, at: Owned(lag.owner, lag.number), in: &transaction)
        }
    }

    /// The bytes of a lag's record and of the record of missed events of its subscription.
    private static let skipBytes = 128

    /// A subscription that lags, and the first event that it is still to be tried with.
    private struct Lag {
        let owner: UUID
        let number: UInt64
        let next: UInt64
    }

    /// The lags that begin at an event or before it.
    private func lags(before event: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> [Lag] {
        var found: [Lag] = []
        try tables.lags.scan(in: transaction) { key, next in
            if let next, next <= event {
                found.append(Lag(owner: key.owner, number: key.number, next: next))
            }
            return true
        }
        return found
    }
}
