internal import HTTP
internal import JSONPath
package import Values

/// Matches the events that wait with the expressions of all subscriptions, in small steps.
///
/// Several matchers may work on one store. An event belongs to the matcher that first stores what it matches; the others
/// leave it alone, and begin at a random distance behind it the next time.
///
/// A step does one of these: it matches events (`EventsInProgress`), tries events with a subscription that lags behind
/// (EventMatcher+Lagging.swift), or with one that replays them (EventMatcher+Replays.swift).
package final class EventMatcher {
    let store: any MatchingStore
    var index = SubscriptionIndex()
    /// The revision of the store's expressions that `index` has.
    private var revision: UInt64 = 0
    private var inProgress = EventsInProgress()
    var reports = ExpressionReports()
    private var schedule = MatchingSchedule()
    /// How many of the waiting events to leave to another matcher.
    private var skipping = 0

    /// The owner of the lagging subscription that was tried last, and the one tried last of each owner.
    var lastLaggingOwner: UUID?
    var lastLagging: [UUID: UInt64] = [:]

    /// The subscription whose replay went on last.
    var lastReplayed: UInt64?

    private static let eventLimit = 64
    private static let changeLimit = 10_000
    /// Events that a step tries with one subscription.
    static let eventsPerSubscription = 16
    static let maximumBytes = 4 << 20

    package init(store: any MatchingStore) { self.store = store }

    /// Does one step. What it writes lasts once the store's `commit` has returned. After a step or a commit that failed,
    /// call `rolledBack`.
    /// - Parameter deadline: on the steady clock. No expression is begun after it.
    /// - Returns: whether there may be more to do at once.
    package func match(until deadline: Timestamp, now: () -> Moment) async throws(StoreFailure) -> Bool {
        reports.beginStep()
        if inProgress.hasOnlySlow {
            let work = schedule.next()
            switch work {
            case .newEvents: try await beginEvents()
            case .laggingSubscription: if try await tryLagging(until: deadline, now: now) { return true }
            case .replay: if try await replay(until: deadline, now: now) { return true }
            }
            if inProgress.isEmpty, work != .newEvents { try await beginEvents() }
            if inProgress.isEmpty {
                if try await tryLagging(until: deadline, now: now) { return true }
                if try await replay(until: deadline, now: now) { return true }
                return inProgress.hasPostponed
            }
        }
        inProgress.match(with: index, until: deadline, now: now)
        try await deliverFinished(at: now)
        return true
    }

    /// Takes note that nothing of the last step was stored.
    package func rolledBack() {
        inProgress.stop()
        reports.rolledBack()
    }

    // MARK: Events

    /// Begins events that wait, where there are any.
    private func beginEvents() async throws(StoreFailure) {
        inProgress.readmitPostponed()
        var waiting = try await waitingEvents()
        if waiting.isEmpty, skipping > 0 {
            skipping = 0
            waiting = try await waitingEvents()
        }
        guard !waiting.isEmpty else { return }
        // After the events are read: an expression that was changed before an event came is known then.
        try await updateIndex()
        inProgress.begin(waiting)
    }

    private func waitingEvents() async throws(StoreFailure) -> [WaitingEvent] {
        try await store.waitingEvents(
            besides: inProgress.excluded, skipping: skipping, limit: Self.eventLimit, maximumBytes: Self.maximumBytes)
    }

    /// Stores what the finished events match. They are no longer in progress even if that fails: they wait in the store.
    private func deliverFinished(at now: () -> Moment) async throws(StoreFailure) {
        let finished = inProgress.takeFinished()
        guard !finished.isEmpty else { return }
        for event in finished {
            for subscription in event.exceeded { reports.add(subscription) }
        }
        try await writeReports()
        let matches = finished.map {
            EventMatches(event: $0.number, subscriptions: $0.matches, deferred: $0.deferred)
        }
        let taken = try await store.deliver(matches, at: now())
        for match in matches { index.lagging.formUnion(match.deferred) }
        skipping = taken > 0 ? Int.random(in: 1...Self.eventLimit) : 0
    }

    func writeReports() async throws(StoreFailure) {
        for subscription in reports.takePending() {
            try await store.reportExpression(of: subscription, ExpressionReports.text)
        }
    }

    // MARK: Expressions

    /// Brings the index up to date with the store's expressions.
    private func updateIndex() async throws(StoreFailure) {
        while true {
            let changes = try await store.expressions(since: revision, limit: Self.changeLimit)
            if changes.isIncomplete {
                index = SubscriptionIndex()
                revision = 0
                continue
            }
            if revision == 0 { index.lagging = try await store.laggingSubscriptions() }
            for change in changes.changes {
                reports.forget(change.number)
                if let expression = change.expression {
                    index.set(expression, of: change.number, owner: change.owner)
                } else {
                    index.remove(change.number)
                }
            }
            revision = changes.revision
            guard changes.hasMore else { return }
        }
    }
}
