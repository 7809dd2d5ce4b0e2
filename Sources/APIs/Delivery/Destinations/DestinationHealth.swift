internal import HTTP
package import Values

/// The failure history of a destination, used by the circuit breaker, the rate limit and the automatic disabling. Times are
/// on the steady clock.
package struct DestinationHealth: Equatable, Sendable {
    // Totals since the destination was created.
    package var delivered: UInt64 = 0
    package var failedAttempts: UInt64 = 0
    package var givenUp: UInt64 = 0

    /// Failed attempts since the last success.
    package var failuresInRow: UInt64 = 0
    /// When the current run of failures began; `nil` if the last attempt succeeded.
    package var failingSince: Timestamp?
    /// When the first delivery was given up in the current run of failures.
    package var givenUpSince: Timestamp?

    /// The last reported share of the time until the destination is disabled, in percent.
    package var toldPercent: UInt64 = 0

    // The current window, which lasts up to a minute.
    package var windowStart = Timestamp(microseconds: 0)
    package var windowAttempts: UInt64 = 0
    package var windowFailures: UInt64 = 0

    /// Nothing is sent before this time; after it one attempt at a time, until one succeeds.
    package var opensAt: Timestamp?
    /// How long the breaker stays open the next time, in seconds.
    package var openSeconds: Double = Self.firstOpenSeconds

    /// When the earlier attempts stop counting against the rate limit.
    package var rateFree: Timestamp?

    static let firstOpenSeconds = 30.0
    static let longestOpenSeconds = 600.0

    package init() {}

    /// How many attempts may begin now. If the breaker or the rate limit allows none, `again` is when to ask again.
    /// - Parameter inFlight: the number of attempts in flight.
    package func allowance(
        _ destination: Destination, inFlight: Int, at now: Timestamp
    ) -> (count: Int, again: Timestamp?) {
        var count = (destination.limits.isOrdered ? 1 : destination.limits.inFlight) - inFlight
        if let opensAt {
            if now < opensAt { return (0, opensAt) }
            count = 1 - inFlight
        }
        // A single attempt asks for consent; the others wait for it.
        if destination.lacksConsent { count = min(count, 1 - inFlight) }
        if let rate = destination.limits.rate {
            // A burst may have as many attempts as one second allows.
            let free = (rateFree ?? now).seconds(since: now)
            let tokens = Int(max(0, max(1, rate) - max(0, free) * rate).rounded(.down))
            if tokens < 1 { return (0, now.adding(seconds: max(0.001, free - (max(1, rate) - 1) / rate))) }
            count = min(count, tokens)
        }
        return (max(0, count), nil)
    }

    /// Counts an attempt that begins.
    package mutating func begin(_ destination: Destination, at now: Timestamp) {
        guard let rate = destination.limits.rate else { return }
        rateFree = max(now, rateFree ?? now).adding(seconds: 1 / rate)
    }

    /// Resets the failure history.
    package mutating func forgive() {
        endFailing()
        (windowAttempts, windowFailures) = (0, 0)
    }

    /// Counts an attempt that has ended.
    /// - Returns: why the destination must be disabled; `nil` if it stays enabled.
    package mutating func conclude(
        _ verdict: Verdict, _ policy: RetryPolicy, _ kind: ProtocolKind = .webhook, at now: Timestamp
    ) -> String? {
        if now.seconds(since: windowStart) > 60 || now < windowStart {
            (windowStart, windowAttempts, windowFailures) = (now, 0, 0)
        }
        windowAttempts += 1
        guard verdict != .delivered else {
            delivered += 1
            endFailing()
            return nil
        }
        failedAttempts += 1
        failuresInRow += 1
        windowFailures += 1
        failingSince = failingSince ?? now
        if case .schedule = policy, kind == .webhook { breakCircuit(at: now) }
        guard verdict == .givenUp else { return nil }
        givenUp += 1
        let first = givenUpSince ?? now
        givenUpSince = first
        let hours = { (since: Timestamp) in now.seconds(since: since) / 3600 }
        guard hours(failingSince ?? now) >= Self.disablingHours, hours(first) >= 12 else { return nil }
        return "all attempts have failed for \(Int(hours(failingSince ?? now))) hours"
    }

    /// A destination is disabled when its attempts have only failed for this many hours.
    static let disablingHours = 120.0

    /// The share of the time until the destination is disabled, in percent, if it has passed 50, 70 or 90 since the last
    /// report; else `nil`.
    package mutating func newPercent(at now: Timestamp) -> Int? {
        guard let failingSince else { return nil }
        let percent = now.seconds(since: failingSince) / (36 * Self.disablingHours)
        guard let mark = [90, 70, 50].first(where: { percent >= Double($0) }), mark > toldPercent else { return nil }
        toldPercent = UInt64(mark)
        return mark
    }

    private mutating func endFailing() {
        (failuresInRow, failingSince, givenUpSince, toldPercent) = (0, nil, nil, 0)
        (opensAt, openSeconds) = (nil, Self.firstOpenSeconds)
    }

    /// Opens the breaker after ten failures in a row, or once 70 % of ten or more attempts in a minute have failed. A probe
    /// that fails doubles the time.
    private mutating func breakCircuit(at now: Timestamp) {
        if let opened = opensAt {
            guard now >= opened else { return }
            openSeconds = min(2 * openSeconds, Self.longestOpenSeconds)
        } else {
            let isBad = windowAttempts >= 10 && windowFailures * 10 >= windowAttempts * 7
            guard failuresInRow >= 10 || isBad else { return }
        }
        opensAt = now.adding(seconds: openSeconds)
    }
}
