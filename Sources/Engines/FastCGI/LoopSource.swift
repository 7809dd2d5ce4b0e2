package import SystemPackage

/// Something besides the store that requests wait for. The loop watches it, and says when to go on with it.
package protocol LoopSource: AnyObject {
    /// Can be read when there is something to do.
    var descriptor: FileDescriptor { get }

    /// When there is something to do all the same, by `SystemClock.bootTimeMicroseconds`.
    var dueMicroseconds: Int64? { get }

    /// Whether something has begun that is to be finished before the process ends.
    var isBusy: Bool { get }

    /// Does what can be done at once. It may write to the store.
    /// - Returns: whether something has become known, or known not to be told.
    func work() -> Bool
}

extension LoopSource {
    package var isBusy: Bool { false }
}
