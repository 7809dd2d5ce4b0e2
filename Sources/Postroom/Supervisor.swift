internal import Linux
internal import Logging
internal import MappedStore
internal import SystemPackage

/// Starts nginx, the responders and the worker, starts again what dies, replaces the responders on SIGHUP, and stops all
/// of it in order on SIGTERM or SIGINT.
///
/// It holds the responders' listening sockets, so that no caller is refused while there is none behind one.
final class Supervisor {
    private let settings: Settings
    private let files: NginxFiles
    private let workerUser: String?
    private let logger: Logger
    private let epoll: Epoll
    private let signals: SignalQueue

    private let nginx: SupervisedProcess?
    private let nginxLog: NginxLog
    private let restarts: ServiceCounters
    private let worker: SupervisedProcess
    private let responders: [SupervisedProcess]

    private var isStopping = false
    /// Responders and the worker still to be replaced, and the one being replaced now.
    private var replacing: [SupervisedProcess] = []
    private var successor: (of: SupervisedProcess, process: ChildProcess, ready: FileDescriptor, until: Int64)?
    /// Whether to begin anew once all are replaced, as the program may have changed again.
    private var replacesAgain = false
    /// Processes that were replaced and finish what they have, and when they are ended if they do not.
    private var leaving: [(process: ChildProcess, until: Int64)] = []
    private var certificateTimes: [Int64?] = []

    /// How long a successor may take until it serves.
    private static let trialMicroseconds: Int64 = 10_000_000
    private static let tellReady = ["--ready", "3"]

    /// - Parameters:
    ///   - program: this program's file; started anew for each process, so that a new version of it is picked up.
    ///   - sockets: the responders' listening sockets, in order.
    init(
        settings: Settings, files: NginxFiles, workerUser: String?, program: FilePath, sockets: [FileDescriptor],
        runsNginx: Bool, logger: Logger
    ) throws(Errno) {
        self.settings = settings
        self.files = files
        self.workerUser = workerUser
        self.logger = logger
        signals = try SignalQueue([Signal.terminate, Signal.interrupt, Signal.hangUp, Signal.child])
        epoll = try Epoll()
        try epoll.add(signals.descriptor, .readable, token: 0)

        // What the service manager is told is this process's to say.
        let others = Machine.environmentList().filter {
            !$0.hasPrefix("DATA_DIR=") && !$0.hasPrefix("\(ServiceManager.variable)=")
        }
        let environment = others + ["DATA_DIR=\(settings.dataDirectory)"]
        // nginx takes NGINX for a list of sockets that it inherits, and has no use for passwords.
        let ours = Settings.variables.flatMap { [$0.name] + ($0.alias.map { [$0] } ?? []) }.filter { $0 != "TZ" }
        let nginxEnvironment = environment.filter { !ours.contains(String($0.prefix { $0 != "=" })) }
        let nginxLog = try NginxLog(settings.logger("nginx"))
        self.nginxLog = nginxLog
        try epoll.add(nginxLog.reading, .readable, token: 2)
        restarts = ServiceCounters(settings)
        let parent = ["--parent", String(Machine.processID)]
        let started = ["--started", String(SystemClock.realTimeMicroseconds())]
        responders = sockets.enumerated().map { index, socket in
            SupervisedProcess("responder \(index + 1)") { (ready) throws(Errno) in
                let arguments = ["respond"] + parent + started + (ready == nil ? [] : Self.tellReady)
                return try ChildProcess(program, arguments, environment: environment, input: socket, output: ready)
            }
        }
        worker = SupervisedProcess("worker") { (ready) throws(Errno) in
            let arguments = ["work"] + parent + (ready == nil ? [] : Self.tellReady)
            return try ChildProcess(program, arguments, environment: environment, output: ready)
        }
        let command = [
            settings.nginxProgram.string, "-p", settings.runDirectory.string, "-c", files.configuration.string, "-e",
            "stderr",
        ]
        nginx =
            !runsNginx
            ? nil
            : SupervisedProcess("nginx") { (_) throws(Errno) in
                // Left behind by an nginx that was killed, it would keep the next one from listening.
                try? Files.remove(files.healthSocket)
                return try ChildProcess(
                    program, ["child"] + parent + command, environment: nginxEnvironment, errors: nginxLog.writing)
            }
    }

    private var supervised: [SupervisedProcess] { responders + [worker] + (nginx.map { [$0] } ?? []) }

    private func now() -> Int64 { SystemClock.bootTimeMicroseconds() }

    // MARK: Running

    /// Runs until asked to stop.
    /// - Parameter ready: called once the service answers.
    func run(ready: () -> Void) throws(Refusal) {
        certificateTimes = readCertificateTimes()
        for process in supervised { launch(process) }
        try waitUntilReady()
        if isStopping { return stop() }
        ready()
        while !isStopping {
            wait(until: nextDeadline())
            takeSignals()
            reap()
            restart()
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
            try process.launch(at: now())
            if let child = process.process { watch(child) }
        } catch {
            let pause = process.planRestart(at: now())
            logger.error(
                "cannot start a process",
                metadata: ["name": "\(process.name)", "error": "\(error)", "pause": .stringConvertible(pause)])
        }
    }

    private func watch(_ process: ChildProcess) {
        // Where that fails its end is noticed at the next wake-up.
        try? epoll.add(process.descriptor, .readable, token: 1)
    }

    private func wait(until deadline: Int64?) {
        let milliseconds = deadline.map { Int(max(0, $0 - now()) / 1000) + 1 }
        do throws(Errno) {
            try epoll.wait(milliseconds: milliseconds) { _, _ in }
        } catch {
            preconditionFailure("epoll_wait: \(error)")
        }
        nginxLog.drain()
    }

    private func nextDeadline() -> Int64? {
        var deadlines = supervised.compactMap(\.restartsAt) + leaving.map(\.until)
        if let successor { deadlines.append(successor.until) }
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

    /// Notices what has ended, and plans to start it again.
    private func reap(except excluded: SupervisedProcess? = nil) {
        for process in supervised where process !== excluded {
            guard let child = process.process, let ending = child.ending() else { continue }
            child.killGroup()
            let pause = process.planRestart(at: now())
            restarts.countRestart(of: process.name)
            logger.warning(
                "a process ended and is started again",
                metadata: [
                    "name": "\(process.name)", "ending": "\(ending)", "pause": .stringConvertible(pause),
                ])
            if case .killed(let signal) = ending, StoreReading.isCrash(signal) {
                let fault = StoreFile.fault(in: settings.dataDirectory)
                logger.error(
                    "a process crashed; the store may be damaged: run \"postroom store check\"",
                    metadata: fault.map { ["fault": "\($0)"] })
            }
        }
        let time = now()
        leaving.removeAll { child, until in
            if child.ending() != nil { return true }
            if time >= until { child.killGroup() }
            return false
        }
        let own = supervised.compactMap(\.process) + leaving.map(\.process) + (successor.map { [$0.process] } ?? [])
        ChildProcess.reapOrphans(except: own.map(\.processID))
    }

    private func restart() {
        for process in supervised {
            if let time = process.restartsAt, now() >= time { launch(process) }
        }
    }

    // MARK: Replacing

    private func beginReplacing() {
        replacesAgain = successor != nil
        guard !replacesAgain else { return }
        logger.info("replacing the responders and the worker")
        ServiceManager.tellReloading()
        replacing = responders + [worker]
        do throws(Refusal) {
            let isChanged = try files.write(workerUser: workerUser)
            let times = readCertificateTimes()
            guard isChanged || times != certificateTimes else { return }
            certificateTimes = times
            logger.info("nginx reads its configuration and certificates again")
            nginx?.process?.send(Signal.hangUp)
        } catch {
            logger.error("nginx keeps its configuration", metadata: ["reason": "\(error)"])
        }
    }

    private func readCertificateTimes() -> [Int64?] {
        guard let tls = settings.tls else { return [] }
        return [tls.certificate, tls.key, tls.clientAuthority].map { $0.flatMap(Files.modificationTime) }
    }

    /// One at a time: the next one is started beside the old one, which leaves once the new one is seen to run.
    private func goOnReplacing() {
        if let (process, child, ready, until) = successor {
            if let ending = child.ending() {
                keepOld(process, "the new process \(ending)")
            } else if isReady(ready) {
                if let old = process.replace(with: child, at: now()) {
                    old.send(Signal.terminate)
                    leaving.append((old, now() + Int64(settings.shutdownSeconds * 1e6)))
                }
                endTrial()
                if successor == nil, replacing.isEmpty { tellReloaded() }
            } else if now() >= until {
                child.killGroup()
                leaving.append((child, now()))
                keepOld(process, "the new process did not serve in time")
            }
        }
        while successor == nil, !replacing.isEmpty {
            let process = replacing.removeFirst()
            do throws(Errno) {
                let (reading, writing) = try openPipe()
                defer { try? writing.close() }
                let child = try process.launchSuccessor(ready: writing)
                watch(child)
                try epoll.add(reading, .readable, token: 1)
                successor = (process, child, reading, now() + Self.trialMicroseconds)
            } catch {
                logger.error("cannot replace a process", metadata: ["name": "\(process.name)", "error": "\(error)"])
            }
        }
    }

    private func isReady(_ pipe: FileDescriptor) -> Bool {
        var byte: UInt8 = 0
        let count = try? unsafe withUnsafeMutableBytes(of: &byte) { unsafe try pipe.read(into: $0) }
        return count == 1
    }

    private func endTrial() {
        try? successor?.ready.close()
        successor = nil
        if replacing.isEmpty, replacesAgain { beginReplacing() }
    }

    private func tellReloaded() {
        logger.info(
            "the reload is done: the responders and the worker are new",
            metadata: ["responders": .stringConvertible(responders.count)])
        ServiceManager.tellReady()
    }

    private func keepOld(_ process: SupervisedProcess, _ reason: String) {
        logger.error("\(reason); the old ones stay", metadata: ["name": "\(process.name)"])
        replacing = []
        replacesAgain = false
        endTrial()
        ServiceManager.tellReady()
    }

    // MARK: Stopping

    /// nginx stops listening and finishes its requests while the responders still answer; then the responders finish.
    private func stop() {
        logger.info("stopping")
        ServiceManager.tellStopping()
        let deadline = now() + Int64(settings.shutdownSeconds * 1e6)
        if let successor { leaving.append((successor.process, deadline)) }
        replacing = []
        replacesAgain = false
        endTrial()
        let answering = responders.compactMap(\.process)
        if let gateway = nginx?.process {
            gateway.send(Signal.quit)
            waitForEnd(of: [gateway], until: deadline - Int64(settings.shutdownSeconds * 0.2e6)) {
                // Whoever waits for a notification is sent home now.
                for responder in answering { responder.send(Signal.hangUp) }
            }
        }
        let rest = answering + leaving.map(\.process) + (worker.process.map { [$0] } ?? [])
        for process in rest { process.send(Signal.terminate) }
        waitForEnd(of: rest, until: deadline) {}
        for process in supervised { process.abandon() }
        nginxLog.drain()
    }

    /// Waits until all have ended; those that have not by the deadline are ended.
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
                "a process did not stop in time", metadata: ["process": .stringConvertible(Int(process.processID))])
            process.killGroup()
            _ = try? process.waitForEnding()
        }
    }
}
