internal import Linux
internal import SystemPackage

/// One of the processes that the supervisor keeps running, and when to start it again.
final class SupervisedProcess {
    let name: String
    /// Given a pipe, the program writes to it once it serves.
    private let start: (FileDescriptor?) throws(Errno) -> ChildProcess
    private(set) var process: ChildProcess?
    private var startedAt: Int64 = 0
    private var failures = 0
    /// When to start it again, on the machine's clock; `nil` while it runs, or is not to run.
    private(set) var restartsAt: Int64?

    /// A process that ran this long did not fail at starting: the pauses begin anew.
    private static let settledMicroseconds: Int64 = 10_000_000
    private static let longestPauseMicroseconds: Int64 = 30_000_000

    init(_ name: String, start: @escaping (FileDescriptor?) throws(Errno) -> ChildProcess) {
        self.name = name
        self.start = start
    }

    func launch(at now: Int64) throws(Errno) {
        restartsAt = nil
        startedAt = now
        process = try start(nil)
    }

    /// A second process beside the running one, to take its place.
    /// - Parameter ready: a pipe that it writes to once it serves.
    func launchSuccessor(ready: FileDescriptor) throws(Errno) -> ChildProcess { try start(ready) }

    /// Goes on with the successor, and returns the process that it replaces.
    func replace(with successor: ChildProcess, at now: Int64) -> ChildProcess? {
        defer {
            process = successor
            startedAt = now
            restartsAt = nil
            failures = 0
        }
        return process
    }

    /// Plans the next start after the process has ended, or could not be started: at once the first time, then after
    /// pauses that double from a tenth of a second to half a minute.
    /// - Returns: the pause, in seconds.
    @discardableResult
    func planRestart(at now: Int64) -> Double {
        process = nil
        if now - startedAt >= Self.settledMicroseconds { failures = 0 }
        let pause = failures == 0 ? 0 : min(50_000 << Int64(min(failures, 20)), Self.longestPauseMicroseconds)
        failures += 1
        restartsAt = now + pause
        return Double(pause) / 1e6
    }

    func abandon() {
        process = nil
        restartsAt = nil
    }
}
