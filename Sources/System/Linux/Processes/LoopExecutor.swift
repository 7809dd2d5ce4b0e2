internal import Glibc

/// Runs asynchronous functions on one thread: that of the loop, which calls `drain`.
///
/// A loop starts its tasks with this executor (`Task.immediate(executorPreference:)`), resumes their continuations, and
/// calls `drain`. All of this must happen on the thread that made the executor; a job from another thread ends the
/// process.
package final class LoopExecutor: SerialExecutor, TaskExecutor {
    // Both are used only on `thread`; `enqueue` checks that.
    private nonisolated(unsafe) var jobs: [UnownedJob] = []
    private nonisolated(unsafe) var next = 0
    private let thread = pthread_self()

    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        checkIsolated()
        unsafe jobs.append(UnownedJob(job))
    }

    /// Runs the jobs that are ready, and those that become ready meanwhile. A job may call it, as the loop itself runs
    /// in a job.
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

    /// Runs an asynchronous function to its end on the calling thread. The function may only wait for what its own jobs
    /// on this executor complete.
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
            preconditionFailure("a function waits for something that will never happen")
        }
        return try result.get()
    }

    /// Runs an asynchronous function to its end, for a caller that is not asynchronous. The function may use all that
    /// the caller may: it runs on the calling thread, and has ended when this returns.
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

    /// The result of a function; one thread writes and reads it.
    private final class Outcome<Value: Sendable, Failure: Error>: Sendable {
        nonisolated(unsafe) var result: Result<Value, Failure>?
    }
}
