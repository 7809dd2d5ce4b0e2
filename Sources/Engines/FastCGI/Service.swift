package import HTTP
package import Values

/// What a responder does with its requests: the one thing the loop that reads and writes them knows of the application.
package protocol Service: AnyObject {
    /// Whether requests have written something that waits for `commit`, and more of them shall share it: those that came
    /// while this process waited for its turn to write.
    var gathers: Bool { get }

    /// Whether a transaction is open that `commit` ends: while there is one, no other process writes.
    var isWriting: Bool { get }

    /// Whether a request has broken the transaction that the turn's requests share. Nothing that the turn wrote is kept.
    var isTurnBroken: Bool { get }

    /// Throws away what was written since the last commit. The requests that wrote it are answered anew.
    func forgetTurn()

    /// What requests wait for besides the store.
    var sources: [any LoopSource] { get }

    /// Answers a request. What it wrote is kept once `commit`, and where that says so `settle`, has returned.
    func answer(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer

    /// Whether there is something new for each of those who wait, or that cannot be told.
    func news(for interests: [any Interest]) async -> [Bool]

    /// Notes why a request was not answered as it was asked to be. Failures of `commit` and `settle` are not among these.
    func report(_ failure: StoreFailure)

    /// Makes all that was written since the last call take effect, as one.
    func commit() -> CommitOutcome

    /// Waits until what was committed last survives anything.
    /// - Returns: `nil` once it does, or why it may be lost.
    func settle() -> StoreFailure?

    /// What to answer to a request whose writes are not kept, in the words of the API that it belongs to.
    func response(to failure: StoreFailure, at target: Target) -> Response

    /// Notes that a request of the APIs was answered.
    /// - Parameters:
    ///   - target: `nil` where the request made no sense.
    ///   - microseconds: since it had been read.
    func count(_ target: Target?, status: Int, microseconds: Int64)

    /// Differs whenever the store has changed, by whichever process; `nil` where that cannot be told. Cheap: it is read
    /// every few milliseconds.
    var version: UInt64? { get }
}

extension Service {
    package var sources: [any LoopSource] { [] }

    package func news(for interests: [any Interest]) async -> [Bool] { interests.map { _ in true } }

    package func report(_ failure: StoreFailure) {}

    package func count(_ target: Target?, status: Int, microseconds: Int64) {}
    package var isWriting: Bool { false }

    package var isTurnBroken: Bool { false }

    package func forgetTurn() {}
}

/// What became of the writes of a turn.
package enum CommitOutcome {
    /// There were none.
    case nothing
    /// They are kept, and so are those of the turns before.
    case kept
    /// They have taken effect, and are kept once the next commit or `settle` has returned. Those of the turns before are.
    case keptByNext
    /// None of them has taken effect.
    case failed(StoreFailure)

    /// Why none of them has taken effect, where one of several requests may be the cause and the others can be made again.
    package var failureOfOne: StoreFailure? {
        switch self {
        case .failed(.full): .full
        case .failed(.damaged(let what)): .damaged(what)
        case .failed(.unavailable), .failed(.lost), .failed(.rolledBack), .nothing, .kept, .keptByNext: nil
        }
    }
}
