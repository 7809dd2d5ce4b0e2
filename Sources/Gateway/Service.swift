/// What a responder does with its requests: the one thing the loop that reads and writes them knows of the application.
package protocol Service: AnyObject {
    /// Answers a request. What it wrote is kept only once `commit` has returned `nil`.
    func answer(_ request: Request) -> Answer

    /// Makes all that was written since the last call last, as one.
    /// - Returns: `nil` once it is kept, or what to answer instead to every request that wrote, none of it being kept.
    func commit() -> Response?

    /// Differs whenever the store has changed, by whichever process; `nil` where that cannot be told. Cheap: it is read
    /// every few milliseconds.
    var version: UInt64? { get }
}

package enum Answer {
    /// True whatever becomes of what was written.
    case now(Response)
    /// True only once what was written is kept.
    case afterCommit(Response)
    /// Not known yet.
    case wait(Waiting)
}

/// A request that is answered later: when what it waits for is there, when its time is up, or when the responder stops.
package struct Waiting {
    /// How long to wait at the most, in milliseconds.
    package let milliseconds: Int
    /// Looks again, after the store has changed; `nil` goes on waiting.
    package let look: () -> Answer?
    /// What to answer when there was nothing to wait for any longer.
    package let giveUp: () -> Answer

    package init(milliseconds: Int, look: @escaping () -> Answer?, giveUp: @escaping () -> Answer) {
        self.milliseconds = milliseconds
        self.look = look
        self.giveUp = giveUp
    }
}
