internal import Delivery
package import Events
package import Gateway
internal import LMDB

extension MappedStore: MatchingStore {
    package func expressions(since revision: UInt64, limit: Int) throws(StoreFailure) -> ExpressionChanges {
        try read { (transaction) throws(LMDBError) in
            let state = try eventsState(in: transaction)
            let newest = state.nextRevision - 1
            if revision == newest { return ExpressionChanges(changes: [], revision: newest) }
            if revision != 0, revision < state.rememberedSince {
                return ExpressionChanges(changes: [], revision: 0, isIncomplete: true)
            }
            // In portions, who begins would ask for what is gone since the first of them, which may have been forgotten.
            let limit = revision == 0 ? Int.max : limit
            var (changes, last) = try changedExpressions(since: revision, limit: limit, in: transaction)
            let hasMore = changes.count == limit
            let end = hasMore ? last : newest
            if revision != 0 {
                try tables.goneExpressions.scan(from: key(revision + 1), in: transaction) { place, value in
                    guard let (time, number) = Self.change(place, value), time <= end else { return false }
                    changes.append(ExpressionChanges.Change(number: number, expression: nil))
                    return true
                }
            }
            return ExpressionChanges(changes: changes, revision: end, hasMore: hasMore)
        }
    }

    private func changedExpressions(
        since revision: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> ([ExpressionChanges.Change], last: UInt64) {
        var numbers: [UInt64] = []
        var last = revision
        try tables.expressions.scan(from: key(revision + 1), in: transaction) { place, value in
            guard numbers.count < limit, let (time, number) = Self.change(place, value) else { return false }
            numbers.append(number)
            last = time
            return true
        }
        var changes: [ExpressionChanges.Change] = []
        for number in numbers {
            let expression = try expression(of: number, in: transaction)
            changes.append(ExpressionChanges.Change(number: number, expression: expression))
        }
        return (changes, last)
    }

    private static func change(_ place: RawSpan, _ value: RawSpan) -> (revision: UInt64, number: UInt64)? {
        var placeReader = ByteReader(place)
        var valueReader = ByteReader(value)
        guard let revision = placeReader.fixed(), let number = valueReader.fixed() else { return nil }
        return (revision, number)
    }

    private func expression(
        of number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Expression? {
        try tables.subscriptions.record(at: key(number), "a subscription", in: transaction) {
            SubscriptionRecord.expression($0)
        }
    }

    // MARK: Events

    package func waitingEvents(
        skipping: Int, limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> [WaitingEvent] {
        try read { (transaction) throws(LMDBError) in
            var numbers: [UInt64] = []
            var left = skipping
            try tables.waitingEvents.scan(in: transaction) { key, _ in
                var reader = ByteReader(key)
                guard numbers.count < limit, let number = reader.fixed() else { return false }
                if left > 0 { left -= 1 } else { numbers.append(number) }
                return true
            }
            var events: [WaitingEvent] = []
            var bytes = 0
            for number in numbers where bytes < maximumBytes {
                let body = try parcel(number, in: transaction)?.body ?? []
                bytes += body.count
                let matched = try routedEvent(number, in: transaction)?.matched
                events.append(WaitingEvent(number: number, body: body, matched: matched))
            }
            return events
        }
    }

    /// Deliveries that one step makes.
    private static let deliveriesPerStep = 1000

    package func keep(_ matches: [EventMatches], at moment: Moment) throws(StoreFailure) -> Int {
        var wanted: [EventMatches] = []
        for match in matches { wanted.append(try enabled(match, at: moment)) }
        return try growing { (transaction) throws(LMDBError) -> Int? in
            let count = wanted.reduce(0) { $0 + $1.subscriptions.count }
            // What came in before has the room to be matched, and that in turn leaves some to attempts that are over.
            let bytes = 512 * (1 + min(count, Self.deliveriesPerStep))
            guard try admit(bytes: bytes, leaving: DiskReserve.deliveryBytes / 2, in: &transaction) else { return nil }
            var work = try DeliveryWork(self, at: moment, in: transaction)
            var left = Self.deliveriesPerStep
            var gone = 0
            for match in wanted where left > 0 {
                guard let waiting = try waitingRecord(match.event, in: transaction) else {
                    gone += 1
                    continue
                }
                try dispatch(match, waiting, &left, &work, in: &transaction)
            }
            try work.finish(in: &transaction)
            return gone
        }
    }

    /// Leaves those out that are disabled, or gone.
    private func enabled(_ match: EventMatches, at moment: Moment) throws(StoreFailure) -> EventMatches {
        try read { (transaction) throws(LMDBError) in
            // What was known before is kept in its order, as some deliveries have been made.
            if try routedEvent(match.event, in: transaction)?.matched == match.subscriptions { return match }
            var numbers: [UInt64] = []
            for number in match.subscriptions {
                guard let destination = try destination(number, in: transaction),
                    !destination.isDisabled(at: moment.wall)
                else { continue }
                numbers.append(number)
            }
            return EventMatches(event: match.event, subscriptions: numbers)
        }
    }

    private func dispatch(
        _ match: EventMatches, _ record: WaitingRecord, _ left: inout Int, _ work: inout DeliveryWork,
        in transaction: inout Transaction
    ) throws(LMDBError) {
        var waiting = record
        let place = key(match.event)
        guard let parcel = try parcel(match.event, in: transaction) else {
            try tables.waitingEvents.remove(place, in: &transaction)
            return
        }
        var routed = try routedEvent(match.event, in: transaction) ?? RoutedEventRecord()
        let numbers = routed.matched ?? match.subscriptions
        if routed.matched == nil {
            routed.matched = numbers
            try tables.routedEvents.put(routed.encoded, at: place, in: &transaction)
        }
        let rest = numbers.dropFirst(Int(clamping: waiting.dispatched)).prefix(left)
        for number in rest { _ = try work.deliver(parcel, to: number, waiting.trigger, in: &transaction) }
        left -= rest.count
        waiting.dispatched += UInt64(rest.count)
        if waiting.dispatched >= UInt64(numbers.count) {
            try tables.waitingEvents.remove(place, in: &transaction)
        } else {
            try tables.waitingEvents.put(waiting.encoded, at: place, in: &transaction)
        }
    }

    package func reportExpression(of subscription: UInt64, _ text: String) throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            guard var destination = try destination(subscription, in: transaction), destination.disabledReason != text
            else { return }
            destination.disabledReason = text
            try put(destination, in: &transaction)
        }
    }

    // MARK: Replays

    package func waitingReplay(limit: Int, maximumBytes: Int) throws(StoreFailure) -> WaitingReplay? {
        try read { (transaction) throws(LMDBError) in
            guard let (number, record) = try firstReplay(in: transaction),
                let expression = try expression(of: number, in: transaction)
            else { return nil }
            let settled = record.all ? [] : try waitingParcels(of: number, in: transaction)
            var events: [WaitingEvent] = []
            var next = record.next
            var bytes = 0
            var left = Self.eventsLookedAt
            while events.count < limit, bytes < maximumBytes, left > 0, next <= record.last,
                let found = try nextRoutedEvent(from: next, in: transaction), found <= record.last
            {
                next = found + 1
                left -= 1
                guard let parcel = try parcel(found, in: transaction) else { continue }
                if !record.all {
                    if settled.contains(found) { continue }
                    if try isDelivered(found, to: number, in: transaction) { continue }
                }
                bytes += parcel.body.count
                events.append(WaitingEvent(number: found, body: parcel.body))
            }
            if events.count < limit, bytes < maximumBytes, left > 0 { next = record.last + 1 }
            return WaitingReplay(
                subscription: number, expression: expression, events: events, step: record.step, nextEvent: next)
        }
    }

    /// Events that one step of a replay looks at.
    private static let eventsLookedAt = 256

    private func isDelivered(
        _ parcel: UInt64, to number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        var isDelivered = false
        try scanLines(ofParcel: parcel, in: transaction) { line in
            isDelivered = line.destination == number && line.attempt.failure == nil
            return !isDelivered
        }
        return isDelivered
    }

    private func firstReplay(
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> (number: UInt64, record: ReplayRecord)? {
        var found: (UInt64, ReplayRecord)?
        var isDamaged = false
        try tables.replays.scan(in: transaction) { key, value in
            var reader = ByteReader(key)
            if let number = reader.fixed(), let record = ReplayRecord(value) { found = (number, record) }
            isDamaged = found == nil
            return false
        }
        if isDamaged { throw .damaged("a replay") }
        return found
    }

    /// Parcels that are on their way to a destination.
    private func waitingParcels(
        of number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UInt64> {
        var parcels: Set<UInt64> = []
        try scanDeliveries(of: number, in: transaction) { delivery in
            parcels.insert(delivery.parcel)
            return true
        }
        return parcels
    }

    package func keep(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) throws(StoreFailure) {
        try growing { (transaction) throws(LMDBError) -> Void? in
            let place = key(replay.subscription)
            let stored = try tables.replays.record(at: place, "a replay", in: transaction) { ReplayRecord($0) }
            guard var record = stored, record.step == replay.step else { return () }
            guard try admit(bytes: 1024 * (1 + matched.count), in: &transaction) else { return nil }
            var work = try DeliveryWork(self, at: moment, in: transaction)
            for number in matched {
                guard let parcel = try parcel(number, in: transaction) else { continue }
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
}

extension ReplayRecord {
    fileprivate var step: WaitingReplay.Step { WaitingReplay.Step(next: next, last: last, all: all) }
}
