internal import HTTP
internal import Linux
package import SystemPackage

/// Runs long work in a separate thread. The loop resumes the requests that wait for the results.
package final class BackgroundThread: Background, LoopSource {
    private let thread: WorkThread

    package init() throws(Errno) { thread = try WorkThread() }

    package func run<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value, done: @escaping (Value) -> Void
    ) -> Bool { thread.run(work, done: done) }

    package var descriptor: FileDescriptor { thread.descriptor }

    package var dueMicroseconds: Int64? { nil }

    package var isBusy: Bool { thread.isBusy }

    package func work() -> Bool { thread.finish() }
}
