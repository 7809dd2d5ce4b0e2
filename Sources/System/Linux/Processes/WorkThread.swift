internal import Synchronization
package import SystemPackage

/// One thread that does one thing after the other, and tells by a descriptor that something is done.
///
/// It is started with the first thing to do, and ends with this object once it has finished what it is at.
package final class WorkThread {
    private struct State: Sendable {
        var jobs: [(id: UInt64, work: @Sendable () -> any Sendable)] = []
        var results: [(id: UInt64, value: any Sendable)] = []
        var isEnding = false
    }

    /// What both threads see.
    private final class Shared: Sendable {
        let state = Mutex(State())
        /// A byte for each thing to do.
        let jobs: FileDescriptor
        let jobsEnd: FileDescriptor
        /// A byte for each thing done.
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

        /// Runs in the thread until it is told to end.
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

    /// More than this do not wait to be done.
    package static let limit = 64

    package init() throws(Errno) { shared = try Shared() }

    deinit {
        shared.state.withLock { $0.isEnding = true }
        _ = try? shared.jobsEnd.writeAll([0])
    }

    /// Can be read when something is done.
    package var descriptor: FileDescriptor { shared.results }

    /// Has `work` done after what waits already.
    /// - Parameter done: called by `finish`, in the thread that calls it.
    /// - Returns: false where as much as may waits already, or there is no thread for it.
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

    /// Whether something is not done yet, or not handed out.
    package var isBusy: Bool { !waiting.isEmpty }

    /// Hands out what is done.
    /// - Returns: whether anything was.
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
