/// When a failed delivery is tried again. Times are in seconds.
package enum RetryPolicy: Equatable, Sendable {
    /// A number of retries (WEBHOOKS_MAX_RETRIES), each an interval (WEBHOOKS_RETRY_INTERVAL) after the end of the previous
    /// attempt.
    case fixed(retries: Int, interval: Double)
    /// One retry for each wait. A random delay is added to each wait so that the retries of a burst spread.
    case schedule([Double])

    /// Three days, as Standard Webhooks advises; one step is a minute, long enough for a deployment.
    package static let standard = RetryPolicy.schedule([
        5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400,
    ])

    /// The number of attempts in all.
    package var attempts: Int {
        switch self {
        case .fixed(let retries, _): retries + 1
        case .schedule(let waits): waits.count + 1
        }
    }

    /// The wait before the next attempt once `attempts` have failed, or `nil` to give up.
    /// - Parameters:
    ///   - asked: the seconds that the receiver asked for (Retry-After). The next attempt is never sooner; only an hour of
    ///     them counts under `fixed`, six hours under `schedule`.
    ///   - isOverloaded: whether the receiver seems overloaded; a schedule then waits at least 30 s, unless `asked` is set.
    ///   - jitter: from 0 to 1.
    package func wait(after attempts: Int, asked: Double? = nil, isOverloaded: Bool = false, jitter: Double) -> Double?
    {
        switch self {
        case .fixed(let retries, let interval):
            guard attempts <= retries else { return nil }
            return max(interval, min(asked ?? 0, 3600))
        case .schedule(let waits):
            guard attempts <= waits.count, attempts > 0 else { return nil }
            var wait = waits[attempts - 1]
            wait += min(wait * 0.1, 900) * jitter
            if isOverloaded, asked == nil { wait = max(wait, 30) }
            return max(wait, min(asked ?? 0, 21_600))
        }
    }
}
