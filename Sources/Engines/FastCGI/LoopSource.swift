package import SystemPackage

/// A source of results from outside the store, such as lookups, that requests wait for. The loop watches it, and calls
/// `work` when it is ready.
package protocol LoopSource: AnyObject {
    /// Becomes readable when `work` has something to do.
    var descriptor: FileDescriptor { get }

    /// When `work` is due even if the descriptor is not readable, by `SystemClock.bootTimeMicroseconds`; `nil` for
    /// never.
    var dueMicroseconds: Int64? { get }

    /// Whether work has begun that must be finished before the process ends.
    var isBusy: Bool { get }

    /// Does what can be done without waiting. It may write to the store.
    /// - Returns: whether any lookup or job has ended, with or without a result.
    func work() -> Bool
}

extension LoopSource {
    package var isBusy: Bool { false }
}
