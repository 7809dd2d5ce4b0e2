internal import Delivery
internal import Events
internal import HTTP
internal import JSON
internal import JSONPath
internal import LMDB
internal import Values

extension MappedEvents {
    /// - Returns: the subscriptions' ids, by number.
    func exportSubscriptions(
        at moment: Moment, _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) -> [UInt64: UUID] {
        var ids: [UInt64: UUID] = [:]
        for number in try numbers(in: tables.subscriptions, transaction) {
            let found = try salvage.take("subscription number \(number)") { () throws(LMDBError) -> Subscription in
                guard let entry = try subscriptionEntry(number: number, in: transaction) else {
                    throw .damaged(SubscriptionRecord.name)
                }
                return entry.subscription
            }
            guard let subscription = found else { continue }
            let state =
                try salvage.take("the delivery statistics of subscription \(subscription.id)") {
                    () throws(LMDBError) -> DestinationState in
                    guard let state = try deliveries.destinationState(number, in: transaction) else {
                        throw .damaged(DestinationState.name)
                    }
                    return state
                } ?? DestinationState()
            ids[number] = subscription.id
            line("subscription") { json in
                json.subscription(subscription)
                json.member("destination") { $0.destination(subscription.destination) }
                json.member("state") { $0.state(state, at: moment) }
                if let missed = subscription.missed {
                    json.member("missed") { json in
                        json.member("count", missed.count)
                        json.member("since", missed.since)
                    }
                }
            }
        }
        return ids
    }

    func exportReplays(
        _ subscriptions: [UInt64: UUID], _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        var replays: [(owner: UInt64, record: ReplayRecord?)] = []
        try tables.replays.scan(in: transaction) { key, record in
            replays.append((key.subscription, record))
            return true
        }
        // A lag is exported as a replay of the events that are left.
        let end = try deliveries.deliveryState(in: transaction).nextPayload
        try tables.lags.scan(in: transaction) { key, next in
            if let next, next < end {
                replays.append((key.number, ReplayRecord(next: next, last: end - 1, all: false)))
            }
            return true
        }
        for (owner, record) in replays {
            let found = try salvage.take("a replay of subscription number \(owner)") {
                () throws(LMDBError) -> ReplayRecord in
                guard let record else { throw .damaged(ReplayRecord.name) }
                return record
            }
            guard let replay = found else { continue }
            guard let id = subscriptions[owner] else { continue }
            line("replay") { json in
                json.member("subscription", id.description)
                json.member("next", replay.next)
                json.member("last", replay.last)
                json.member("all", replay.all)
            }
        }
    }

}

extension JSONWriter {
    fileprivate mutating func subscription(_ subscription: Subscription) {
        member("id", subscription.id.description)
        member("user", subscription.user)
        member("name", subscription.name)
        member("jsonpath", subscription.expression)
        if let dialect = subscription.dialect { member("dialect", dialect.rawValue) }
        member("version", subscription.version)
        if let sealed = subscription.sealedAuth { member("sealedAuth", base64: sealed) }
        if let sealed = subscription.sealedTarget { member("sealedTarget", base64: sealed) }
        member("target", subscription.target)
        member("created", subscription.created)
        member("updated", subscription.updated)
    }

    /// The properties of a destination that webhooks do not use.
    mutating func events(_ destination: Destination) {
        if let time = destination.disabledAt { member("disabledAt", time) }
        if destination.protocolKind == .event { member("protocol", "event") }
        if let path = destination.approvalPath { member("approvalPath", path) }
        if let consent = destination.consent {
            member("consent") { json in
                if let url = consent.url { json.member("url", url) }
                if let rate = consent.rate { json.member("rate", max(0, rate)) }
            }
        }
        if let shape = destination.shape { member("shape", base64: shape) }
    }

    /// The matches of a routed event, and how far it has been dispatched if it waits. Subscriptions that are gone are left
    /// out.
    mutating func routed(_ record: RoutedEventRecord, _ waiting: WaitingRecord?, _ subscriptions: [UInt64: UUID]) {
        member("routed") { json in
            if record.isTakenOver { json.member("takenOver", true) }
            if let matched = record.matched {
                json.member("matched", matched.compactMap { subscriptions[$0]?.description })
            }
            if let waiting {
                let done = (record.matched ?? []).prefix(Int(clamping: waiting.dispatched))
                json.member("waiting") { json in
                    json.member("trigger", waiting.trigger.word)
                    json.member("dispatched", done.count { subscriptions[$0] != nil })
                }
            }
        }
    }
}
