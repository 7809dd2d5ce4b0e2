internal import HTTP
internal import JSON
internal import JSONPath
internal import Values

/// Replays: subscriptions that are sent past events.
extension EventMatcher {
    /// Tries events with one subscription that has a replay pending: as many as the time allows, and at least one.
    /// - Returns: whether a replay was pending.
    func replay(until deadline: Timestamp, now: () -> Moment) async throws(StoreFailure) -> Bool {
        let waiting = try await store.waitingReplay(
            after: lastReplayed, limit: Self.eventsPerSubscription, maximumBytes: Self.maximumBytes)
        guard var replay = waiting else { return false }
        lastReplayed = replay.subscription
        let query = try? JSONPath(parsing: replay.expression.text, dialect: replay.expression.dialect)
        var matched: [UInt64] = []
        for (position, event) in replay.events.enumerated() {
            if position > 0, now().steady >= deadline {
                replay.nextEvent = event.number
                break
            }
            guard let query, let value = try? JSON(parsing: event.body) else { continue }
            let matches = try? query.matches(JSONPathDocument(value))
            if matches ?? false { matched.append(event.number) }
        }
        try await store.deliver(matched, of: replay, at: now())
        return true
    }
}
