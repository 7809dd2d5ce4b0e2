package import Delivery
package import Events
package import HTTP
internal import LMDB
package import Values

extension MappedEvents: EventStore {
    // MARK: Subscriptions

    package func subscriptions(of user: String, after: UInt64?, limit: Int) throws(StoreFailure) -> [Subscription] {
        guard after != .max else { return [] }
        let start = after.map { $0 + 1 } ?? 0
        return try read(of: "subscriptions of user \(user)") { (transaction) throws(LMDBError) in
            var found: [Subscription] = []
            var start = start
            while found.count < limit {
                let numbers = try subscriptionNumbers(
                    of: user, from: start, limit: limit - found.count, in: transaction)
                for number in numbers {
                    if let entry = try readableSubscription(number, in: transaction) {
                        found.append(entry.subscription)
                    }
                }
                guard let last = numbers.last, last < .max else { break }
                start = last + 1
            }
            return found
        }
    }

    private func subscriptionNumbers(
        of user: String, from start: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64] {
        let first = Owned(NameDigest(user), start)
        var numbers: [UInt64] = []
        try tables.userSubscriptions.scanKeys(from: first, in: transaction) { key in
            guard numbers.count < limit, key.owner == first.owner else { return false }
            numbers.append(key.number)
            return true
        }
        return numbers
    }

    package func subscription(_ id: UUID) throws(StoreFailure) -> Subscription? {
        try read(of: "subscription \(id)") { (transaction) throws(LMDBError) in try subscription(id, in: transaction) }
    }

    package func create(
        _ subscription: Subscription, for request: RequestID?, limit: Int
    ) throws(StoreFailure) -> SubscriptionCreation {
        try growing(of: "subscriptions of user \(subscription.user)") {
            (transaction) throws(LMDBError) -> SubscriptionCreation? in
            if case .made(let id) = try outcome(of: request, in: transaction),
                let made = try self.subscription(id, in: transaction)
            {
                return .made(made)
            }
            guard try subscriptionNumber(subscription.id, in: transaction) == nil else { return .idTaken }
            guard try subscriptionCount(of: subscription.user, in: transaction) < UInt64(clamping: limit) else {
                return .tooMany
            }
            guard try admit(bytes: Self.bytes(of: subscription), in: &transaction) else { return nil }
            var work = try DeliveryWork(deliveries, at: core.clock.now(), in: transaction)
            var made = subscription
            made.destination = subscription.destination.numbered(work.takeDestinationNumber(), keyring: nil)
            try add(made, DestinationState(), in: &transaction)
            try work.finish(in: &transaction)
            try remember(.made(made.id), of: request, in: &transaction)
            return .made(made)
        }
    }

    /// Writes a new subscription, its state and its index entries. Its destination has its number already.
    func add(
        _ subscription: Subscription, _ state: DestinationState, in transaction: inout Transaction
    ) throws(LMDBError) {
        let number = subscription.destination.number
        let revision = try noteExpression(of: number, instead: 0, in: &transaction)
        try put(subscription, revision: revision, in: &transaction)
        try tables.subscriptionIDs.put(number, at: subscription.id, in: &transaction)
        try tables.userSubscriptions.put(Owned(NameDigest(subscription.user), number), in: &transaction)
        let count = try subscriptionCount(of: subscription.user, in: transaction)
        try put(subscriptionCount: count + 1, of: subscription.user, in: &transaction)
        try deliveries.put(state, of: number, in: &transaction)
    }

    private static func bytes(of subscription: Subscription) -> Int {
        4096 + subscription.expression.utf8.count + 2 * subscription.extensions.count
            + subscription.target.utf8.count + subscription.destination.url.utf8.count
            + (subscription.sealedAuth?.count ?? 0)
    }

    private func put(
        _ subscription: Subscription, revision: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        try deliveries.put(subscription.destination, in: &transaction)
        try tables.subscriptions.put(
            SubscriptionRecord(subscription, revision: revision), at: subscription.destination.number,
            in: &transaction)
    }

    package func replace(
        _ subscription: Subscription, by changed: Subscription
    ) throws(StoreFailure) -> Replacement<Subscription> {
        try growing(of: "subscription \(subscription.id)") {
            (transaction) throws(LMDBError) -> Replacement<Subscription>? in
            guard let number = try subscriptionNumber(subscription.id, in: transaction),
                let entry = try subscriptionEntry(number: number, in: transaction)
            else { return .gone }
            guard entry.subscription == subscription else { return .differs(entry.subscription) }
            guard try admit(bytes: Self.bytes(of: changed), in: &transaction) else { return nil }
            var revision = entry.revision
            if changed.asked != subscription.asked {
                revision = try noteExpression(of: number, instead: revision, in: &transaction)
            }
            try put(changed, revision: revision, in: &transaction)
            // Disabling or enabling a destination changes when its deliveries are due.
            var work = try DeliveryWork(deliveries, at: core.clock.now(), in: transaction)
            try work.reconsider(number, before: subscription.destination, in: transaction)
            try work.finish(in: &transaction)
            return .replaced
        }
    }

    package func deleteSubscription(
        _ id: UUID, of user: String, for request: RequestID?
    ) throws(StoreFailure) -> Bool {
        try write(of: "subscription \(id)") { (transaction) throws(LMDBError) in
            if try outcome(of: request, in: transaction) == .done { return true }
            let number = try sparing("subscription \(id)") { () throws(LMDBError) in
                try subscriptionNumber(id, in: transaction)
            }
            // The index by user says whose it is even if the subscription's own record is damaged.
            guard let number,
                try tables.userSubscriptions.contains(Owned(NameDigest(user), number), in: transaction)
            else { return false }
            var revision = try readableSubscription(number, in: transaction)?.revision
            if revision == nil { revision = try expressionRevision(of: number, in: transaction) }
            try deliveries.removeHead(of: number, in: &transaction)
            try removeLag(of: number, in: &transaction)
            try noteGoneExpression(of: number, revision ?? 0, in: &transaction)
            try tables.userSubscriptions.remove(Owned(NameDigest(user), number), in: &transaction)
            let count = try subscriptionCount(of: user, in: transaction)
            try put(subscriptionCount: max(count, 1) - 1, of: user, in: &transaction)
            try tables.subscriptionIDs.remove(id, in: &transaction)
            try tables.subscriptions.remove(number, in: &transaction)
            try tables.destinations.remove(number, in: &transaction)
            try tables.destinationStates.remove(number, in: &transaction)
            try removeReplays(of: number, in: &transaction)
            try tables.missedEvents.remove(number, in: &transaction)
            try core.put(.deliveries(destination: number), in: &transaction)
            try remember(.done, of: request, in: &transaction)
            return true
        }
    }

    // MARK: Events

    package func receive(
        _ events: [ReceivedEvent], for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> [UUID] {
        try growing { (transaction) throws(LMDBError) -> [UUID]? in
            if case .event(let key) = try outcome(of: request, in: transaction),
                let known = try received(key, events, in: transaction)
            {
                return known
            }
            // The request was handled before. Its events were stored then, and have been removed since.
            if case .event = try outcome(of: request, in: transaction) { return events.map(\.id) }
            let (ids, fresh) = try sorted(events, in: transaction)
            if fresh.isEmpty { return ids }
            let bytes = fresh.reduce(0) { $0 + $1.body.count + 512 }
            let largest = fresh.reduce(0) { max($0, $1.body.count + 512) }
            guard try admit(bytes: bytes, largest: largest, in: &transaction) else { return nil }
            var work = try DeliveryWork(deliveries, at: moment, in: transaction)
            for event in fresh {
                let identity = event.identity.map { EventKey.text(of: $0) }
                let content = Payload.Content(
                    eventID: event.id.description, idempotencyKey: identity, event: event.type,
                    source: EventKey.routedSource, body: event.body)
                let payload = try work.storePayload(content, in: &transaction)
                let entry = EventIDRecord(payload: payload.number)
                if let identity {
                    try tables.eventIDs.put(entry, at: EventKey(routedIdentity: identity), in: &transaction)
                }
                try tables.routedEvents.put(RoutedEventRecord(), at: payload.number, in: &transaction)
                try tables.waitingEvents.put(WaitingRecord(), at: payload.number, in: &transaction)
                try tables.eventIDs.put(entry, at: EventKey(routed: payload.eventID), in: &transaction)
            }
            try work.finish(in: &transaction)
            if let first = fresh.first {
                try remember(.event(EventKey(routed: first.id.description)), of: request, in: &transaction)
            }
            return ids
        }
    }

    /// The ids of events, and the events that are not stored yet. A repeated event has the id of the first one.
    private func sorted(
        _ events: [ReceivedEvent], in transaction: borrowing Transaction
    ) throws(LMDBError) -> (ids: [UUID], fresh: [ReceivedEvent]) {
        var ids: [UUID] = []
        var fresh: [ReceivedEvent] = []
        var known: [ReceivedEvent.Identity: UUID] = [:]
        for event in events {
            if let identity = event.identity {
                let kept = try knownEvent(identity, in: transaction)?.id
                if let id = known[identity] ?? kept {
                    ids.append(id)
                    continue
                }
                known[identity] = event.id
            }
            ids.append(event.id)
            fresh.append(event)
        }
        return (ids, fresh)
    }

    /// The stored event with an identity; `nil` also if its payload cannot be read.
    private func knownEvent(
        _ identity: ReceivedEvent.Identity, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (number: UInt64, id: UUID)? {
        let key = EventKey(routedIdentity: EventKey.text(of: identity))
        guard let number = try tables.eventIDs.value(at: key, in: transaction)?.payload,
            let id = try deliveries.readablePayload(number, in: transaction).flatMap({ UUID($0.eventID) })
        else { return nil }
        return (number, id)
    }

    /// The ids that the events of a repeated request were given before; `nil` if one of the events is gone.
    /// - Parameter key: the key of the first event that was new then.
    private func received(
        _ key: EventKey, _ events: [ReceivedEvent], in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UUID]? {
        guard var next = try tables.eventIDs.value(at: key, in: transaction)?.payload else { return nil }
        var ids: [UUID] = []
        for event in events {
            // Events that were new then have consecutive numbers; the others were stored before.
            if let identity = event.identity {
                guard let known = try knownEvent(identity, in: transaction) else { return nil }
                if known.number == next { next += 1 }
                ids.append(known.id)
                continue
            }
            guard let id = try deliveries.readablePayload(next, in: transaction).flatMap({ UUID($0.eventID) }) else {
                return nil
            }
            ids.append(id)
            next += 1
        }
        return ids
    }

    package func event(_ id: UUID, for user: String?) throws(StoreFailure) -> EventHistory? {
        try read(of: "event \(id)") { (transaction) throws(LMDBError) in
            let key = EventKey(routed: id.description)
            guard let number = try tables.eventIDs.value(at: key, in: transaction)?.payload else { return nil }
            return try history(of: number, for: user, in: transaction)
        }
    }

    /// The history of an event: its matches and their attempts.
    /// - Parameter user: whose subscriptions to include; `nil`: everyone's.
    func history(
        of number: UInt64, for user: String? = nil, in transaction: borrowing Transaction
    ) throws(LMDBError) -> EventHistory? {
        guard let payload = try deliveries.payload(number, in: transaction), let id = UUID(payload.eventID),
            let record = try routedEvent(number, in: transaction)
        else { return nil }
        // Include destinations from the log: an event can be delivered again by hand without a match.
        var destinations = Set(record.matched ?? [])
        var lines: [UInt64: [DeliveryLine]] = [:]
        try deliveries.scanLines(ofPayload: number, in: transaction) { (record) throws(LMDBError) in
            destinations.insert(record.destination)
            if try isShown(record.destination, to: user, in: transaction), let line = deliveryLine(record) {
                lines[record.destination, default: []].append(line)
            }
            return true
        }
        var matches: [EventHistory.Match] = []
        for destination in destinations.sorted() where try isShown(destination, to: user, in: transaction) {
            guard let entry = try subscriptionEntry(number: destination, in: transaction) else { continue }
            matches.append(
                EventHistory.Match(
                    subscription: entry.subscription.id, user: entry.subscription.user,
                    attempts: lines[destination] ?? []))
        }
        var isWaiting = try waitingRecord(number, in: transaction) != nil
        if !isWaiting { isWaiting = try isLagging(behind: number, in: transaction) }
        return EventHistory(
            id: id, receivedAt: payload.receivedAt, body: payload.body,
            isWaiting: isWaiting, matches: matches,
            otherMatches: destinations.count - matches.count)
    }

    private func isShown(
        _ destination: UInt64, to user: String?, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        guard let user else { return true }
        return try tables.userSubscriptions.contains(Owned(NameDigest(user), destination), in: transaction)
    }

    // MARK: Deliveries

    package func deliveries(
        of subscription: UUID, _ query: DeliveryQuery
    ) throws(StoreFailure) -> [DeliveryLine]? {
        try read(of: "subscription \(subscription)") { (transaction) throws(LMDBError) in
            guard let number = try subscriptionNumber(subscription, in: transaction) else { return nil }
            var lines: [DeliveryLine] = []
            var seen = 0
            var bytes = 0
            try deliveries.scanLog(of: number, before: query.before ?? .max, in: transaction) { record in
                seen += 1
                if query.succeeded.map({ $0 == (record.attempt.failure == nil) }) ?? true,
                    let line = deliveryLine(record)
                {
                    bytes += record.attempt.loggedBytes
                    lines.append(line)
                }
                return lines.count < query.limit && seen < MappedDeliveries.linesLookedAt
                    && bytes < MappedDeliveries.logBytes
            }
            return lines
        }
    }

    package func redeliver(
        _ line: UInt64, of subscription: Subscription, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> Redelivery {
        try deliveries.redeliver(line, for: request, at: moment) { (transaction) throws(LMDBError) -> UInt64? in
            try isThere(subscription, in: transaction) ? subscription.destination.number : nil
        }
    }

    /// Whether a subscription is still the one that was read: another one may have been created with its id since.
    private func isThere(
        _ subscription: Subscription, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        try subscriptionNumber(subscription.id, in: transaction) == subscription.destination.number
    }

    package func replay(
        _ subscription: Subscription, since: Timestamp, until: Timestamp, all: Bool, for request: RequestID?
    ) throws(StoreFailure) -> ReplayRequest {
        let number = subscription.destination.number
        return try growing(of: "subscription \(subscription.id)") {
            (transaction) throws(LMDBError) -> ReplayRequest? in
            guard try isThere(subscription, in: transaction) else { return .unknownSubscription }
            if try outcome(of: request, in: transaction) == .done { return .accepted }
            guard try admit(bytes: 256, in: &transaction) else { return nil }
            guard let first = try firstRoutedEvent(since: since, in: transaction) else {
                // No event since then is stored, so those that were missed are gone.
                try forgetMissed(of: number, since: since, in: &transaction)
                return .accepted
            }
            let after = try firstRoutedEvent(since: until.adding(seconds: 1e-6), in: transaction)
            let end = if let after { after } else { try deliveries.deliveryState(in: transaction).nextPayload }
            guard end > first else { return .accepted }
            let record = ReplayRecord(next: first, last: end - 1, all: all)
            guard try addReplay(record, of: number, in: &transaction) else { return .tooMany }
            if after == nil {
                try forgetMissed(of: number, since: since, in: &transaction)
            }
            try remember(.done, of: request, in: &transaction)
            return .accepted
        }
    }
}

extension Subscription {
    fileprivate var asked: Expression { Expression(text: expression, dialect: dialect) }
}
