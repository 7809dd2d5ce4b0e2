internal import HTTP
internal import JSON
internal import JSONPath
package import Values

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
    /// Those that are still to be told, and those that the last step told.
    private var untold: Set<UInt64> = []
    private var told: Set<UInt64> = []

    private static let exceeded = "the expression takes too long for an event, which then counts as not matching"
    private static let events = 64
    private static let replayed = 16
    private static let bytes = 4 << 20
    private static let changes = 10_000
    /// An event that takes longer lets others pass.
    private static let slowSeconds = 0.02
    /// So many of these are gone on with; the others begin anew once it is their turn, which is known of so many.
    private static let slowAtOnce = 4
    private static let putBackLimit = 10_000
    /// Replays go on while events keep coming.
    private static let replayEvery = 4
    private var steps = 0
    /// About as many as the store makes in a step.
    private static let deliveries = 1000

    package init(store: any MatchingStore) { self.store = store }

    /// Does one step: what it writes is kept once the store's `commit` has returned.
    /// Where it fails, or the commit after it, `rolledBack` is to be called.
    /// - Parameter deadline: on the steady clock; where it has passed an expression is not begun.
    /// - Returns: whether there may be more to do at once.
    package func turn(until deadline: Timestamp, now: () -> Moment) throws(StoreFailure) -> Bool {
        told = []
        if begun.allSatisfy(\.isSlow) {
            steps += 1
            if steps % Self.replayEvery == 0, try replay(until: deadline, now: now) { return true }
            if steps % Self.replayEvery == 2, try catchUp(until: deadline, now: now) { return true }
            // Every other step is for those that are slow.
            if begun.isEmpty || steps % 2 == 1 { try begin() }
            if begun.isEmpty {
                if try catchUp(until: deadline, now: now) { return true }
                return try replay(until: deadline, now: now) || !putBack.isEmpty
            }
        }
        goOn(until: deadline, now)
        // They are gone from here whatever becomes of them: what fails still waits in the store.
        let over = begun.filter(\.isOver)
        guard !over.isEmpty else { return true }
        begun.removeAll(where: \.isOver)
        for event in over {
            for subscription in event.matching?.exceeded ?? [] where reported.insert(subscription).inserted {
                untold.insert(subscription)
            }
        }
        (told, untold) = (untold, [])
        for subscription in told.sorted() { try store.reportExpression(of: subscription, Self.exceeded) }
        let matches = over.map {
            EventMatches(
                event: $0.number, subscriptions: $0.known ?? $0.matching?.matched ?? [],
                deferred: $0.known == nil ? $0.matching?.deferred ?? [] : [])
        }
        let gone = try store.keep(matches, at: now())
        for match in matches { index.lagging.formUnion(match.deferred) }
        skipping = gone > 0 ? Int.random(in: 1...Self.events) : 0
        return true
    }

    /// Matches what has begun until time is up.
    private func goOn(until deadline: Timestamp, _ now: () -> Moment) {
        while let next = begun.firstIndex(where: { !$0.isOver }) {
            let time = now().steady
            guard time < deadline else { return }
            if let matching = begun[next].matching {
                index.goOn(matching, at: time)
                let end = now().steady
                let seconds = end.seconds(since: time)
                begun[next].seconds += seconds
                index.charge(seconds, at: end)
                if matching.isFound, !begun[next].isSlow, begun[next].seconds > Self.slowSeconds {
                    letPass(next)
                }
            } else if begun[..<next].reduce(0, { $0 + $1.count }) >= Self.deliveries {
                // For these there is no room in this step, and they would be matched again in the next.
                begun.removeSubrange(next..<(begun.firstIndex(where: \.isSlow) ?? begun.endIndex))
                return
            } else {
                begun[next].matching = index.begin((try? JSON(parsing: begun[next].body)) ?? .null)
            }
        }
    }

    /// Has an event stand behind the others, or wait in the store again where many do.
    private func letPass(_ place: Int) {
        var event = begun.remove(at: place)
        if begun.count(where: \.isSlow) < Self.slowAtOnce {
            event.isSlow = true
            begun.append(event)
        } else if putBack.count < Self.putBackLimit {
            putBack.insert(event.number)
        }
    }

    /// Takes note that what the last step wrote has come to nothing.
    package func rolledBack() {
        begun = []
        untold.formUnion(told)
        told = []
    }

    /// Events that are being matched; those that are slow stand behind the others.
    private var begun: [Begun] = []
    /// Slow ones that wait in the store until there is a place for them.
    private var putBack: Set<UInt64> = []

    private struct Begun {
        let number: UInt64
        /// What it matched, where that has been found out before.
        let known: [UInt64]?
        let body: [UInt8]
        /// `nil` until the event has been read.
        var matching: SubscriptionIndex.Matching?

        /// What matching has taken.
        var seconds = 0.0
        /// Whether it lets others pass.
        var isSlow = false

        var isOver: Bool { known != nil || matching?.isOver ?? false }

        /// How many subscriptions it matched, as far as that is known.
        var count: Int { (known ?? matching?.matched ?? []).count }
    }

    /// Takes up events that wait, before those that are slow.
    private func begin() throws(StoreFailure) {
        if begun.count < Self.slowAtOnce, let oldest = putBack.min() { putBack.remove(oldest) }
        let excluded = putBack.union(begun.map(\.number))
        var waiting = try waiting(besides: excluded)
        if waiting.isEmpty, skipping > 0 {
            skipping = 0
            waiting = try self.waiting(besides: excluded)
        }
        guard !waiting.isEmpty else { return }
        // After the events: what was changed before one of them came is known then.
        try learn()
        begun.insert(contentsOf: waiting.map { Begun(number: $0.number, known: $0.matched, body: $0.body) }, at: 0)
    }

    private func waiting(besides excluded: Set<UInt64>) throws(StoreFailure) -> [WaitingEvent] {
        try store.waitingEvents(
            besides: excluded, skipping: skipping, limit: Self.events, maximumBytes: Self.bytes)
    }

    private func learn() throws(StoreFailure) {
        while true {
            let news = try store.expressions(since: revision, limit: Self.changes)
            if news.isIncomplete {
                index = SubscriptionIndex()
                revision = 0
                continue
            }
            if revision == 0 { index.lagging = try store.laggingSubscriptions() }
            for change in news.changes {
                reported.remove(change.number)
                untold.remove(change.number)
                if let expression = change.expression {
                    index.set(expression, of: change.number, owner: change.owner)
                } else {
                    index.remove(change.number)
                }
            }
            revision = news.revision
            guard news.hasMore else { return }
        }
    }

    // MARK: Those that follow behind

    /// Whose turn it was last, and the subscription of each owner whose turn it was last.
    private var caughtUpLast: UUID?
    private var caughtUpLasts: [UUID: UInt64] = [:]

    /// Holds events against the expression of one subscription that follows behind: as many as there is time for, but one in
    /// any case. Owners take turns, and an owner's subscriptions.
    private func catchUp(until deadline: Timestamp, now: () -> Moment) throws(StoreFailure) -> Bool {
        guard
            var lag = try store.waitingLag(
                after: caughtUpLast, caughtUpLasts, limit: Self.replayed, maximumBytes: Self.bytes)
        else {
            index.lagging = []
            caughtUpLasts = [:]
            return false
        }
        caughtUpLast = lag.owner
        caughtUpLasts[lag.owner] = lag.subscription
        index.lagging.insert(lag.subscription)
        var matched: [UInt64] = []
        for (position, event) in lag.events.enumerated() {
            if position > 0, now().steady >= deadline {
                lag.next = event.number
                lag.isWhole = false
                break
            }
            guard let expression = lag.expression, let value = try? JSON(parsing: event.body) else { continue }
            switch index.attempt(value, expression, at: now().steady) {
            case .matches: matched.append(event.number)
            case .exceeds where reported.insert(lag.subscription).inserted:
                try store.reportExpression(of: lag.subscription, Self.exceeded)
            case .exceeds, .differs: break
            }
        }
        if try !store.keep(matched, of: lag, at: now()) { index.lagging.remove(lag.subscription) }
        return !lag.events.isEmpty || !lag.isAtEnd
    }

    // MARK: Replays

    /// Whose turn it was last.
    private var replayedLast: UInt64?

    /// Shows a subscription some of the events that wait for it: as many as there is time for, but one in any case.
    private func replay(until deadline: Timestamp, now: () -> Moment) throws(StoreFailure) -> Bool {
        guard
            var replay = try store.waitingReplay(
                after: replayedLast, limit: Self.replayed, maximumBytes: Self.bytes)
        else { return false }
        replayedLast = replay.subscription
        let query = try? JSONPath(parsing: replay.expression.text, dialect: replay.expression.dialect)
        var matched: [UInt64] = []
        for (position, event) in replay.events.enumerated() {
            if position > 0, now().steady >= deadline {
                replay.nextEvent = event.number
                break
            }
            guard let query, let value = try? JSON(parsing: event.body),
                (try? query.matches(JSONPathDocument(value))) ?? false
            else { continue }
            matched.append(event.number)
        }
        try store.keep(matched, of: replay, at: now())
        return true
    }
}
