/// The idle tasks of a loop.
///
/// A task holds on to the memory that it once needed, some kilobytes. Most connections wait for a request, and have no
/// task.
@safe final class IdleTasks {
    /// How many idle tasks are kept for reuse. To make a new one costs a twentieth of what a webhook costs.
    private var limit = 128
    private var tasks: [UnsafeContinuation<UInt64?, Never>] = unsafe []

    /// Whether one more idle task would be kept.
    var hasRoom: Bool { unsafe tasks.count < limit }

    /// - Parameter task: is resumed with the token of a connection to serve, or with `nil` to end.
    func add(_ task: UnsafeContinuation<UInt64?, Never>) { unsafe tasks.append(task) }

    /// Gives a connection to an idle task.
    /// - Returns: false if no task is idle.
    func serve(_ token: UInt64) -> Bool {
        guard let task = unsafe tasks.popLast() else { return false }
        unsafe task.resume(returning: token)
        return true
    }

    /// Ends all idle tasks. None is kept from now on.
    func end() {
        limit = 0
        while let task = unsafe tasks.popLast() { unsafe task.resume(returning: nil) }
    }
}
