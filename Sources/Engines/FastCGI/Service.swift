package import HTTP
package import Values

/// The application, as the loop sees it: it answers requests, and commits what they write.
package protocol Service: AnyObject {
    /// Whether a write transaction is open. Until `commit` ends it, no other process can write.
    var isWriting: Bool { get }

    /// Whether a request has broken the transaction that the turn's requests share. Then none of the turn's writes is
    /// kept.
    var isTurnBroken: Bool { get }

    /// Discards all writes since the last commit. The requests that made them are answered again.
    func forgetTurn()

    /// The sources of results from outside the store that requests wait for.
    var sources: [any LoopSource] { get }

    /// Answers a request. Its writes are kept once `commit` has returned and `isDurable` is true for the ticket after it.
    func answer(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer

    /// Makes the operations that requests wait for, where the store gathers them.
    /// - Returns: whether there were any: their requests can go on.
    func makeGathered() -> Bool

    /// For each interest, whether there is something new; true also if that is not known.
    func news(for interests: [any Interest]) async -> [Bool]

    /// Reports a failure of the store that a request met. Failures of `commit` and `beginFlush` are not passed to this.
    func report(_ failure: StoreFailure)

    /// Commits everything that was written since the last call, together.
    func commit() -> CommitOutcome

    /// The number of the last transaction that this process has read or committed. An answer that was made before may
    /// depend on it, and must not leave before it is durable: what a client has seen must not be undone.
    var ticket: UInt64 { get }

    /// Whether no crash can undo a transaction, nor any before it.
    func isDurable(_ ticket: UInt64) -> Bool

    /// Makes the transaction of `ticket` durable: at once, or in the background; then a source becomes readable.
    /// - Returns: why the writes may be lost; else `nil`.
    func beginFlush() -> StoreFailure?

    /// The response to a request for which the store failed, in the form of the API that it belongs to.
    func response(to failure: StoreFailure, at target: Target) -> Response

    /// Counts an answered request of the APIs.
    /// - Parameters:
    ///   - target: `nil` if the request was invalid.
    ///   - microseconds: from reading the request to its answer.
    func count(_ target: Target?, status: Int, microseconds: Int64)

    /// A number that differs whenever any process has changed the store; `nil` if it cannot be read. It must be cheap:
    /// it is read every few milliseconds.
    var version: UInt64? { get }
}

extension Service {
    package var sources: [any LoopSource] { [] }

    package func news(for interests: [any Interest]) async -> [Bool] { interests.map { _ in true } }

    package func makeGathered() -> Bool { false }

    package func report(_ failure: StoreFailure) {}

    package func count(_ target: Target?, status: Int, microseconds: Int64) {}

    package var ticket: UInt64 { 0 }

    package func isDurable(_ ticket: UInt64) -> Bool { true }

    package func beginFlush() -> StoreFailure? { nil }

    package var isWriting: Bool { false }

    package var isTurnBroken: Bool { false }

    package func forgetTurn() {}
}

/// The outcome of committing a turn's writes.
package enum CommitOutcome {
    /// There were no writes.
    case nothing
    /// The writes have taken effect.
    case committed
    /// None of the writes has taken effect.
    case failed(StoreFailure)

    /// The failure, if one of several requests may be its cause and the others can be answered again; else `nil`.
    package var failureOfOne: StoreFailure? {
        switch self {
        case .failed(.full): .full
        case .failed(.damaged(let what)): .damaged(what)
        case .failed(.unavailable), .failed(.lost), .failed(.rolledBack), .nothing, .committed: nil
        }
    }
}
