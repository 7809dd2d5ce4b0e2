/// What an evaluation may cost, counted in steps: a node looked at, a few names or bytes compared, a state of a regular
/// expression. A step takes some nanoseconds, whatever it is.
struct Budget {
    private var steps: Int

    init(steps: Int) { self.steps = steps }

    mutating func spend(_ count: Int) throws(JSONPathBudgetExceeded) {
        steps -= count
        guard steps >= 0 else { throw JSONPathBudgetExceeded() }
    }

    /// Spends for bytes that are read in a row.
    mutating func spend(bytes: Int) throws(JSONPathBudgetExceeded) { try spend(1 + bytes / 16) }
}
