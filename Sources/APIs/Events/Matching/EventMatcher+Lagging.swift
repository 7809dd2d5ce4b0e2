internal import HTTP
internal import JSON
internal import JSONPath
internal import Values

/// Lagging subscriptions: their owners' expressions take too much time (`MatchingShares`).
extension EventMatcher {
    /// Tries events with one lagging subscription: as many as the time allows, and at least one. Calls alternate between
    /// owners, and between the subscriptions of an owner.
    /// - Returns: whether there was something to do.
    func tryLagging(until deadline: Timestamp, now: () -> Moment) async throws(StoreFailure) -> Bool {
        let waiting = try await store.waitingLag(
            after: lastLaggingOwner, lastLagging, limit: Self.eventsPerSubscription, maximumBytes: Self.maximumBytes)
        guard var lag = waiting else {
            index.lagging = []
            lastLagging = [:]
            return false
        }
        lastLaggingOwner = lag.owner
        lastLagging[lag.owner] = lag.subscription
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
            case .exceeds: reports.add(lag.subscription)
            case .differs: break
            }
        }
        try await writeReports()
        let stillLags = try await store.deliver(matched, of: lag, at: now())
        if !stillLags { index.lagging.remove(lag.subscription) }
        return !lag.events.isEmpty || !lag.isAtEnd
    }
}
