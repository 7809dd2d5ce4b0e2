/// The budget of an evaluation, counted in steps. A step is a node looked at, a few names or bytes compared, or a state
/// of a regular expression; each takes some nanoseconds.
struct Budget {
    private var steps: Int

    /// How many steps are left; 0 once more were needed than there were.
    var left: Int { max(0, steps) }

    init(steps: Int) { self.steps = steps }

    mutating func spend(_ count: Int) throws(JSONPathBudgetExceeded) {
        steps -= count
        guard steps >= 0 else { throw JSONPathBudgetExceeded() }
    }

    /// Spends steps for a run of bytes that is read.
    mutating func spend(bytes: Int) throws(JSONPathBudgetExceeded) { try spend(1 + bytes / 16) }
}
