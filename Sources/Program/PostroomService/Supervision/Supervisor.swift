package import Linux
package import Logging
package import SystemPackage

/// Starts nginx, the responders and the worker, and restarts those that die or do not respond. On SIGHUP it gives its place
/// to the program that is installed now; on SIGTERM or SIGINT it stops all processes in order.
///
/// It holds the responders' listening sockets, so that callers wait while a socket has no responder. If that would take long
/// and another responder can serve them, it turns them away (`turnCallersAway`).
package final class Supervisor {
    let settings: Settings
    let storeOnDisk: any StoreOnDisk
    let files: NginxFiles
    let workerUser: String?
    let program: FilePath
    let lock: FileLock
    let sockets: [FileDescriptor]
    let started: Int64
    let logger: Logger
    let epoll: Epoll
    private let signals: SignalQueue

    let nginxLog: NginxLog
    let nginx: SupervisedProcess?
    let worker: SupervisedProcess
    let responders: [SupervisedProcess]

    private(set) var isStopping = false
    /// During a reload, the check whether the installed program can take this one's place, and when the check is given up.
    var preflight: (process: ChildProcess, until: Int64)?
    var migration: Migration?
    /// The processes that are still to be replaced, and the one that is being replaced now with its successor.
    var replacing: [SupervisedProcess] = []
    var successor: (of: SupervisedProcess, process: ChildProcess, slot: Int?, ready: FileDescriptor, until: Int64)?
    /// Whether another reload must follow this one: SIGHUP came again, and the program may have changed again.
    var replacesAgain = false
    /// Processes that were asked to end and finish their work, and when they are killed if they have not ended.
    var leaving: [(process: ChildProcess, until: Int64)] = []
    /// The heartbeat slots of leaving processes, by process id. A slot is in use until its process has ended.
    var leavingSlots: [Int32: Int] = [:]
    var certificateTimes: [Int64?] = []

    let vitals: Vitals
    var watchdog = Watchdog()
    var outsiders = Outsiders()
    var looksAgainAt: Int64 = 0
    /// How many looks in a row have found a process that waits for the store's write lock.
    var looksWithoutLock = 0
    /// The ids of processes that were killed because they did not respond, until `reap` finds their end.
    var stuck: Set<Int32> = []

    /// How long a successor may take until it serves; after that it is killed and the old process stays.
    static let trialMicroseconds: Int64 = 10_000_000
    private static let tellReady = ["--ready", "3"]
    /// The token of the events of the responders' sockets.
    static let callers: UInt64 = 3

    /// The environment of this program's other processes.
    let environment: [String]

    /// - Parameters:
    ///   - program: this program's file, which each child process runs.
    ///   - lock: the lock on DATA_DIR.
    ///   - sockets: the responders' listening sockets, in order.
    ///   - state: after a reload, the state that the previous program of this same process has handed on; otherwise `nil`.
    package init(
        settings: Settings, storeOnDisk: any StoreOnDisk, files: NginxFiles, workerUser: String?, program: FilePath,
        lock: FileLock, sockets: [FileDescriptor], runsNginx: Bool, state: SupervisorState?, logger: Logger
    ) throws(Errno) {
        self.settings = settings
        self.storeOnDisk = storeOnDisk
        self.files = files
        self.workerUser = workerUser
        self.program = program
        self.lock = lock
        self.sockets = sockets
        self.logger = logger
        let began = state?.started ?? SystemClock.realTimeMicroseconds()
        started = began
        let taken = state.flatMap { Vitals(FileDescriptor(rawValue: $0.vitals)) }
        let vitals = if let taken { taken } else { try Vitals() }
        self.vitals = vitals
        signals = try SignalQueue([Signal.terminate, Signal.interrupt, Signal.hangUp, Signal.child])
        epoll = try Epoll()
        try epoll.add(signals.descriptor, .readable, token: 0)

        let environment = settings.childEnvironment
        self.environment = environment
        // nginx gets none of this program's variables but TZ: it would read NGINX as a list of inherited sockets, and has no
        // use for passwords.
        let ours = Settings.variables.flatMap { [$0.name] + ($0.alias.map { [$0] } ?? []) }.filter { $0 != "TZ" }
        let nginxEnvironment = environment.filter { !ours.contains(String($0.prefix { $0 != "=" })) }
        let nginxLog = try NginxLog(settings.logger("nginx"), descriptors: state?.nginxLog ?? [])
        self.nginxLog = nginxLog
        try epoll.add(nginxLog.reading, .readable, token: 2)
        let parent = ["--parent", String(Machine.processID)]
        let started = ["--started", String(began)]
        func arguments(_ start: SupervisedProcess.Start) -> [String] {
            parent + (start.ready == nil ? [] : Self.tellReady)
                + (start.slot.map { ["--heartbeat", String($0)] } ?? [])
        }
        responders = sockets.enumerated().map { index, socket in
            SupervisedProcess("responder \(index + 1)", .responder) { (start) throws(Errno) in
                try ChildProcess(
                    program, ["respond"] + started + arguments(start), environment: environment, input: socket,
                    output: start.ready, shared: vitals.counters.descriptor)
            }
        }
        worker = SupervisedProcess("worker", .worker) { (start) throws(Errno) in
            try ChildProcess(
                program, ["work"] + arguments(start), environment: environment, output: start.ready,
                shared: vitals.counters.descriptor)
        }
        let command = [
            settings.nginxProgram.string, "-p", settings.runDirectory.string, "-c", files.configuration.string, "-e",
            "stderr",
        ]
        nginx =
            !runsNginx
            ? nil
            : SupervisedProcess("nginx", .nginx) { (_) throws(Errno) in
                // A socket file that a killed nginx has left behind would keep the next one from listening.
                try? Files.remove(files.healthSocket)
                return try ChildProcess(
                    program, ["child"] + parent + command, environment: nginxEnvironment, errors: nginxLog.writing)
            }
        if let state { adopt(state, watching: taken != nil) }
    }

    private func adopt(_ state: SupervisorState, watching: Bool) {
        func adopt(_ process: SupervisedProcess, _ child: SupervisorState.Child?) {
            let running = child.map { ChildProcess(adopting: $0.processID) }
            process.adopt(running, slot: watching ? child?.slot : nil, at: now())
            if let running { watch(running) }
        }
        for (process, child) in zip(responders, state.responders) { adopt(process, child) }
        adopt(worker, state.worker)
        if let nginx { adopt(nginx, state.nginx) }
        certificateTimes = state.certificateTimes
        for processID in state.leaving { leave(ChildProcess(adopting: processID)) }
    }

    var supervised: [SupervisedProcess] { responders + [worker] + (nginx.map { [$0] } ?? []) }

    func now() -> Int64 { SystemClock.bootTimeMicroseconds() }

    // MARK: Running

    /// Runs until asked to stop.
    /// - Parameter ready: called once the service answers.
    package func run(ready: () -> Void) throws(Refusal) {
        certificateTimes = readCertificateTimes()
        for process in supervised { launch(process) }
        try waitUntilReady()
        if isStopping { return stop() }
        ready()
        goOn()
    }

    /// Goes on where the previous program of this same process has stopped, after a reload.
    /// - Parameter migrating: whether the store must be migrated.
    package func takeOver(migrating: Bool) {
        logger.notice(
            "the new program has taken over the service",
            metadata: ["version": "\(postroomVersion)", "migrates": "\(migrating)"])
        renewNginx()
        if migrating { migration = .waiting(toldAt: nil) } else { replacing = responders + [worker] }
        goOn()
    }

    private func goOn() {
        while !isStopping {
            wait(until: nextDeadline())
            takeSignals()
            reap()
            look()
            restart()
            goOnWithPreflight()
            goOnMigrating()
            goOnReplacing()
        }
        stop()
    }

    private func waitUntilReady() throws(Refusal) {
        let deadline = now() + 20_000_000
        while !isStopping {
            if let nginx, let process = nginx.process, let ending = process.ending() {
                nginxLog.drain()
                nginx.abandon()
                stop()
                throw Refusal("nginx \(ending); see its message above")
            }
            if nginx == nil || HealthCheck.passes(files.healthSocket, settings.mountPoint) { return }
            guard now() < deadline else {
                stop()
                throw Refusal("the service did not answer within 20 seconds of its start")
            }
            wait(until: now() + 20_000)
            takeSignals()
            reap(except: nginx)
            restart()
        }
    }

    private func launch(_ process: SupervisedProcess) {
        do throws(Errno) {
            try process.launch(at: now(), slot: freeSlot())
            if let child = process.process { watch(child) }
        } catch {
            let pause = process.planRestart(at: now())
            logger.error(
                "cannot start a process; trying again",
                metadata: ["name": "\(process.name)", "error": "\(error)", "pause": .stringConvertible(pause)])
        }
    }

    func freeSlot() -> Int? {
        vitals.freeSlot(
            besides: Set(supervised.compactMap(\.slot) + [successor?.slot].compactMap { $0 } + leavingSlots.values))
    }

    func watch(_ process: ChildProcess) {
        // If this fails, the end of the process is noticed at the next wake-up.
        try? epoll.add(process.descriptor, .readable, token: 1)
    }

    private func wait(until deadline: Int64?) {
        watchCallers()
        let milliseconds = deadline.map { Int(max(0, $0 - now()) / 1000) + 1 }
        var hasCallers = false
        do throws(Errno) {
            try epoll.wait(milliseconds: milliseconds) { (token, _) in if token == Self.callers { hasCallers = true } }
        } catch {
            preconditionFailure("epoll_wait: \(error)")
        }
        if hasCallers { turnCallersAway() }
        nginxLog.drain()
    }

    private func nextDeadline() -> Int64? {
        var deadlines = supervised.compactMap(\.restartsAt) + leaving.map(\.until) + [looksAgainAt]
        if let successor { deadlines.append(successor.until) }
        if let preflight { deadlines.append(preflight.until) }
        return deadlines.min()
    }

    private func takeSignals() {
        while let signal = signals.next() {
            switch signal {
            case Signal.child: break
            case Signal.hangUp: beginReplacing()
            default: isStopping = true
            }
        }
    }

    /// Finds processes that have ended, and plans their next start. Kills leaving processes whose time is up.
    private func reap(except excluded: SupervisedProcess? = nil) {
        for process in supervised where process !== excluded {
            guard let child = process.process, let ending = child.ending() else { continue }
            child.killGroup()
            if !stuck.contains(child.processID) { vitals.countRestart(process.role, .ended) }
            stuck.remove(child.processID)
            let pause = process.planRestart(at: now())
            logger.warning(
                "a process ended; starting it again",
                metadata: [
                    "name": "\(process.name)", "ending": "\(ending)", "pause": .stringConvertible(pause),
                ])
            if case .killed(let signal) = ending, Signal.crashes.contains(signal) {
                let fault = storeOnDisk.fault
                logger.error(
                    "a process crashed; the store may be damaged: run \"postroom store check\"",
                    metadata: fault.map { ["fault": "\($0)"] })
            }
        }
        let time = now()
        leaving.removeAll { child, until in
            if child.ending() != nil {
                leavingSlots[child.processID] = nil
                return true
            }
            if time >= until { child.killGroup() }
            return false
        }
        let own =
            supervised.compactMap(\.process) + leaving.map(\.process) + (successor.map { [$0.process] } ?? [])
            + (preflight.map { [$0.process] } ?? []) + (migration?.process.map { [$0] } ?? [])
        ChildProcess.reapOrphans(except: own.map(\.processID))
    }

    func restart() {
        for process in supervised {
            if let time = process.restartsAt, now() >= time { launch(process) }
        }
    }

    // MARK: Stopping

    /// nginx stops listening and finishes its requests while the responders still answer; then the responders finish.
    private func stop() {
        logger.info("stopping")
        ServiceManager.tellStopping()
        isStopping = true
        let deadline = now() + Int64(settings.shutdownSeconds * 1e6)
        for process in [preflight?.process, migration?.process].compactMap({ $0 }) {
            leaving.append((process, deadline))
        }
        if let successor { leaving.append((successor.process, deadline)) }
        replacing = []
        replacesAgain = false
        endTrial()
        let answering = responders.compactMap(\.process)
        if let gateway = nginx?.process {
            gateway.send(Signal.quit)
            waitForEnd(of: [gateway], until: deadline - Int64(settings.shutdownSeconds * 0.2e6)) {
                // On SIGHUP a responder answers at once the requests that wait for news.
                for responder in answering { responder.send(Signal.hangUp) }
            }
        }
        let rest = answering + leaving.map(\.process) + (worker.process.map { [$0] } ?? [])
        for process in rest { process.send(Signal.terminate) }
        waitForEnd(of: rest, until: deadline) {}
        for process in supervised { process.abandon() }
        nginxLog.drain()
    }

    /// Waits until all processes have ended, and kills those that are left at the deadline.
    private func waitForEnd(of processes: [ChildProcess], until deadline: Int64, meanwhile: () -> Void) {
        var left = processes
        while true {
            left.removeAll { $0.ending() != nil }
            guard !left.isEmpty else { return }
            guard now() < deadline else { break }
            meanwhile()
            wait(until: min(deadline, now() + 100_000))
            while signals.next() != nil {}
        }
        for process in left {
            logger.warning(
                "a process did not stop in time; killing it",
                metadata: ["process": .stringConvertible(Int(process.processID))])
            process.killGroup()
            _ = try? process.waitForEnding()
        }
    }
}
