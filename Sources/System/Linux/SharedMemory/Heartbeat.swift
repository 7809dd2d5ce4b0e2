/// How a process shows its supervisor that its loop turns: a number that it counts up, and a mark while it waits for a lock
/// that another process may hold.
package final class Heartbeat {
    private let counters: SharedNumbers
    private let index: Int

    /// How often a loop that has nothing to do must turn all the same.
    package static let milliseconds = 1000

    /// - Parameter index: of the first of its two numbers.
    package init(_ counters: SharedNumbers, at index: Int) {
        self.counters = counters
        self.index = index
    }

    /// Once a turn.
    package func beat() { counters.add(at: index) }

    /// Set before the process waits for the store's write lock, and cleared once it has it.
    package func setWaiting(_ isWaiting: Bool) { counters[index + 1] = isWaiting ? 1 : 0 }
}
