/// When a delivery that failed is tried again. Times are in seconds.
package enum RetryPolicy: Equatable, Sendable {
    /// So many retries, each so long after the end of the attempt before: WEBHOOKS_MAX_RETRIES times
    /// WEBHOOKS_RETRY_INTERVAL.
    case fixed(retries: Int, interval: Double)
    /// One retry for each wait, a little later each time so that the retries of a burst spread.
    case schedule([Double])

    /// Three days, as Standard Webhooks advises, with a step of a minute that a deploy fits into.
    package static let standard = RetryPolicy.schedule([
        5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400,
    ])

    /// How many attempts there are in all.
    package var attempts: Int {
        switch self {
        case .fixed(let retries, _): retries + 1
        case .schedule(let waits): waits.count + 1
        }
    }

    /// The wait before the next attempt once `attempts` have failed, or `nil` to give up.
    /// - Parameters:
    ///   - asked: what the receiver asked for (Retry-After); it is never tried sooner, and waited for an hour at the most
    ///     under `fixed`, six hours under `schedule`.
    ///   - isOverloaded: whether the receiver seems to have too much to do; a schedule then waits half a minute at least.
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
