internal import HTTP
package import Values

/// How a destination has fared: what the circuit breaker, the rate limit and the automatic disabling go by. Times are of
/// the steady clock.
package struct DestinationHealth: Equatable, Sendable {
    // What has happened since the destination was made.
    package var delivered: UInt64 = 0
    package var failedAttempts: UInt64 = 0
    package var givenUp: UInt64 = 0

    /// Attempts that have failed since one succeeded.
    package var failuresInRow: UInt64 = 0
    /// Since when there have been failures alone; `nil` where the last attempt succeeded.
    package var failingSince: Timestamp?
    /// When a delivery was first given up since then.
    package var givenUpSince: Timestamp?

    /// How far it had come on the way to being disabled when that was told last, in percent.
    package var toldPercent: UInt64 = 0

    // The last minute, or what of it has passed.
    package var windowStart = Timestamp(microseconds: 0)
    package var windowAttempts: UInt64 = 0
    package var windowFailures: UInt64 = 0

    /// Nothing is sent before this time; from then on one attempt at a time, until one succeeds.
    package var opensAt: Timestamp?
    /// How long the breaker stays open the next time.
    package var openSeconds: Double = Self.firstOpenSeconds

    /// When the attempts of before count no longer against the rate limit.
    package var rateFree: Timestamp?

    static let firstOpenSeconds = 30.0
    static let longestOpenSeconds = 600.0

    package init() {}

    /// How many attempts may be begun now, and when to ask again where that is none.
    /// - Parameter inFlight: how many are being made.
    package func allowance(
        _ destination: Destination, inFlight: Int, at now: Timestamp
    ) -> (count: Int, again: Timestamp?) {
        var count = (destination.limits.isOrdered ? 1 : destination.limits.inFlight) - inFlight
        if let opensAt {
            if now < opensAt { return (0, opensAt) }
            count = 1 - inFlight
        }
        // One asks; the others need not.
        if destination.lacksConsent { count = min(count, 1 - inFlight) }
        if let rate = destination.limits.rate {
            // As many at once as a second allows.
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

    /// Lets what has failed count no longer.
    package mutating func forgive() {
        endFailing()
        (windowAttempts, windowFailures) = (0, 0)
    }

    /// Counts an attempt that is over.
    /// - Returns: why the destination has to be disabled; `nil` where it has not.
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
        return "nothing but failures for \(Int(hours(failingSince ?? now))) hours"
    }

    /// Failures alone for so long disable a destination.
    static let disablingHours = 120.0

    /// Which part of the way to being disabled was come since that was told last, in percent; `nil` where there is nothing to
    /// tell.
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

    /// Ten failures in a row, or 70 % of ten or more in a minute; a probe that fails doubles the time.
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
