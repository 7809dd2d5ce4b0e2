/// The retry policy that a destination uses. The named policies are looked up at each failed attempt, so that a change of
/// settings reaches all destinations that use them.
package enum RetryChoice: Equatable, Sendable {
    case fixed
    case standard
    /// EVENTS_RETRY_SCHEDULE.
    case events
    case own(RetryPolicy)
}

/// The values of the named policies.
package struct RetryPolicies: Equatable, Sendable {
    package var fixed = RetryPolicy.fixed(retries: 3, interval: 1)
    package var standard = RetryPolicy.standard
    package var events = RetryPolicy.schedule([5, 60, 300, 1800, 7200])

    package init() {}

    package subscript(choice: RetryChoice) -> RetryPolicy {
        switch choice {
        case .fixed: fixed
        case .standard: standard
        case .events: events
        case .own(let policy): policy
        }
    }
}
