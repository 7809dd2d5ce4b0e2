package import HTTP
internal import Linux
package import Values

/// A request that a handler answers on the thread of the test until it has to wait; then the test resumes it.
package final class HandlerRun: RequestContext {
    /// How far the handler has come.
    package enum State {
        case running
        case answered(Answer?)
        case failed(StoreFailure)
    }

    package private(set) var state = State.running
    /// What the handler waits for, if it waits for news, and for how many milliseconds.
    package private(set) var interest: (any Interest)?
    package private(set) var milliseconds = 0
    /// Whether the handler waits for a result from outside of the loop.
    package private(set) var isOutside = false
    package var mayBeLong = true

    private let executor = LoopExecutor()
    private let commit: () throws(StoreFailure) -> Void
    private var continuation: (() -> Void)?
    private var waking = Waking.over

    /// - Parameter commit: what `committed` does.
    package init(commit: @escaping () throws(StoreFailure) -> Void = {}) { self.commit = commit }

    /// Begins to answer the request.
    package func begin(_ handle: @escaping (any RequestContext) async throws(StoreFailure) -> Answer?) -> HandlerRun {
        nonisolated(unsafe) let run = self
        nonisolated(unsafe) let handle = handle
        Task<Void, Never>(executorPreference: executor) {
            do throws(StoreFailure) {
                unsafe run.state = .answered(try await handle(run))
            } catch {
                unsafe run.state = .failed(error)
            }
        }
        executor.drain()
        return self
    }

    package var isWaiting: Bool { if case .running = state { true } else { false } }

    /// Resumes the handler from its wait.
    package func wake(_ waking: Waking) {
        self.waking = waking
        interest = nil
        isOutside = false
        let resume = continuation
        continuation = nil
        resume?()
        executor.drain()
    }

    /// Resumes the handler if the work that it waits for in the background is done.
    package func resume() { executor.drain() }

    private func pause() async {
        unsafe await withUnsafeContinuation { (waiting: UnsafeContinuation<Void, Never>) in
            continuation = { unsafe waiting.resume() }
        }
    }

    /// The response, with all its parts.
    /// - Parameter afterEach: called after each part.
    package func response(afterEach: () throws -> Void = {}) throws -> Response? {
        switch state {
        case .running: throw Waits()
        case .failed(let failure): throw failure
        case .answered(nil): return nil
        case .answered(.whole(let response)?): return response
        case .answered(.inParts(var response, let rest)?):
            nonisolated(unsafe) let rest = rest
            while let part = try executor.run({ () async throws(StoreFailure) in unsafe try await rest.next() }) {
                response.body += part
                try afterEach()
            }
            return response
        }
    }

    package struct Waits: Error {}

    // MARK: RequestContext

    package func committed() async throws(StoreFailure) { try commit() }

    package func reserveForParts() {}

    package func deadline(milliseconds: Int) -> Deadline { Deadline(microseconds: Int64(milliseconds) * 1000) }

    package func news(for interest: any Interest, until deadline: Deadline) async -> Waking {
        self.interest = interest
        milliseconds = Int(deadline.microseconds / 1000)
        await pause()
        return waking
    }

    package func outside(_ enrol: (Wakeup) -> Void) async -> Bool {
        enrol(Wakeup())
        isOutside = true
        await pause()
        return waking == .news
    }
}
