internal import Delivery
internal import Events
internal import HTTP
internal import LMDB
internal import Values

extension MappedEvents {
    /// Checks subscriptions, their expressions, routed events, those that wait, lags, replays, and the index of the log by
    /// payload.
    func checkEvents(_ check: inout StoreCheck, in transaction: borrowing Transaction) throws(LMDBError) {
        if try tables.eventsState.isDamaged(in: transaction) {
            return check.report("The record of the state of events cannot be read.")
        }
        let state = try tables.eventsState.readable(in: transaction) ?? EventsState()
        let subscriptions = try checkSubscriptions(state, &check, in: transaction)
        try checkGoneExpressions(state, subscriptions, &check, in: transaction)
        let events = try checkRoutedEvents(&check, in: transaction)
        try checkWaiting(events, subscriptions, &check, in: transaction)
        try checkAttemptPayloads(events, &check, in: transaction)
    }

    private func checkSubscriptions(
        _ state: EventsState, _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UInt64> {
        var numbers: Set<UInt64> = []
        var counts: [NameDigest: UInt64] = [:]
        try visit(tables.subscriptions, &check, in: transaction) { key, _, check in
            guard let number = key else { return check.report("The key of a subscription cannot be read.") }
            numbers.insert(number)
            check.countSubscription()
        }
        for number in numbers.sorted() {
            guard let destination = try deliveries.destination(number, in: transaction) else {
                check.report("Subscription \(number) has no destination.")
                continue
            }
            let record = try tables.subscriptions.readable(at: number, in: transaction)
            guard let record, let subscription = record.subscription(destination) else {
                check.report("The record of subscription \(number) cannot be read.")
                continue
            }
            counts[NameDigest(subscription.user), default: 0] += 1
            if try subscriptionNumber(subscription.id, in: transaction) != number {
                check.report("Subscription \(number) is missing from the index of ids.")
            }
            if try !tables.userSubscriptions.contains(Owned(NameDigest(subscription.user), number), in: transaction) {
                check.report("Subscription \(number) is missing from the index of users.")
            }
            if try tables.expressions.value(at: record.revision, in: transaction) != number {
                check.report("Subscription \(number) is missing from the index of expressions.")
            }
            if record.revision >= state.nextRevision {
                check.report("Subscription \(number) has a revision above the last one assigned.")
            }
        }
        // Each subscription was looked up in every index. An index with as many entries as there are subscriptions has no
        // others.
        try checkIndex(
            tables.subscriptionIDs, "table subscription-ids", for: numbers.count, "subscriptions", &check,
            in: transaction)
        try checkIndex(
            tables.userSubscriptions, "table user-subscriptions", for: numbers.count, "subscriptions", &check,
            in: transaction)
        try checkIndex(
            tables.expressions, "table expressions", for: numbers.count, "subscriptions", &check, in: transaction)
        try checkSubscriptionCounts(counts, &check, in: transaction)
        return numbers
    }

    /// - Parameter counts: how many subscriptions each user has.
    private func checkSubscriptionCounts(
        _ counts: [NameDigest: UInt64], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var kept: [NameDigest?: UInt64] = [:]
        try visit(tables.subscriptionCounts, &check, in: transaction) { user, value, _ in
            // 0 marks a damaged record: a user without subscriptions has no record.
            kept[user] = user.flatMap { NumberRecord.decode(value, at: $0) } ?? 0
        }
        let isRight = kept.count == counts.count && counts.allSatisfy { user, count in kept[user] == count }
        if !isRight { check.report("The counts of subscriptions of each user are wrong.") }
    }

    private func checkGoneExpressions(
        _ state: EventsState, _ subscriptions: Set<UInt64>, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var count: UInt64 = 0
        try visit(tables.goneExpressions, &check, in: transaction) { key, value, check in
            guard let revision = key, let number = NumberRecord.decode(value, at: revision) else {
                return check.report("The record of a removed expression cannot be read.")
            }
            count += 1
            if revision >= state.nextRevision || revision <= state.rememberedSince {
                check.report("A removed expression has revision \(revision), which is outside the recorded range.")
            }
            if subscriptions.contains(number) {
                check.report(
                    "The expression of subscription \(number) is recorded as removed, but the subscription exists.")
            }
        }
        if count != state.goneCount {
            check.report("The state of events counts \(state.goneCount) removed expressions, but there are \(count).")
        }
    }

    private func checkRoutedEvents(
        _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UInt64> {
        var numbers: Set<UInt64> = []
        try visit(tables.routedEvents, &check, in: transaction) { key, value, check in
            guard let number = key, RoutedEventRecord(value) != nil else {
                return check.report("The record of a routed event cannot be read.")
            }
            numbers.insert(number)
        }
        var identities = 0
        for number in numbers.sorted() {
            guard let payload = try deliveries.payload(number, in: transaction), payload.source == EventKey.routedSource
            else {
                check.report("Routed event \(number) has no payload, or one of another kind of event.")
                continue
            }
            if try tables.eventIDs.value(at: EventKey(routed: payload.eventID), in: transaction)?.payload != number {
                check.report("Routed event \(number) is missing from the index of ids.")
            }
            if let identity = payload.idempotencyKey,
                try tables.eventIDs.value(at: EventKey(routedIdentity: identity), in: transaction)?.payload == number
            {
                identities += 1
            }
        }
        var ids = 0
        // The keys of routed events come first: their environment id is the lowest.
        try tables.eventIDs.scanKeys(in: transaction) { key in
            if key.isRouted { ids += 1 }
            return key.isRouted
        }
        ids -= identities
        if ids != numbers.count {
            check.report("The index of ids has \(ids) entries for \(numbers.count) routed events.")
        }
        return numbers
    }

    private func checkWaiting(
        _ events: Set<UInt64>, _ subscriptions: Set<UInt64>, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        try visit(tables.waitingEvents, &check, in: transaction) { key, value, check in
            guard let number = key, WaitingRecord(value) != nil else {
                return check.report("The record of a waiting event cannot be read.")
            }
            if !events.contains(number) {
                check.report("Event \(number) is waiting to be matched, but does not exist.")
            }
        }
        try visit(tables.lags, &check, in: transaction) { key, value, check in
            guard let lag = key, NumberRecord.decode(value, at: lag) != nil else {
                return check.report("The record of a lagging subscription cannot be read.")
            }
            if !subscriptions.contains(lag.number) {
                check.report("Subscription \(lag.number) is recorded as lagging, but does not exist.")
            }
        }
        try visit(tables.replays, &check, in: transaction) { key, value, check in
            guard let number = key?.subscription, ReplayRecord(value) != nil else {
                return check.report("The record of a replay cannot be read.")
            }
            if !subscriptions.contains(number) {
                check.report("A replay is for subscription \(number), which does not exist.")
            }
        }
    }

    private func checkAttemptPayloads(
        _ events: Set<UInt64>, _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var payloads: [UInt64: UInt64] = [:]
        try tables.attempts.scan(in: transaction) { line, record in
            if let record { payloads[line] = record.payload }
            return true
        }
        var indexed: Set<UInt64> = []
        try visit(tables.attemptPayloads, &check, in: transaction) { key, _, check in
            guard let key, payloads[key.number] == key.owner else {
                return check.report("An entry of the index of the log by payload refers to no log entry.")
            }
            indexed.insert(key.number)
        }
        // Some log entries of webhooks are older than the index, so only those of routed events must be in it.
        for (line, payload) in payloads where events.contains(payload) && !indexed.contains(line) {
            check.report("Log entry \(line) is missing from the index of the log by payload.")
        }
    }
}
