internal import Synchronization
package import SystemPackage

/// One thread that runs jobs one after the other; a descriptor becomes readable when a job is done.
///
/// The thread starts with the first job. When this object is released, the thread ends after its current job; waiting
/// jobs are dropped.
package final class WorkThread {
    private struct State: Sendable {
        var jobs: [(id: UInt64, work: @Sendable () -> any Sendable)] = []
        var results: [(id: UInt64, value: any Sendable)] = []
        var isEnding = false
    }

    /// The state that both threads use.
    private final class Shared: Sendable {
        let state = Mutex(State())
        /// A pipe with a byte for each job to do.
        let jobs: FileDescriptor
        let jobsEnd: FileDescriptor
        /// A pipe with a byte for each job done.
        let results: FileDescriptor
        let resultsEnd: FileDescriptor

        init() throws(Errno) {
            let first = try FileDescriptor.pipe(options: .closeOnExec)
            (jobs, jobsEnd) = (first.readEnd, first.writeEnd)
            (results, resultsEnd) = try openPipe()
        }

        deinit {
            for end in [jobs, jobsEnd, results, resultsEnd] { try? end.close() }
        }

        /// The thread's loop. Ends once `isEnding` is set.
        func run() {
            while (try? takeByte(jobs)) == true {
                let job = state.withLock { state in
                    state.isEnding || state.jobs.isEmpty ? nil : state.jobs.removeFirst()
                }
                guard let job else { return }
                let value = job.work()
                state.withLock { $0.results.append((job.id, value)) }
                _ = try? resultsEnd.writeAll([0])
            }
        }

        func takeByte(_ end: FileDescriptor) throws -> Bool {
            var byte: UInt8 = 0
            return try unsafe withUnsafeMutableBytes(of: &byte) { unsafe try end.read(into: $0) } == 1
        }
    }

    private let shared: Shared
    private var waiting: [UInt64: (any Sendable) -> Void] = [:]
    private var nextID: UInt64 = 1
    private var hasStarted = false

    /// How many jobs may be unfinished, or finished and not handed out by `finish`.
    package static let limit = 64

    package init() throws(Errno) { shared = try Shared() }

    deinit {
        shared.state.withLock { $0.isEnding = true }
        _ = try? shared.jobsEnd.writeAll([0])
    }

    /// Readable when a job is done.
    package var descriptor: FileDescriptor { shared.results }

    /// Enqueues a job.
    /// - Parameter done: called by `finish`, in the thread that calls it.
    /// - Returns: false if the queue is full, or the thread cannot be started.
    package func run<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value, done: @escaping (Value) -> Void
    ) -> Bool {
        guard waiting.count < Self.limit else { return false }
        if !hasStarted {
            hasStarted = PlainThread.start { [shared] in shared.run() }
            guard hasStarted else { return false }
        }
        let id = nextID
        nextID += 1
        waiting[id] = { value in
            guard let value = value as? Value else { preconditionFailure("a result of another type") }
            done(value)
        }
        shared.state.withLock { $0.jobs.append((id, work)) }
        _ = try? shared.jobsEnd.writeAll([0])
        return true
    }

    /// Whether a job is not done yet, or its result is not handed out yet.
    package var isBusy: Bool { !waiting.isEmpty }

    /// Calls `done` of each finished job.
    /// - Returns: whether any job was finished.
    package func finish() -> Bool {
        let results = shared.state.withLock { state in
            defer { state.results = [] }
            return state.results
        }
        for (id, value) in results {
            _ = try? shared.takeByte(shared.results)
            waiting.removeValue(forKey: id)?(value)
        }
        return !results.isEmpty
    }
}
