package import Gateway
internal import JSON
internal import JSONPath

/// Holds the events that wait against all subscriptions, in small steps.
///
/// Several may work on one store: what one has kept the others leave alone, and who finds that another was faster begins
/// further behind the next time.
package final class EventMatcher {
    private let store: any MatchingStore
    private var index = SubscriptionIndex()
    private var revision: UInt64 = 0
    private var skipping = 0

    /// Subscriptions told that their expression took too long, so that they are told once.
    private var reported: Set<UInt64> = []

    private static let exceeded = "the expression takes too long for an event, which then counts as not matching"
    private static let events = 64
    private static let bytes = 4 << 20
    private static let changes = 10_000

    package init(store: any MatchingStore) { self.store = store }

    /// Does one step: what it writes is kept once the store's `commit` has returned.
    /// - Returns: whether there may be more to do at once.
    package func turn(at moment: Moment) throws(StoreFailure) -> Bool {
        let waiting = try store.waitingEvents(skipping: skipping, limit: Self.events, maximumBytes: Self.bytes)
        if waiting.isEmpty, skipping > 0 {
            skipping = 0
            return true
        }
        guard !waiting.isEmpty else { return try replay(at: moment) }
        // After the events: what was changed before one of them came is known then.
        try learn()
        var matches: [EventMatches] = []
        for event in waiting {
            let matched = if let known = event.matched { known } else { try match(event.body) }
            matches.append(EventMatches(event: event.number, subscriptions: matched))
        }
        let kept = try store.keep(matches, at: moment)
        skipping = kept < matches.count ? Int.random(in: 1...Self.events) : 0
        return true
    }

    private func match(_ body: [UInt8]) throws(StoreFailure) -> [UInt64] {
        guard let event = try? JSON(parsing: body) else { return [] }
        let outcome = index.match(event)
        for subscription in outcome.exceeded where reported.insert(subscription).inserted {
            try store.reportExpression(of: subscription, Self.exceeded)
        }
        return outcome.matched
    }

    private func learn() throws(StoreFailure) {
        while true {
            let news = try store.expressions(since: revision, limit: Self.changes)
            if news.isIncomplete {
                index = SubscriptionIndex()
                revision = 0
                continue
            }
            for change in news.changes {
                reported.remove(change.number)
                if let expression = change.expression {
                    index.set(expression, of: change.number)
                } else {
                    index.remove(change.number)
                }
            }
            revision = news.revision
            guard news.hasMore else { return }
        }
    }

    // MARK: Replays

    private func replay(at moment: Moment) throws(StoreFailure) -> Bool {
        guard let replay = try store.waitingReplay(limit: Self.events, maximumBytes: Self.bytes) else { return false }
        let query = try? JSONPath(parsing: replay.expression.text, dialect: replay.expression.dialect)
        var matched: [UInt64] = []
        for event in replay.events {
            guard let query, let value = try? JSON(parsing: event.body),
                (try? query.matches(JSONPathDocument(value))) ?? false
            else { continue }
            matched.append(event.number)
        }
        try store.keep(matched, of: replay, at: moment)
        return true
    }
}
