internal import HTTP
internal import JSONPath
package import Values

/// Matches waiting events with the expressions of all subscriptions, in small steps.
///
/// Several matchers may work on one store. An event belongs to the matcher that first stores its matches. A matcher that
/// loses this race skips a random number of waiting events the next time.
///
/// Each step does one of these: match events (`EventsInProgress`), try events with a lagging subscription
/// (EventMatcher+Lagging.swift), or continue a replay (EventMatcher+Replays.swift).
package final class EventMatcher {
    let store: any MatchingStore
    var index = SubscriptionIndex()
    /// The revision of the store's expressions that `index` contains.
    private var revision: UInt64 = 0
    private var inProgress = EventsInProgress()
    var reports = ExpressionReports()
    private var schedule = MatchingSchedule()
    /// How many of the oldest waiting events to leave to another matcher.
    private var skipping = 0

    /// The owner of the lagging subscription that was tried last, and for each owner the subscription that was tried last.
    var lastLaggingOwner: UUID?
    var lastLagging: [UUID: UInt64] = [:]

    /// The subscription whose replay was continued last.
    var lastReplayed: UInt64?

    private static let eventLimit = 64
    private static let changeLimit = 10_000
    /// Events that a step tries with one subscription.
    static let eventsPerSubscription = 16
    static let maximumBytes = 4 << 20

    package init(store: any MatchingStore) { self.store = store }

    /// Does one step. What it writes lasts once the store's `commit` has returned. If the step or the commit fails, call
    /// `rolledBack`.
    /// - Parameter deadline: on the steady clock. No expression is begun after it.
    /// - Returns: whether there may be more to do now.
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

    /// Records that nothing of the last step was stored.
    package func rolledBack() {
        inProgress.stop()
        reports.rolledBack()
    }

    // MARK: Events

    /// Begins waiting events, if there are any.
    private func beginEvents() async throws(StoreFailure) {
        inProgress.readmitPostponed()
        var waiting = try await waitingEvents()
        if waiting.isEmpty, skipping > 0 {
            skipping = 0
            waiting = try await waitingEvents()
        }
        guard !waiting.isEmpty else { return }
        // Update after reading the events: then every change made before one of them arrived is included.
        try await updateIndex()
        inProgress.begin(waiting)
    }

    private func waitingEvents() async throws(StoreFailure) -> [WaitingEvent] {
        try await store.waitingEvents(
            besides: inProgress.excluded, skipping: skipping, limit: Self.eventLimit, maximumBytes: Self.maximumBytes)
    }

    /// Stores the matches of finished events. If that fails, they are no longer in progress, but still wait in the store.
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
