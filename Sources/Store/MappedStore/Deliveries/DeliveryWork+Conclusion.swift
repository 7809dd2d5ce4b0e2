internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// An attempt that has ended, and its consequences.
private struct Conclusion {
    let result: DeliveryResult
    let destination: Destination
    /// `nil` if it is no longer stored, or damaged.
    let payload: Payload?
    let policy: RetryPolicy
    let verdict: Verdict
    let isForOperators: Bool
    /// The delivery as it is stored now; `nil` if it has ended.
    let stored: Delivery?

    /// How many attempts there were, this one included.
    var attempts: UInt32 { result.delivery.attempts + 1 }

    /// Whether the worker that made the attempt still owns the delivery. After its lease, another worker may own it.
    var isOurs: Bool { stored?.owner == result.delivery.owner }

    /// Whether this attempt ends or postpones the stored delivery. A late failure does not: the new owner's attempt will.
    var counts: Bool { isOurs || result.attempt.failure == nil }

    /// How many seconds to wait for the next attempt; `nil` if none follows.
    var wait: Double? { if case .retry(let seconds) = verdict { seconds } else { nil } }
}

/// Ends attempts.
extension DeliveryWork {
    /// Ends an attempt. Its delivery then has ended, or waits for the next attempt.
    mutating func conclude(
        _ result: DeliveryResult, _ policies: RetryPolicies, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard let conclusion = try conclusion(of: result, policies, in: transaction) else { return }
        // An attempt is logged and counted even if another worker owns the delivery now.
        let line = try log(conclusion, in: &transaction)
        try count(conclusion, in: &transaction)
        guard let stored = conclusion.stored, conclusion.counts else { return }
        let gate = try advance(stored, conclusion, in: &transaction)
        let news = note(conclusion, line, gate: gate)
        if !conclusion.isForOperators {
            try tell(
                result, conclusion.verdict, line, disabling: news.disabling, percent: news.percent, in: &transaction)
        }
    }

    /// The consequences of an attempt; `nil` if its destination is gone or damaged. The deliveries of a destination that is
    /// gone count as in flight until they are removed.
    private mutating func conclusion(
        of result: DeliveryResult, _ policies: RetryPolicies, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Conclusion? {
        let number = result.delivery.destination
        guard let (destination, _) = try destination(number, in: transaction) else { return nil }
        let policy = policies[destination.policy]
        let verdict = result.attempt.verdict(
            policy, destination.protocolKind, attempts: Int(result.delivery.attempts) + 1,
            trigger: result.delivery.trigger, wish: result.wish, jitter: result.jitter)
        let stored = try store.delivery(like: result.delivery, in: transaction)
        return Conclusion(
            result: result, destination: destination,
            payload: try store.readablePayload(result.delivery.payload, in: transaction), policy: policy,
            verdict: verdict, isForOperators: try store.operatorsDestination(in: transaction) == number,
            stored: stored)
    }

    private mutating func log(
        _ conclusion: Conclusion, in transaction: inout Transaction
    ) throws(LMDBError) -> AttemptRecord {
        let nextRetryAt = conclusion.wait.map { moment.wall.adding(seconds: $0) }
        return try log(
            conclusion.result.attempt, of: conclusion.result.delivery, conclusion.destination, conclusion.payload,
            count: conclusion.attempts, nextRetryAt: conclusion.isOurs ? nextRetryAt : nil,
            isFinal: conclusion.counts && nextRetryAt == nil, in: &transaction)
    }

    private mutating func count(_ conclusion: Conclusion, in transaction: inout Transaction) throws(LMDBError) {
        let result = conclusion.result
        if conclusion.isForOperators {
            try store.count(operationalCall: result.attempt, in: &transaction)
        } else {
            metrics.metrics.count(result.attempt, isReusedConnection: result.isReusedConnection)
        }
        metrics.progressed = moment.steady
    }

    /// Removes a delivery that has ended, or schedules its next attempt.
    /// - Returns: the hold until the next attempt, if the destination is ordered; otherwise `nil`.
    private mutating func advance(
        _ stored: Delivery, _ conclusion: Conclusion, in transaction: inout Transaction
    ) throws(LMDBError) -> Timestamp? {
        if stored.owner != 0 { state.inFlight -= min(state.inFlight, 1) }
        if conclusion.verdict == .delivered, !conclusion.isForOperators, let payload = conclusion.payload {
            metrics.metrics.latency.add(moment.wall.seconds(since: payload.receivedAt))
        }
        try store.tables.deliveries.remove(DeliveryKey(stored), in: &transaction)
        guard let wait = conclusion.wait else {
            state.pending -= min(state.pending, 1)
            try store.tables.holds.remove(OwnedNumber(stored.payload, stored.number), in: &transaction)
            return nil
        }
        var next = stored
        next.attempts = conclusion.attempts
        next.owner = 0
        let due = moment.steady.adding(seconds: wait)
        // An ordered delivery keeps its due time, so that it stays first; the hold delays its next attempt.
        let isOrdered = conclusion.destination.limits.isOrdered
        if !isOrdered { next.due = due }
        try put(next, in: &transaction)
        return isOrdered ? due : nil
    }

    /// Updates the destination and its state after an attempt.
    /// - Returns: why this attempt disabled the destination, and how much of the time of failures that disables it has
    ///   passed, in percent; `nil` for what is not to be reported.
    private mutating func note(
        _ conclusion: Conclusion, _ line: AttemptRecord, gate: Timestamp?
    ) -> (disabling: String?, percent: Int?) {
        let now = moment
        var news: (disabling: String?, percent: Int?)
        change(conclusion.destination.number) { destination, state in
            state.gate = gate
            if conclusion.wait == nil { state.pending -= min(state.pending, 1) }
            state.lastTriggered = line.summary
            if conclusion.verdict != .delivered { state.lastErrored = line.summary }
            if let consent = conclusion.result.consent { destination.accept(consent) }
            let reason = state.health.conclude(
                conclusion.result, conclusion.verdict, conclusion.policy, destination.protocolKind, at: now.steady)
            news.percent = state.health.newPercent(at: now.steady)
            guard let reason, !conclusion.isForOperators, !destination.isDisabled(at: now.wall) else { return }
            destination.disable(since: now.wall)
            destination.disabledReason = reason
            news.disabling = reason
        }
        return news
    }
}
