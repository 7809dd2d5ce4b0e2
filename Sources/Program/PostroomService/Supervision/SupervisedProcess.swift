internal import Linux
internal import SystemPackage

/// One of the processes that the supervisor keeps running, and when to start it again.
final class SupervisedProcess {
    /// The arguments of a start.
    struct Start {
        /// The write end of a pipe. The process writes a byte to it once it serves.
        var ready: FileDescriptor?
        /// The slot of its heartbeat in `Vitals`.
        var slot: Int?
    }

    let name: String
    let role: Vitals.Role
    private let start: (Start) throws(Errno) -> ChildProcess
    private(set) var process: ChildProcess?
    /// The slot of the running process's heartbeat in `Vitals`.
    private(set) var slot: Int?
    private var startedAt: Int64 = 0
    private var failures = 0
    /// When to start it again, by `SystemClock.bootTimeMicroseconds`; `nil` while it runs or is not to run.
    private(set) var restartsAt: Int64?
    /// The pause before the start that is planned.
    private var pauseMicroseconds: Int64 = 0

    /// A process that ran this long did not fail at its start: the pauses begin at zero again.
    private static let stableMicroseconds: Int64 = 10_000_000
    private static let longestPauseMicroseconds: Int64 = 30_000_000
    /// A shorter pause is one that callers can wait for.
    private static let notablePauseMicroseconds: Int64 = 1_000_000

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

    /// Adopts a process that runs already. With `nil`, the process is started at once.
    func adopt(_ running: ChildProcess?, slot: Int?, at now: Int64) {
        process = running
        self.slot = slot
        startedAt = now
        restartsAt = running == nil ? now : nil
    }

    /// Starts a second process, which is to replace the running one.
    /// - Parameter ready: the write end of a pipe. The process writes a byte to it once it serves.
    func launchSuccessor(ready: FileDescriptor, slot: Int? = nil) throws(Errno) -> ChildProcess {
        try start(Start(ready: ready, slot: slot))
    }

    /// Makes the successor the running process, and returns the process that it replaces.
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
        pauseMicroseconds = pause
        restartsAt = now + pause
        return Double(pause) / 1e6
    }

    /// Plans a start at once, and forgets earlier failures.
    func restart(at now: Int64) {
        failures = 0
        pauseMicroseconds = 0
        restartsAt = now
    }

    /// Whether it ended, and is to be started again only after a pause that is too long for callers to wait.
    var isPaused: Bool { restartsAt != nil && pauseMicroseconds > Self.notablePauseMicroseconds }

    /// Whether it runs and can be expected to go on: it has not failed, or not lately.
    func isReliable(at now: Int64) -> Bool {
        process != nil && (failures == 0 || now - startedAt >= Self.stableMicroseconds)
    }

    func abandon() {
        process = nil
        restartsAt = nil
    }
}
