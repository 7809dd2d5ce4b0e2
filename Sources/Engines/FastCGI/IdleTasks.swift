/// The tasks of a loop that have nothing to do.
///
/// A task keeps the memory that it has once needed, some kilobytes. Most connections wait for a request, and have none.
@safe final class IdleTasks {
    /// How many are kept: to make one costs a twentieth of a webhook.
    private var limit = 128
    private var tasks: [UnsafeContinuation<UInt64?, Never>] = unsafe []

    /// Whether one more is kept.
    var hasRoom: Bool { unsafe tasks.count < limit }

    /// - Parameter task: is given the token of a connection to serve, or `nil` where it has to end.
    func add(_ task: UnsafeContinuation<UInt64?, Never>) { unsafe tasks.append(task) }

    /// Has one of them serve a connection.
    /// - Returns: false where there is none.
    func serve(_ token: UInt64) -> Bool {
        guard let task = unsafe tasks.popLast() else { return false }
        unsafe task.resume(returning: token)
        return true
    }

    /// Ends them, and keeps no more.
    func end() {
        limit = 0
        while let task = unsafe tasks.popLast() { unsafe task.resume(returning: nil) }
    }
}
