internal import Delivery
package import Events
internal import HTTP
internal import LMDB
package import Values

extension MappedMatching: MatchingStore {
    package func expressions(since revision: UInt64, limit: Int) throws(StoreFailure) -> ExpressionChanges {
        try read { (transaction) throws(LMDBError) in
            let state = try events.eventsState(in: transaction)
            let newest = state.nextRevision - 1
            if revision == newest { return ExpressionChanges(changes: [], revision: newest) }
            if revision != 0, revision < state.rememberedSince {
                return ExpressionChanges(changes: [], revision: 0, isIncomplete: true)
            }
            // A worker that starts (revision 0) gets all at once: deletions between batches may have been forgotten.
            let limit = revision == 0 ? Int.max : limit
            var (changes, last) = try changedExpressions(since: revision, limit: limit, in: transaction)
            let hasMore = changes.count == limit
            let end = hasMore ? last : newest
            if revision != 0 {
                try tables.goneExpressions.scan(after: revision, in: transaction) { revision, number in
                    guard revision <= end else { return false }
                    if let number { changes.append(ExpressionChanges.Change(number: number, expression: nil)) }
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
        try tables.expressions.scan(after: revision, in: transaction) { revision, number in
            guard numbers.count < limit else { return false }
            guard let number else { return true }
            numbers.append(number)
            last = revision
            return true
        }
        var changes: [ExpressionChanges.Change] = []
        for number in numbers {
            let owner = try tables.owner(of: number, in: transaction)
            // An expression that cannot be read is treated as removed.
            let expression = try sparing("subscription \(number)") { () throws(LMDBError) -> Expression? in
                try self.expression(of: number, in: transaction)
            }
            changes.append(ExpressionChanges.Change(number: number, expression: expression, owner: owner))
        }
        return (changes, last)
    }

    func expression(
        of number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Expression? {
        let found = try tables.subscriptions.part(at: number, in: transaction) { SubscriptionRecord.expression($0) }
        if found == nil, try tables.subscriptions.contains(number, in: transaction) {
            throw .damaged(SubscriptionRecord.name)
        }
        return found
    }

    // MARK: Events

    package func waitingEvents(
        besides excluded: Set<UInt64>, skipping: Int, limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> [WaitingEvent] {
        try read { (transaction) throws(LMDBError) in
            while true {
                let numbers = try waitingNumbers(besides: excluded, skipping: skipping, limit: limit, in: transaction)
                let events = try waitingEvents(numbers, maximumBytes: maximumBytes, in: transaction)
                // If none of them can be read, there may be others after them.
                if numbers.isEmpty || !events.isEmpty { return events }
            }
        }
    }

    private func waitingNumbers(
        besides excluded: Set<UInt64>, skipping: Int, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64] {
        var numbers: [UInt64] = []
        var left = skipping
        try tables.waitingEvents.scanKeys(in: transaction) { number in
            guard numbers.count < limit else { return false }
            guard !setAside.contains(number), !excluded.contains(number) else { return true }
            if left > 0 { left -= 1 } else { numbers.append(number) }
            return true
        }
        return numbers
    }

    private func waitingEvents(
        _ numbers: [UInt64], maximumBytes: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [WaitingEvent] {
        var events: [WaitingEvent] = []
        var bytes = 0
        for number in numbers where bytes < maximumBytes {
            let event = try sparing("event \(number)") { () throws(LMDBError) -> WaitingEvent in
                _ = try self.events.waitingRecord(number, in: transaction)
                let body = try deliveries.payload(number, in: transaction)?.body ?? []
                return WaitingEvent(
                    number: number, body: body, matched: try self.events.routedEvent(number, in: transaction)?.matched)
            }
            guard let event else {
                setAside.insert(number)
                continue
            }
            bytes += event.body.count
            events.append(event)
        }
        return events
    }

    /// How many deliveries one step creates.
    private static let deliveriesPerStep = 1000

    package func deliver(_ matches: [EventMatches], at moment: Moment) throws(StoreFailure) -> Int {
        var wanted: [(match: EventMatches, disabled: [UInt64])] = []
        for match in matches { wanted.append(try enabled(match, at: moment)) }
        return try growing { (transaction) throws(LMDBError) -> Int? in
            var count = 0
            for (match, disabled) in wanted {
                count += match.subscriptions.count + disabled.count + match.deferred.count
            }
            // Events that were accepted have room to be matched: half of the reserve for deliveries. The other half is left
            // for the results of attempts.
            let bytes = 512 * (1 + min(count, Self.deliveriesPerStep))
            guard
                try admit(
                    bytes: bytes, largest: 512, leaving: DiskReserve.deliveryBytes / 2, in: &transaction)
            else { return nil }
            var work = try DeliveryWork(deliveries, at: moment, in: transaction)
            var left = Self.deliveriesPerStep
            var gone = 0
            var missed: [UInt64: MissedEvents] = [:]
            var lags: [UInt64: UInt64] = [:]
            for (match, disabled) in wanted where left > 0 {
                guard let waiting = try events.waitingRecord(match.event, in: transaction) else {
                    gone += 1
                    continue
                }
                for number in match.deferred { lags[number] = min(lags[number] ?? match.event, match.event) }
                if !disabled.isEmpty, try events.routedEvent(match.event, in: transaction)?.matched == nil,
                    let came = try deliveries.readablePayload(match.event, in: transaction)?.receivedAt
                {
                    for number in disabled {
                        let before = missed[number] ?? MissedEvents(count: 0, since: came)
                        missed[number] = MissedEvents(count: before.count + 1, since: min(before.since, came))
                    }
                }
                try dispatch(match, waiting, &left, &work, in: &transaction)
            }
            try events.noteLags(lags, in: &transaction)
            for (number, more) in missed { try events.addMissed(more, of: number, in: &transaction) }
            try work.finish(in: &transaction)
            return gone
        }
    }

    /// Leaves out subscriptions whose destinations are disabled, gone or damaged.
    /// - Returns: the match without them, and the disabled ones.
    private func enabled(
        _ match: EventMatches, at moment: Moment
    ) throws(StoreFailure) -> (match: EventMatches, disabled: [UInt64]) {
        try read { (transaction) throws(LMDBError) in
            // Matches that are stored already stay unchanged, as deliveries may have been created for the first of them.
            if try events.routedEvent(match.event, in: transaction)?.matched == match.subscriptions {
                return (match, [])
            }
            var (numbers, disabled): ([UInt64], [UInt64]) = ([], [])
            for number in match.subscriptions {
                let found = try sparing("destination \(number)") { () throws(LMDBError) in
                    try deliveries.destination(number, in: transaction)
                }
                guard let destination = found else { continue }
                if destination.isDisabled(at: moment.wall) { disabled.append(number) } else { numbers.append(number) }
            }
            return (
                EventMatches(event: match.event, subscriptions: numbers, deferred: match.deferred), disabled
            )
        }
    }

    private func dispatch(
        _ match: EventMatches, _ record: WaitingRecord, _ left: inout Int, _ work: inout DeliveryWork,
        in transaction: inout Transaction
    ) throws(LMDBError) {
        var waiting = record
        guard let payload = try deliveries.payload(match.event, in: transaction) else {
            try tables.waitingEvents.remove(match.event, in: &transaction)
            return
        }
        var routed = try events.routedEvent(match.event, in: transaction) ?? RoutedEventRecord()
        let numbers = routed.matched ?? match.subscriptions
        if routed.matched == nil {
            routed.matched = numbers
            try tables.routedEvents.put(routed, at: match.event, in: &transaction)
        }
        let rest = numbers.dropFirst(Int(clamping: waiting.dispatched)).prefix(left)
        for number in rest { _ = try work.deliver(payload, to: number, waiting.trigger, in: &transaction) }
        left -= rest.count
        waiting.dispatched += UInt64(rest.count)
        if waiting.dispatched >= UInt64(numbers.count) {
            try tables.waitingEvents.remove(match.event, in: &transaction)
        } else {
            try tables.waitingEvents.put(waiting, at: match.event, in: &transaction)
        }
    }

    package func reportExpression(of subscription: UInt64, _ text: String) throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            let found = try sparing("destination \(subscription)") { () throws(LMDBError) -> Destination? in
                try deliveries.destination(subscription, in: transaction)
            }
            guard var destination = found, destination.disabledReason != text else { return }
            destination.disabledReason = text
            try deliveries.put(destination, in: &transaction)
        }
    }
}
