/// The reports that an expression takes too long: one report for each subscription, until its expression changes.
///
/// When the step that wrote a report is rolled back, the report is pending again.
struct ExpressionReports {
    static let text = "the expression took too long for an event, which was treated as not matching"

    /// Subscriptions whose current expression was found to take too long.
    private var found: Set<UInt64> = []
    /// Those of `found` whose report has not been written.
    private var pending: Set<UInt64> = []
    /// Those whose report was written in the current step, which is not committed yet.
    private var written: Set<UInt64> = []

    /// Records that a subscription's expression took too long.
    mutating func add(_ subscription: UInt64) {
        if found.insert(subscription).inserted { pending.insert(subscription) }
    }

    /// Forgets a subscription whose expression has changed, or that was removed.
    mutating func forget(_ subscription: UInt64) {
        found.remove(subscription)
        pending.remove(subscription)
    }

    /// The subscriptions to report now, in ascending order. The current step must write their reports.
    mutating func takePending() -> [UInt64] {
        defer {
            written.formUnion(pending)
            pending = []
        }
        return pending.sorted()
    }

    /// Begins a step; the previous one was committed.
    mutating func beginStep() { written = [] }

    mutating func rolledBack() {
        pending.formUnion(written)
        written = []
    }
}
