internal import Linux
internal import SystemPackage

/// One of the processes that the supervisor keeps running, and when to start it again.
final class SupervisedProcess {
    /// What a process is given when it is started.
    struct Start {
        /// A pipe that the program writes to once it serves.
        var ready: FileDescriptor?
        /// Where its heartbeat is.
        var slot: Int?
    }

    let name: String
    let role: Vitals.Role
    private let start: (Start) throws(Errno) -> ChildProcess
    private(set) var process: ChildProcess?
    /// Where the heartbeat of the running process is.
    private(set) var slot: Int?
    private var startedAt: Int64 = 0
    private var failures = 0
    /// When to start it again, on the machine's clock; `nil` while it runs, or is not to run.
    private(set) var restartsAt: Int64?

    /// A process that ran this long did not fail at starting: the pauses begin anew.
    private static let stableMicroseconds: Int64 = 10_000_000
    private static let longestPauseMicroseconds: Int64 = 30_000_000

    init(
        _ name: String, _ role: Vitals.Role = .responder, start: @escaping (Start) throws(Errno) -> ChildProcess
    ) {
        self.name = name
        self.role = role
        self.start = start
    }

    func launch(at now: Int64, slot: Int? = nil) throws(Errno) {
        restartsAt = nil
        startedAt = now
        self.slot = slot
        process = try start(Start(slot: slot))
    }

    /// Goes on with a process that runs already; `nil` is started at once.
    func adopt(_ running: ChildProcess?, slot: Int?, at now: Int64) {
        process = running
        self.slot = slot
        startedAt = now
        restartsAt = running == nil ? now : nil
    }

    /// A second process beside the running one, to take its place.
    /// - Parameter ready: a pipe that it writes to once it serves.
    func launchSuccessor(ready: FileDescriptor, slot: Int? = nil) throws(Errno) -> ChildProcess {
        try start(Start(ready: ready, slot: slot))
    }

    /// Goes on with the successor, and returns the process that it replaces.
    func replace(with successor: ChildProcess, slot: Int? = nil, at now: Int64) -> ChildProcess? {
        defer {
            process = successor
            self.slot = slot
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
        if now - startedAt >= Self.stableMicroseconds { failures = 0 }
        let pause = failures == 0 ? 0 : min(50_000 << Int64(min(failures, 20)), Self.longestPauseMicroseconds)
        failures += 1
        restartsAt = now + pause
        return Double(pause) / 1e6
    }

    /// Has it started at once.
    func restart(at now: Int64) {
        failures = 0
        restartsAt = now
    }

    func abandon() {
        process = nil
        restartsAt = nil
    }
}
