package import FastCGI
package import HTTP
internal import HTTPTypes
internal import Linux
package import SystemPackage
package import Values

/// Answers every request with 503 while the store cannot be opened, so that callers and health checks get an answer at once.
/// Only answers at the operations port give the reason.
package final class UnavailableService: Service {
    private let reason: String
    package let sources: [any LoopSource]

    /// - Parameter sources: the source that ends the process once the store may be usable again: see `StoreReturn`.
    package init(reason: String, sources: [any LoopSource]) {
        self.reason = reason
        self.sources = sources
    }

    package var version: UInt64? { nil }

    package func answer(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        let text = request.isOperational ? reason + "\n" : "The store cannot be used at the moment.\n"
        return .whole(.text(.serviceUnavailable, text).retryAfter(5))
    }

    package func commit() -> CommitOutcome { .nothing }

    package func response(to failure: StoreFailure, at target: Target) -> Response { .failure(failure) }
}

/// Ends the process once the store may be usable again. The supervisor then starts another one, which opens the store.
package final class StoreReturn: LoopSource {
    package let descriptor: FileDescriptor
    private let writing: FileDescriptor
    private let store: any StoreOnDisk
    private let began = SystemClock.bootTimeMicroseconds()
    private var looksAt: Int64

    /// The shortest life of the process. Without it, a store that cannot be opened although its file shows no fault would be
    /// tried again and again without a pause.
    private static let leastMicroseconds: Int64 = 5_000_000
    private static let pauseMicroseconds: Int64 = 500_000

    package init(_ store: any StoreOnDisk) throws(Errno) {
        self.store = store
        (descriptor, writing) = try openPipe()
        looksAt = began + Self.pauseMicroseconds
    }

    deinit {
        try? descriptor.close()
        try? writing.close()
    }

    package var dueMicroseconds: Int64? { looksAt }

    package func work() -> Bool {
        let now = SystemClock.bootTimeMicroseconds()
        looksAt = now + Self.pauseMicroseconds
        if now - began >= Self.leastMicroseconds, store.fault == nil {
            Signal.raise(Signal.terminate)
        }
        return false
    }
}
