internal import Events
internal import Linux
internal import Logging
internal import Storage
internal import Values

/// Matches waiting events with subscriptions.
final class MatchingWork {
    private let store: any StorageEngine
    private let matcher: EventMatcher
    private let failures: WorkFailures
    private var seenVersion: UInt64?
    private var hasMore = true
    /// By `SystemClock.bootTimeMicroseconds`.
    private var triesAgainAt: Int64 = 0

    /// How long one call of `work` may match. Deliveries wait meanwhile.
    private static let seconds = 0.02

    init(_ store: any StorageEngine, _ failures: WorkFailures) {
        self.store = store
        self.failures = failures
        matcher = EventMatcher(store: store.matching)
    }

    /// Whether there is more to match at once.
    var isDue: Bool { hasMore && SystemClock.bootTimeMicroseconds() >= triesAgainAt }

    /// Matches until no event waits or `seconds` are over.
    func work() async {
        guard SystemClock.bootTimeMicroseconds() >= triesAgainAt else { return }
        do throws(StoreFailure) {
            let version = try store.version()
            guard hasMore || version != seenVersion else { return }
            let deadline = store.clock.now().steady.adding(seconds: Self.seconds)
            repeat {
                seenVersion = try store.version()
                hasMore = try await matcher.match(until: deadline, now: store.clock.now)
                try store.commit()
            } while hasMore && store.clock.now().steady < deadline
        } catch {
            matcher.rolledBack()
            triesAgainAt = await failures.handle(error, "events have to wait; trying again every second")
        }
    }
}
