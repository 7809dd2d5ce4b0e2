package import Values

/// What a handler can wait for while it answers a request, and what it may know of the connection that the request came by.
///
/// Handlers of all connections run on one thread, one at a time, and another one goes on at each `await`. What they write
/// shares a transaction; `committed` says when it is kept.
package protocol RequestContext: AnyObject {
    /// Whether there is memory for an answer that is made in parts. Where this is false such an answer is refused before
    /// anything is changed; short answers are always made.
    var mayBeLong: Bool { get }

    /// Waits until all that the request has written is kept for good. A request that has written waits for nothing else before.
    /// - Throws: why nothing of it is kept. After `StoreFailure.rolledBack` the request is answered anew.
    func committed() async throws(StoreFailure)

    /// Sets memory aside for an answer that is made in parts, until that is sent.
    func reserveForParts()

    /// The time in so many milliseconds, for `news`.
    func deadline(milliseconds: Int) -> Deadline

    /// Waits for something new to read. The request's body is given up meanwhile.
    func news(for interest: any Interest, until deadline: Deadline) async -> Waking

    /// Waits for somebody outside, for a few seconds at the most in all.
    /// - Parameter enrol: is given what to call once something has become known. It is not called where the request cannot wait.
    /// - Returns: false where too many requests wait already, or this one has waited for too long, or its client has gone.
    func outside(_ enrol: (Wakeup) -> Void) async -> Bool
}

extension RequestContext {
    /// An answer once all that the request has written is kept.
    package func committed(_ response: Response) async throws(StoreFailure) -> Answer {
        try await committed()
        return .whole(response)
    }

    /// A long answer once all that the request has written is kept.
    package func committed(_ response: Response, _ rest: any BodyParts) async throws(StoreFailure) -> Answer {
        reserveForParts()
        try await committed()
        return .inParts(response, rest: rest)
    }
}

/// A time by the machine's clock.
package struct Deadline: Equatable, Sendable {
    /// By `SystemClock.bootTimeMicroseconds`.
    package let microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }
}

/// What a request waits for in the store. A class, so that it is told quickly which kind it is.
package protocol Interest: AnyObject {
    /// An endpoint, or a user. Places to wait are shared by this and by the client's address.
    var subject: String { get }
}

/// Why a request waits for news no longer.
package enum Waking: Equatable, Sendable {
    /// There is something new, or that cannot be told.
    case news
    /// The time is up, or the process stops.
    case over
    /// Too many requests wait already.
    case refused
    /// The client has gone: nobody reads the answer.
    case gone
}

/// Wakes a request that waits for somebody outside.
package final class Wakeup {
    package private(set) var isDue = false

    package init() {}

    /// Has the request go on, soon.
    package func wake() { isDue = true }
}

/// What a handler answers: true by the time that it is returned.
///
/// Indirect, so that each function on the way of an answer that waits has room for a reference alone.
package indirect enum Answer {
    case whole(Response)
    /// The beginning of one that is long. Others are answered before each part that follows; where a part cannot be made, the
    /// answer breaks off.
    case inParts(Response, rest: any BodyParts)
}

/// A body that is made in parts.
package protocol BodyParts: AnyObject {
    /// Makes the next part; `nil` once the body has ended. A part may be empty.
    func next() async throws(StoreFailure) -> [UInt8]?
}
