internal import FastCGI
internal import HTTP
internal import HTTPTypes
internal import Linux
internal import SystemPackage
internal import Values

/// Answers every request with 503 while the store cannot be opened, so that callers and health checks get an answer at once.
/// Only answers at the operations port give the reason.
final class UnavailableService: Service {
    private let reason: String
    let sources: [any LoopSource]

    /// - Parameter sources: the source that ends the process once the store may be usable again: see `StoreReturn`.
    init(reason: String, sources: [any LoopSource]) {
        self.reason = reason
        self.sources = sources
    }

    var version: UInt64? { nil }

    func answer(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        let text = request.isOperational ? reason + "\n" : "The store cannot be used at the moment.\n"
        return .whole(.text(.serviceUnavailable, text))
    }

    func commit() -> CommitOutcome { .nothing }

    func response(to failure: StoreFailure, at target: Target) -> Response { .failure(failure) }
}

/// Ends the process once the store may be usable again. The supervisor then starts another one, which opens the store.
final class StoreReturn: LoopSource {
    let descriptor: FileDescriptor
    private let writing: FileDescriptor
    private let directory: FilePath
    private let began = SystemClock.bootTimeMicroseconds()
    private var looksAt: Int64

    /// The shortest life of the process. Without it, a store that cannot be opened although its file shows no fault would be
    /// tried again and again without a pause.
    private static let leastMicroseconds: Int64 = 5_000_000
    private static let pauseMicroseconds: Int64 = 500_000

    init(_ directory: FilePath) throws(Errno) {
        self.directory = directory
        (descriptor, writing) = try openPipe()
        looksAt = began + Self.pauseMicroseconds
    }

    deinit {
        try? descriptor.close()
        try? writing.close()
    }

    var dueMicroseconds: Int64? { looksAt }

    func work() -> Bool {
        let now = SystemClock.bootTimeMicroseconds()
        looksAt = now + Self.pauseMicroseconds
        if now - began >= Self.leastMicroseconds, StoreOnDisk.fault(in: directory) == nil {
            Signal.raise(Signal.terminate)
        }
        return false
    }
}
