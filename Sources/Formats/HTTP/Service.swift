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

    /// Throws away what was written since the last commit. The requests that wrote it are answered again.
    func forgetTurn()

    /// Answers a request. What it wrote is kept once `commit`, and where that says so `settle`, has returned.
    func answer(_ request: Request) -> Answer

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
        case .failed(.unavailable), .failed(.lost), .nothing, .kept, .keptByNext: nil
        }
    }
}

package enum Answer {
    /// True whatever becomes of what was written.
    case now(Response)
    /// True only once what was written is kept.
    case afterCommit(Response)
    /// The same, but made only then, as it takes long to make and nobody shall wait for the commit meanwhile.
    case madeAfterCommit(() -> Response)
    /// The beginning of one that is long, true only once what was written is kept; others are answered before each part that
    /// follows. Where a part cannot be made, the answer breaks off.
    case inParts(Response, rest: BodyParts)
    /// Not known yet.
    case wait(Waiting)
    /// Not known before somebody else has answered; once that is so, the request is answered anew. Nothing is written yet.
    case ask(Pending)
}

extension Answer {
    /// Whether it is true only once the turn's writes are kept.
    package var dependsOnCommit: Bool {
        switch self {
        case .afterCommit, .madeAfterCommit, .inParts: true
        case .now, .wait, .ask: false
        }
    }
}

/// Makes the next part of a body; `nil` once the body has ended. A part may be empty.
package typealias BodyParts = () throws(StoreFailure) -> [UInt8]?

/// A request that is answered later: when what it waits for is there, when its time is up, or when the responder stops.
package struct Waiting {
    /// How long to wait at the most, in milliseconds.
    package let milliseconds: Int
    /// What the request waits for: an endpoint, or a user. Places to wait are shared by this and by the client's address.
    package let subject: String
    /// The answer where too many requests wait already.
    package let tooMany: Response
    private let lookAgain: (_ mayBeLong: Bool) -> Answer?
    private let answerAtEnd: (_ mayBeLong: Bool) -> Answer

    /// - Parameters:
    ///   - look: looks again, after the store has changed; `nil` goes on waiting.
    ///   - giveUp: the answer when the time is up. Both are given what `Request.mayBeLong` says at that moment.
    package init(
        milliseconds: Int, subject: String, tooMany: Response, look: @escaping (_ mayBeLong: Bool) -> Answer?,
        giveUp: @escaping (_ mayBeLong: Bool) -> Answer
    ) {
        self.milliseconds = milliseconds
        self.subject = subject
        self.tooMany = tooMany
        lookAgain = look
        answerAtEnd = giveUp
    }

    package func look(mayBeLong: Bool = true) -> Answer? { lookAgain(mayBeLong) }

    package func giveUp(mayBeLong: Bool = true) -> Answer { answerAtEnd(mayBeLong) }
}

/// What a request needs to know that somebody outside has been asked.
package struct Pending {
    /// Whether it is known by now, or known not to be told. Cheap: it is asked whenever anything has become known.
    package let isOver: () -> Bool
    /// What to answer when it takes too long, or too many wait already.
    package let giveUp: () -> Response

    package init(isOver: @escaping () -> Bool, giveUp: @escaping () -> Response) {
        self.isOver = isOver
        self.giveUp = giveUp
    }
}
