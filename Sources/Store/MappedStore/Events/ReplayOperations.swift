internal import Delivery
package import Events
internal import HTTP
internal import LMDB
package import Values

/// Showing a subscription events of the past once more.
extension MappedStore {
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
                let found = try nextRoutedEvent(from: next, in: transaction), found <= record.last
            {
                next = found + 1
                let body = try sparing("event \(found)") { () throws(LMDBError) -> [UInt8]? in
                    guard try isWanted(found, by: replay, &left, in: transaction) else { return nil }
                    return try parcel(found, in: transaction)?.body
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

    /// A replay as it is found.
    private struct FoundReplay {
        let subscription: UInt64
        let order: UInt64
        let record: ReplayRecord
    }

    /// Events that one step of a replay looks at; fewer where these matched, or were tried, very often.
    private static let eventsLookedAt = 256

    /// Whether an event is to be held against a replay's expression. What is still to be matched is not: that will find the
    /// subscription as it is now.
    private func isWanted(
        _ event: UInt64, by replay: FoundReplay, _ left: inout Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        let matched = try routedEvent(event, in: transaction)?.matched
        left -= 1 + (matched?.count ?? 0) / 1024
        if matched == nil, try waitingRecord(event, in: transaction) != nil { return false }
        if replay.record.all { return true }
        if matched?.contains(replay.subscription) ?? false {
            // It was delivered, or is on its way, unless it has been given up.
            guard let lost = try lostParcel(event, at: replay.subscription, in: transaction) else { return false }
            return !lost.isOnItsWay
        }
        return try !isDelivered(event, to: replay.subscription, &left, in: transaction)
    }

    /// Whether the log tells of a delivery, as it may where an event was matched anew.
    private func isDelivered(
        _ parcel: UInt64, to number: UInt64, _ left: inout Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        let lines = try lineNumbers(ofParcel: parcel, in: transaction)
        left -= lines.count / 64
        for line in lines where try tables.attemptIndex.contains(key(number, line), in: transaction) {
            if let record = try logLine(line, in: transaction), record.attempt.failure == nil { return true }
        }
        return false
    }

    /// The first replay of the next subscription that has one, as far as all can be read that is needed.
    private func firstReplay(
        after subscription: UInt64?, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (FoundReplay, Expression)? {
        for first: UInt64 in [subscription.map { $0 + 1 } ?? 0, 0] {
            var start = first
            while let found = try nextReplay(from: start, in: transaction) {
                start = found.subscription + 1
                let expression = try sparing("subscription \(found.subscription)") {
                    () throws(LMDBError) -> Expression? in
                    guard try destination(found.subscription, in: transaction) != nil else { return nil }
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
        try tables.replays.scan(from: key(start), in: transaction) { place, value in
            guard let (number, order) = Self.replay(at: place) else { return true }
            guard let record = ReplayRecord(value) else {
                damage.note("a replay of subscription \(number)")
                return true
            }
            found = FoundReplay(subscription: number, order: order, record: record)
            return false
        }
        return found
    }

    package func keep(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) throws(StoreFailure) {
        try growing { (transaction) throws(LMDBError) -> Void? in
            let place = Self.replayKey(replay.subscription, replay.order)
            let stored = try tables.replays.record(at: place, "a replay", in: transaction) { ReplayRecord($0) }
            guard var record = stored, record.step == replay.step else { return () }
            guard try admit(bytes: 1024 * (1 + matched.count), largest: 1024, in: &transaction) else { return nil }
            var work = try DeliveryWork(self, at: moment, in: transaction)
            for number in matched {
                guard let parcel = try parcel(number, in: transaction),
                    try noteMatch(of: number, replay.subscription, in: &transaction)
                else { continue }
                _ = try work.deliver(parcel, to: replay.subscription, .recover, in: &transaction)
            }
            try work.finish(in: &transaction)
            record.next = replay.nextEvent
            if record.next > record.last {
                try tables.replays.remove(place, in: &transaction)
            } else {
                try tables.replays.put(record.encoded, at: place, in: &transaction)
            }
            return ()
        }
    }

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

extension ReplayRecord {
    fileprivate var step: WaitingReplay.Step { WaitingReplay.Step(next: next, last: last, all: all) }
}
