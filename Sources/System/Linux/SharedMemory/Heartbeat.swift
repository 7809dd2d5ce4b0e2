/// Shows the supervisor that a process's loop is running: a number that the process increments, and a flag that is set
/// while it waits for a lock that another process may hold.
package final class Heartbeat {
    private let counters: SharedNumbers
    private let index: Int

    /// The longest time between two beats of a loop that has nothing to do.
    package static let milliseconds = 1000

    /// - Parameter index: the index of the first of the process's two numbers.
    package init(_ counters: SharedNumbers, at index: Int) {
        self.counters = counters
        self.index = index
    }

    /// Called once in each turn of the loop.
    package func beat() { counters.add(at: index) }

    /// Set before the process waits for the store's write lock, and cleared once it has it.
    package func setWaiting(_ isWaiting: Bool) { counters[index + 1] = isWaiting ? 1 : 0 }
}
