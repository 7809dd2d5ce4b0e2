internal import Delivery
package import Events
internal import HTTP
internal import LMDB
package import Values

/// Subscriptions that lag: their expressions take more time than their owner may use while others wait. They are tried with
/// the events one after the other, while owners are served in rotation.
///
/// A record has the first event that a subscription has not been tried with. It is removed once no event is left. It does
/// not keep events from being removed: an event that is removed before the subscription was tried with it counts as missed.
extension MappedMatching {
    /// The numbers of the subscriptions that lag.
    package func laggingSubscriptions() throws(StoreFailure) -> Set<UInt64> {
        try read { (transaction) throws(LMDBError) in
            var found: Set<UInt64> = []
            try tables.lags.scanKeys(in: transaction) { key in
                found.insert(key.number)
                return true
            }
            return found
        }
    }

    // MARK: Catching up

    /// How many events one step looks at, including those that still wait to be matched.
    private static let lookedAt = 256

    package func waitingLag(
        after owner: UUID?, _ last: [UUID: UInt64], limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> WaitingLag? {
        try read { (transaction) throws(LMDBError) in
            guard let (owner, number, start) = try nextLag(after: owner, last, in: transaction) else { return nil }
            let expression = try sparing("subscription \(number)") { () throws(LMDBError) -> Expression? in
                try self.expression(of: number, in: transaction)
            }
            var lag = WaitingLag(owner: owner, subscription: number, expression: expression, from: start)
            // A subscription that cannot be read matches nothing.
            if expression == nil { lag.isAtEnd = true }
            var (next, left, bytes) = (start, Self.lookedAt, 0)
            while lag.events.count < limit, left > 0, bytes < maximumBytes, !lag.isAtEnd {
                guard let found = try events.nextRoutedEvent(from: next, in: transaction) else {
                    lag.isAtEnd = true
                    break
                }
                next = found + 1
                left -= 1
                if try events.waitingRecord(found, in: transaction) != nil,
                    try events.routedEvent(found, in: transaction)?.matched == nil
                {
                    lag.passed.append(found)
                    continue
                }
                let body = try sparing("event \(found)") { () throws(LMDBError) -> [UInt8]? in
                    guard try !(events.routedEvent(found, in: transaction)?.matched ?? []).contains(number) else {
                        return nil
                    }
                    return try deliveries.payload(found, in: transaction)?.body
                }
                guard let body else { continue }
                bytes += body.count
                lag.events.append(WaitingEvent(number: found, body: body))
            }
            lag.next = next
            return lag
        }
    }

    /// The next lag to serve: of the next owner that has one, the first after the subscription that was served last. After
    /// the last owner or subscription, the first one follows.
    /// - Parameters:
    ///   - owner: the owner that was served last.
    ///   - last: by owner, the subscription that was served last.
    private func nextLag(
        after owner: UUID?, _ last: [UUID: UInt64], in transaction: borrowing Transaction
    ) throws(LMDBError) -> (owner: UUID, number: UInt64, next: UInt64)? {
        var starts: [Owned<UUID>?] = [nil]
        // A key after all of the owner's subscriptions.
        if let owner { starts.insert(Owned(owner, .max), at: 0) }
        var next: UUID?
        for start in starts where next == nil {
            try tables.lags.scanKeys(from: start, in: transaction) { key in
                next = key.owner
                return false
            }
        }
        guard let next else { return nil }
        var numbers: [UInt64] = [0]
        if let last = last[next], last < .max { numbers = [last + 1, 0] }
        for start in numbers {
            var found: (UUID, UInt64, UInt64)?
            try tables.lags.scan(from: Owned(next, start), in: transaction) { key, event in
                guard key.owner == next else { return false }
                guard let event else { return true }
                found = (key.owner, key.number, event)
                return false
            }
            if let found { return found }
        }
        return nil
    }

    package func deliver(_ matched: [UInt64], of lag: WaitingLag, at moment: Moment) throws(StoreFailure) -> Bool {
        try growing { (transaction) throws(LMDBError) -> Bool? in
            let key = Owned(lag.owner, lag.subscription)
            // Another worker has advanced the lag, or it was set back.
            let stored = try tables.lags.value(at: key, in: transaction)
            guard stored == lag.from else { return stored != nil }
            guard try admit(bytes: 1024 * (1 + matched.count), in: &transaction) else { return nil }
            let found = try sparing("destination \(lag.subscription)") { () throws(LMDBError) -> Destination? in
                try deliveries.destination(lag.subscription, in: transaction)
            }
            if let target = found {
                var work = try DeliveryWork(deliveries, at: moment, in: transaction)
                for number in matched {
                    guard let payload = try deliveries.payload(number, in: transaction) else { continue }
                    if target.isDisabled(at: moment.wall) {
                        let missed = MissedEvents(count: 1, since: payload.receivedAt)
                        try events.addMissed(missed, of: lag.subscription, in: &transaction)
                    } else if try events.noteMatch(of: number, lag.subscription, in: &transaction) {
                        _ = try work.deliver(payload, to: lag.subscription, .scheduled, in: &transaction)
                    }
                }
                try work.finish(in: &transaction)
            }
            var next = lag.next
            // Go back to events that were passed over because they still waited, and have been matched meanwhile.
            for number in lag.passed where number < next {
                if try events.routedEvent(number, in: transaction)?.matched != nil { next = min(next, number) }
            }
            var isOver = lag.isAtEnd && next == lag.next && lag.isWhole
            if isOver { isOver = try events.nextRoutedEvent(from: next, in: transaction) == nil }
            if isOver {
                try tables.lags.remove(key, in: &transaction)
                return false
            }
            try tables.lags.put(next, at: key, in: &transaction)
            return true
        }
    }
}
