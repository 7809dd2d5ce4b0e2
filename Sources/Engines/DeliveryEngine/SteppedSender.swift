package import Curl
package import SystemPackage
package import Values

/// Makes requests in steps: each writes the results of requests that have ended, and which requests begin. They begin once
/// the step is durable.
package protocol SteppedSender: AnyObject {
    associatedtype Step: SenderStep

    var requestsInFlight: Int { get }

    /// Readable when `takeFinished` has something to do; `nil` if no request is in flight.
    var descriptor: FileDescriptor? { get }

    /// The time until there is something to do, unless the store changes; `nil`: none is known.
    var pauseMilliseconds: Int? { get }

    /// Takes note of the requests that have ended.
    func takeFinished() throws(CurlError)

    /// Whether there are results to write, or requests may be due.
    func hasWork(storeHasChanged: Bool) -> Bool

    /// Writes results, and which requests begin.
    ///
    /// If the store fails, its failure is thrown, and the results wait for the next call.
    func step() async throws(StoreFailure) -> Step

    /// Begins the requests of a step that is committed.
    func begin(_ step: Step)

    /// Begins no more requests. Those in flight go on.
    func drain()
}

package protocol SenderStep {
    /// Whether requests are to begin, which must not see what a crash can undo.
    var beginsRequests: Bool { get }
}
