/// The reports that a subscription's expression takes too long: one for each expression, until it changes.
///
/// A report that is written counts as pending again where the step that wrote it is rolled back.
struct ExpressionReports {
    static let text = "the expression takes too long for an event, which then counts as not matching"

    /// Subscriptions whose present expression has been found to take too long.
    private var found: Set<UInt64> = []
    /// Those of `found` whose report is not written yet.
    private var pending: Set<UInt64> = []
    /// Those whose report the current step has written, and which is not committed yet.
    private var written: Set<UInt64> = []

    /// Notes that a subscription's expression took too long.
    mutating func add(_ subscription: UInt64) {
        if found.insert(subscription).inserted { pending.insert(subscription) }
    }

    /// Forgets a subscription whose expression has changed, or that is gone.
    mutating func forget(_ subscription: UInt64) {
        found.remove(subscription)
        pending.remove(subscription)
    }

    /// The subscriptions to report now, in ascending order. The current step writes the reports.
    mutating func takePending() -> [UInt64] {
        defer {
            written.formUnion(pending)
            pending = []
        }
        return pending.sorted()
    }

    /// The step before this one was committed.
    mutating func beginStep() { written = [] }

    mutating func rolledBack() {
        pending.formUnion(written)
        written = []
    }
}
