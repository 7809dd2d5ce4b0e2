package import Values

/// What a handler may wait for while it answers a request, and what it may know about the request's connection.
///
/// Handlers of all connections run on one thread, one at a time; at each `await` others may run. Their writes share a
/// transaction; `committed` waits until it is kept.
package protocol RequestContext: AnyObject {
    /// Whether there is memory for an answer that is made in parts. If not, such an answer is refused before anything is
    /// changed; short answers are always made.
    var mayBeLong: Bool { get }

    /// Waits until all that the request has written is kept for good. After a write, a request must not wait for
    /// anything else before this.
    /// - Throws: why none of the writes is kept. After `StoreFailure.rolledBack` the request is answered again.
    func committed() async throws(StoreFailure)

    /// Reserves memory for an answer that is made in parts, until the answer is sent.
    func reserveForParts()

    /// The time that is this many milliseconds from now, for `news`.
    func deadline(milliseconds: Int) -> Deadline

    /// Waits for something new to read in the store. The memory of the request's body is freed.
    func news(for interest: any Interest, until deadline: Deadline) async -> Waking

    /// Waits for a result from outside the store, such as a lookup. All such waits of a request together take a few
    /// seconds at most.
    /// - Parameter enrol: gets the wakeup to call when the result is there. It is not called if the request cannot wait.
    /// - Returns: false if too many requests wait already, this one has waited for too long, or its client has gone.
    func outside(_ enrol: (Wakeup) -> Void) async -> Bool
}

extension RequestContext {
    /// Waits until all that the request has written is kept, then returns the response as its answer.
    package func committed(_ response: Response) async throws(StoreFailure) -> Answer {
        try await committed()
        return .whole(response)
    }

    /// Waits until all that the request has written is kept, then returns an answer in parts.
    package func committed(_ response: Response, _ rest: any BodyParts) async throws(StoreFailure) -> Answer {
        reserveForParts()
        try await committed()
        return .inParts(response, rest: rest)
    }
}

/// The time until which a request waits.
package struct Deadline: Equatable, Sendable {
    /// By `SystemClock.bootTimeMicroseconds`.
    package let microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }
}

/// What a request waits for in the store. It is a class, so that its concrete type can be checked quickly.
package protocol Interest: AnyObject {
    /// An endpoint, or a user. The number of waiting requests is limited for each subject and for each client's address.
    var subject: String { get }
}

/// Why a request has stopped waiting.
package enum Waking: Equatable, Sendable {
    /// There is something new, or it is not known whether there is.
    case news
    /// The time is up, or the process stops.
    case over
    /// Too many requests wait already.
    case refused
    /// The client has gone, and would not read the answer.
    case gone
}

/// Wakes a request that waits for a result from outside the store.
package final class Wakeup {
    package private(set) var isDue = false

    package init() {}

    /// Marks the request as due; the loop resumes it soon.
    package func wake() { isDue = true }
}

/// A handler's answer. Everything that it says must be true, and kept, when it is returned.
///
/// Indirect, so that each waiting function that passes an answer on needs memory for a reference only.
package indirect enum Answer {
    case whole(Response)
    /// The beginning of a long answer. Other requests are answered before each further part. If a part cannot be made,
    /// the answer breaks off.
    case inParts(Response, rest: any BodyParts)
}

/// A body that is made in parts.
package protocol BodyParts: AnyObject {
    /// Makes the next part; `nil` once the body has ended. A part may be empty.
    func next() async throws(StoreFailure) -> [UInt8]?
}
