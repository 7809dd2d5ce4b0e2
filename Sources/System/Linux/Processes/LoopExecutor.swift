internal import Glibc

/// Runs asynchronous functions on one thread: that of the loop which drains it.
///
/// A loop gives its tasks this executor (`Task.immediate(executorPreference:)`), resumes their continuations, and calls `drain`.
/// All of it happens on the thread that made the executor; a job from another one ends the process.
package final class LoopExecutor: SerialExecutor, TaskExecutor {
    // Both are used on `thread` alone, which each enqueueing checks.
    private nonisolated(unsafe) var jobs: [UnownedJob] = []
    private nonisolated(unsafe) var next = 0
    private let thread = pthread_self()

    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        checkIsolated()
        unsafe jobs.append(UnownedJob(job))
    }

    /// Runs the jobs that are ready, and those that become so meanwhile. It may be called from a job, as a loop is one itself.
    /// - Parameter afterEach: called after each job.
    package func drain(afterEach: () -> Void = {}) {
        while unsafe next < jobs.count {
            let job = unsafe jobs[next]
            unsafe next += 1
            unsafe job.runSynchronously(
                isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
            afterEach()
        }
        unsafe jobs.removeAll(keepingCapacity: true)
        unsafe next = 0
    }

    package func checkIsolated() {
        precondition(pthread_self() == thread, "a job came from another thread than the loop's")
    }

    package func isIsolatingCurrentContext() -> Bool? { pthread_self() == thread }

    /// Runs an asynchronous function to its end on the calling thread. Whatever the function waits for has to become ready by
    /// its own jobs.
    package func run<Value: Sendable, Failure: Error>(
        _ body: sending @escaping @isolated(any) () async throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let outcome = Outcome<Value, Failure>()
        Task<Void, Never>.immediate(executorPreference: self) { [outcome] in
            do throws(Failure) {
                unsafe outcome.result = .success(try await body())
            } catch {
                unsafe outcome.result = .failure(error)
            }
        }
        drain()
        guard let result = unsafe outcome.result else {
            preconditionFailure("a function waits for what nobody brings about")
        }
        return try result.get()
    }

    /// Runs an asynchronous function to its end, for a caller that is none. It may use whatever the caller has: it runs on the
    /// calling thread, and is over when this returns.
    package static func complete<Value, Failure: Error>(
        _ body: () async throws(Failure) -> Value
    ) throws(Failure) -> Value {
        nonisolated(unsafe) var result: Result<Value, Failure>?
        withoutActuallyEscaping(body) { body in
            nonisolated(unsafe) let body = body
            LoopExecutor().run { () async in
                do throws(Failure) {
                    unsafe result = .success(try await body())
                } catch {
                    unsafe result = .failure(error)
                }
            }
        }
        guard let result = unsafe result else { preconditionFailure("a function has not ended") }
        return try result.get()
    }

    /// What a function came to; one thread writes and reads it.
    private final class Outcome<Value: Sendable, Failure: Error>: Sendable {
        nonisolated(unsafe) var result: Result<Value, Failure>?
    }
}
