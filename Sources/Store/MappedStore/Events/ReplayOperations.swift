internal import Delivery
package import Events
internal import HTTP
internal import LMDB
package import Values

/// Replays: a subscription is tried with past events again.
extension MappedMatching {
    package func waitingReplay(
        after subscription: UInt64?, limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> WaitingReplay? {
        try read { (transaction) throws(LMDBError) in
            guard let (replay, expression) = try firstReplay(after: subscription, in: transaction) else { return nil }
            let record = replay.record
            var events: [WaitingEvent] = []
            var next = record.next
            var bytes = 0
            var left = Self.eventsLookedAt
            while events.count < limit, bytes < maximumBytes, left > 0, next <= record.last,
                let found = try self.events.nextRoutedEvent(from: next, in: transaction), found <= record.last
            {
                next = found + 1
                let body = try sparing("event \(found)") { () throws(LMDBError) -> [UInt8]? in
                    guard try isWanted(found, by: replay, &left, in: transaction) else { return nil }
                    return try deliveries.payload(found, in: transaction)?.body
                }
                guard let body else { continue }
                bytes += body.count
                events.append(WaitingEvent(number: found, body: body))
            }
            if events.count < limit, bytes < maximumBytes, left > 0 { next = record.last + 1 }
            return WaitingReplay(
                subscription: replay.subscription, order: replay.order, expression: expression, events: events,
                step: record.step, nextEvent: next)
        }
    }

    /// A replay and its key.
    private struct FoundReplay {
        let subscription: UInt64
        let order: UInt64
        let record: ReplayRecord
    }

    /// How many events one step of a replay looks at. Events with very many matches or log entries count as several.
    private static let eventsLookedAt = 256

    /// Whether to try a replay's expression with an event. An event that still waits to be matched is left out: matching
    /// will use the current expression.
    private func isWanted(
        _ event: UInt64, by replay: FoundReplay, _ left: inout Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        let matched = try events.routedEvent(event, in: transaction)?.matched
        left -= 1 + (matched?.count ?? 0) / 1024
        if matched == nil, try events.waitingRecord(event, in: transaction) != nil { return false }
        if replay.record.all { return true }
        if matched?.contains(replay.subscription) ?? false {
            // The event was delivered, or its delivery is pending, unless it was given up.
            guard let lost = try deliveries.lostPayload(event, at: replay.subscription, in: transaction) else {
                return false
            }
            return !lost.isOnItsWay
        }
        return try !isDelivered(event, to: replay.subscription, &left, in: transaction)
    }

    /// Whether the log has a successful attempt. It may have one without a match if the event was matched again since.
    private func isDelivered(
        _ payload: UInt64, to number: UInt64, _ left: inout Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        let lines = try deliveries.lineNumbers(ofPayload: payload, in: transaction)
        left -= lines.count / 64
        for line in lines where try tables.attemptIndex.contains(OwnedNumber(number, line), in: transaction) {
            if let record = try deliveries.logLine(line, in: transaction), record.attempt.failure == nil { return true }
        }
        return false
    }

    /// The first replay of the next subscription that has one. Replays are skipped if they, or their subscriptions, cannot
    /// be read.
    private func firstReplay(
        after subscription: UInt64?, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (FoundReplay, Expression)? {
        for first: UInt64 in [subscription.map { $0 + 1 } ?? 0, 0] {
            var start = first
            while let found = try nextReplay(from: start, in: transaction) {
                start = found.subscription + 1
                let expression = try sparing("subscription \(found.subscription)") {
                    () throws(LMDBError) -> Expression? in
                    guard try deliveries.destination(found.subscription, in: transaction) != nil else { return nil }
                    return try self.expression(of: found.subscription, in: transaction)
                }
                if let expression { return (found, expression) }
            }
        }
        return nil
    }

    private func nextReplay(
        from start: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> FoundReplay? {
        var found: FoundReplay?
        try tables.replays.scan(from: ReplayKey(start, 0), in: transaction) { key, record in
            guard let record else {
                noteDamage("a replay of subscription \(key.subscription) is damaged")
                return true
            }
            found = FoundReplay(subscription: key.subscription, order: key.order, record: record)
            return false
        }
        return found
    }

    package func deliver(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) throws(StoreFailure) {
        try growing { (transaction) throws(LMDBError) -> Void? in
            let key = ReplayKey(replay.subscription, replay.order)
            guard var record = try tables.replays.value(at: key, in: transaction), record.step == replay.step else {
                return ()
            }
            guard try admit(bytes: 1024 * (1 + matched.count), largest: 1024, in: &transaction) else { return nil }
            var work = try DeliveryWork(deliveries, at: moment, in: transaction)
            for number in matched {
                guard let payload = try deliveries.payload(number, in: transaction),
                    try events.noteMatch(of: number, replay.subscription, in: &transaction)
                else { continue }
                _ = try work.deliver(payload, to: replay.subscription, .recover, in: &transaction)
            }
            try work.finish(in: &transaction)
            record.next = replay.nextEvent
            if record.next > record.last {
                try tables.replays.remove(key, in: &transaction)
            } else {
                try tables.replays.put(record, at: key, in: &transaction)
            }
            return ()
        }
    }
}

extension ReplayRecord {
    fileprivate var step: WaitingReplay.Step { WaitingReplay.Step(next: next, last: last, all: all) }
}
