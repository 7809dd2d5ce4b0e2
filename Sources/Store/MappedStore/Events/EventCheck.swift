internal import Delivery
internal import Events
internal import HTTP
internal import LMDB
internal import Values

extension MappedEvents {
    /// Checks subscriptions, their expressions, routed events and what waits to be done with them.
    func checkEvents(_ check: inout StoreCheck, in transaction: borrowing Transaction) throws(LMDBError) {
        let found = try tables.meta.value(at: Tables.eventsKey, in: transaction) { EventsState($0) }
        guard let state = found ?? EventsState() else {
            return check.report("The record of the state of events cannot be read.")
        }
        let subscriptions = try checkSubscriptions(state, &check, in: transaction)
        try checkGoneExpressions(state, subscriptions, &check, in: transaction)
        let events = try checkRoutedEvents(&check, in: transaction)
        try checkWaiting(events, subscriptions, &check, in: transaction)
        try checkAttemptParcels(events, &check, in: transaction)
    }

    private func checkSubscriptions(
        _ state: EventsState, _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UInt64> {
        var numbers: Set<UInt64> = []
        var counts: [[UInt8]: UInt64] = [:]
        try visit(tables.subscriptions, "subscriptions", &check, in: transaction) { key, _, check in
            var reader = ByteReader(key)
            guard let number = reader.fixed(), reader.isAtEnd else {
                return check.report("The key of a subscription cannot be read.")
            }
            numbers.insert(number)
            check.countSubscription()
        }
        for number in numbers.sorted() {
            guard let destination = try deliveries.destination(number, in: transaction) else {
                check.report("Subscription \(number) has no destination.")
                continue
            }
            let record = try tables.subscriptions.readable(at: key(number), in: transaction) {
                SubscriptionRecord.decode($0, destination)
            }
            guard let (subscription, revision) = record else {
                check.report("The record of subscription \(number) cannot be read.")
                continue
            }
            counts[userDigest(subscription.user), default: 0] += 1
            if try subscriptionNumber(subscription.id, in: transaction) != number {
                check.report("Subscription \(number) is not found by its id.")
            }
            if try !tables.userSubscriptions.contains(userKey(subscription.user, number), in: transaction) {
                check.report("Subscription \(number) is not found by its user.")
            }
            if try tables.expressions.number(at: key(revision), in: transaction) != number {
                check.report("Subscription \(number) is not found by the last change of its expression.")
            }
            if revision >= state.nextRevision {
                check.report("Subscription \(number) has a revision that was not given out yet.")
            }
        }
        // Each is in all of them; where these have no more entries than there are subscriptions, they have no others.
        for (table, name) in [
            (tables.subscriptionIDs, "subscription-ids"), (tables.userSubscriptions, "user-subscriptions"),
            (tables.expressions, "expressions"),
        ] {
            try visit(table, name, &check, in: transaction) { _, _, _ in }
            let count = try table.count(in: transaction)
            if count != numbers.count {
                check.report("The table \(name) has \(count) entries for \(numbers.count) subscriptions.")
            }
        }
        try checkSubscriptionCounts(counts, &check, in: transaction)
        return numbers
    }

    /// - Parameter counts: how many each user has, by the digest of its name.
    private func checkSubscriptionCounts(
        _ counts: [[UInt8]: UInt64], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var kept: [[UInt8]: UInt64?] = [:]
        try visit(tables.subscriptionCounts, "subscription-counts", &check, in: transaction) { user, value, _ in
            var reader = ByteReader(value)
            kept[copy(user)] = reader.fixed().flatMap { reader.isAtEnd ? $0 : nil }
        }
        let isRight = kept.count == counts.count && kept.allSatisfy { user, count in counts[user] == count }
        if !isRight { check.report("The numbers of users' subscriptions are not those that the users have.") }
    }

    private func checkGoneExpressions(
        _ state: EventsState, _ subscriptions: Set<UInt64>, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var count: UInt64 = 0
        try visit(tables.goneExpressions, "gone-expressions", &check, in: transaction) { key, value, check in
            var place = ByteReader(key)
            var entry = ByteReader(value)
            guard let revision = place.fixed(), let number = entry.fixed(), place.isAtEnd, entry.isAtEnd else {
                return check.report("The record of an expression that is gone cannot be read.")
            }
            count += 1
            if revision >= state.nextRevision || revision <= state.rememberedSince {
                check.report("An expression is gone at revision \(revision), which is not remembered.")
            }
            if subscriptions.contains(number) {
                check.report("The expression of subscription \(number) is gone, but the subscription is there.")
            }
        }
        if count != state.goneCount {
            check.report("The state of events says that \(state.goneCount) expressions are gone, but \(count) are.")
        }
    }

    private func checkRoutedEvents(
        _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UInt64> {
        var numbers: Set<UInt64> = []
        try visit(tables.routedEvents, "routed-events", &check, in: transaction) { key, value, check in
            var reader = ByteReader(key)
            guard let number = reader.fixed(), reader.isAtEnd, RoutedEventRecord(value) != nil else {
                return check.report("The record of a routed event cannot be read.")
            }
            numbers.insert(number)
        }
        var identities = 0
        for number in numbers.sorted() {
            guard let parcel = try deliveries.parcel(number, in: transaction), parcel.source == EventIDs.routedSource
            else {
                check.report("Routed event \(number) has no parcel of its kind.")
                continue
            }
            if try tables.eventIDs.number(at: EventIDs.key(routed: parcel.eventID), in: transaction) != number {
                check.report("Routed event \(number) is not found by its id.")
            }
            if let identity = parcel.idempotencyKey,
                try tables.eventIDs.number(at: EventIDs.key(routedIdentity: identity), in: transaction) == number
            {
                identities += 1
            }
        }
        var ids = 0
        try tables.eventIDs.scan(from: EventIDs.routedSource.bytes, in: transaction) { place, _ in
            var reader = ByteReader(place)
            guard reader.uuid() == EventIDs.routedSource else { return false }
            ids += 1
            return true
        }
        ids -= identities
        if ids != numbers.count { check.report("There are \(ids) ids for \(numbers.count) routed events.") }
        return numbers
    }

    private func checkWaiting(
        _ events: Set<UInt64>, _ subscriptions: Set<UInt64>, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        try visit(tables.waitingEvents, "waiting-events", &check, in: transaction) { key, value, check in
            var reader = ByteReader(key)
            guard let number = reader.fixed(), reader.isAtEnd, WaitingRecord(value) != nil else {
                return check.report("The record of a waiting event cannot be read.")
            }
            if !events.contains(number) { check.report("Event \(number) waits, but is not there.") }
        }
        try visit(tables.lags, "lags", &check, in: transaction) { place, value, check in
            var reader = ByteReader(value)
            guard let lag = Self.lag(at: place), reader.fixed() != nil, reader.isAtEnd else {
                return check.report("The record of a subscription that lags cannot be read.")
            }
            if !subscriptions.contains(lag.number) {
                check.report("Subscription \(lag.number) lags, but is not there.")
            }
        }
        try visit(tables.replays, "replays", &check, in: transaction) { key, value, check in
            guard let number = Self.replay(at: key)?.subscription, ReplayRecord(value) != nil else {
                return check.report("The record of a replay cannot be read.")
            }
            if !subscriptions.contains(number) {
                check.report("A replay is for subscription \(number), which is not there.")
            }
        }
    }

    private func checkAttemptParcels(
        _ events: Set<UInt64>, _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var parcels: [UInt64: UInt64] = [:]
        try tables.attempts.scan(in: transaction) { key, value in
            var reader = ByteReader(key)
            if let line = reader.fixed(), let record = AttemptRecord(value) { parcels[line] = record.parcel }
            return true
        }
        var indexed: Set<UInt64> = []
        try visit(tables.attemptParcels, "attempt-parcels", &check, in: transaction) { key, _, check in
            guard let (parcel, line) = BoundedLog.entry(key), parcels[line] == parcel else {
                return check.report("An entry of the index of the log by parcel leads to no line.")
            }
            indexed.insert(line)
        }
        // Lines of webhooks are older than the index, some of them.
        for (line, parcel) in parcels where events.contains(parcel) && !indexed.contains(line) {
            check.report("Line \(line) of the log is not found by its event.")
        }
    }
}
