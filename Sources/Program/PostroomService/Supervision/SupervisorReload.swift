internal import HTTP
internal import Linux
internal import Logging
internal import SystemPackage

/// A reload: the supervisor becomes the program that is installed now. That program writes nginx's configuration from its
/// own templates, and replaces the responders and the worker by processes of its own. If the store must be migrated, it has
/// all of them end first; callers wait at the sockets meanwhile.
extension Supervisor {
    enum Migration {
        /// Waits until no process outside the service, such as an export, has the store open. The old processes go on
        /// meanwhile. `toldAt` is when this was last logged.
        case waiting(toldAt: Int64?)
        case stoppingWorker
        case stoppingResponders(since: Int64)
        case migrating(ChildProcess, since: Int64)

        var process: ChildProcess? {
            if case .migrating(let process, _) = self { process } else { nil }
        }
    }

    /// The exit status of `postroom preflight` if the program could take over, but the store must be migrated first, while no
    /// other process has it open.
    package static let migratesStatus: Int32 = 10
    private static let preflightMicroseconds: Int64 = 20_000_000

    // MARK: The new program

    func beginPreflight() {
        logger.info("reload: checking the program", metadata: ["program": "\(program)"])
        do throws(Errno) {
            let process = try ChildProcess(program, ["preflight"], environment: environment)
            watch(process)
            preflight = (process, now() + Self.preflightMicroseconds)
        } catch {
            keepAll("cannot start \(program): \(error)")
        }
    }

    func goOnWithPreflight() {
        guard let (process, until) = preflight else { return }
        if let ending = process.ending() {
            preflight = nil
            switch ending {
            case .exited(0): becomeProgram(migrates: false)
            case .exited(Self.migratesStatus): becomeProgram(migrates: true)
            default: keepAll("\(program) cannot take over: its check \(ending)")
            }
        } else if now() >= until {
            preflight = nil
            process.killGroup()
            _ = try? process.waitForEnding()
            keepAll("\(program) cannot take over: its check did not end in time")
        }
    }

    private func keepAll(_ reason: String) {
        logger.error("\(reason); the old processes stay")
        endReload()
    }

    /// Runs the new program in this process (execve(2)), and does not return if that succeeds. Child processes and the
    /// descriptors that are marked as inherited stay.
    private func becomeProgram(migrates: Bool) {
        func child(_ process: SupervisedProcess?) -> SupervisorState.Child? {
            guard let process, let running = process.process else { return nil }
            return SupervisorState.Child(processID: running.processID, slot: process.slot)
        }
        let state = SupervisorState(
            lock: lock.descriptor.rawValue, sockets: sockets.map(\.rawValue),
            vitals: vitals.counters.descriptor.rawValue,
            nginxLog: [nginxLog.reading.rawValue, nginxLog.writing.rawValue], nginx: child(nginx),
            worker: child(worker),
            responders: responders.map(child), leaving: leaving.map(\.process.processID), started: started,
            certificateTimes: certificateTimes, migrates: migrates)
        let kept = [lock.descriptor, vitals.counters.descriptor, nginxLog.reading, nginxLog.writing] + sockets
        do {
            let (reading, writing) = try openPipe()
            defer {
                try? reading.close()
                try? writing.close()
            }
            try writing.writeAll(state.encoded)
            for descriptor in kept + [reading] { try descriptor.setInherited(true) }
            let options = nginx == nil ? ["--no-nginx"] : []
            throw become(program, ["serve"] + options + ["--takeover", String(reading.rawValue)])
        } catch {
            for descriptor in kept { try? descriptor.setInherited(false) }
            keepAll("\(program) cannot take over: \(error)")
        }
    }

    // MARK: Migrating

    func goOnMigrating() {
        switch migration {
        case nil: return
        case .waiting(let toldAt): endWorker(toldAt)
        case .stoppingWorker:
            guard leaving.isEmpty else { return }
            logger.notice("migrating the store: requests wait until it is done")
            for process in responders {
                if let running = process.process { leave(running) }
                process.abandon()
            }
            migration = .stoppingResponders(since: now())
        case .stoppingResponders(let since):
            guard leaving.isEmpty else { return }
            do throws(Errno) {
                let process = try ChildProcess(program, ["store", "migrate"], environment: environment)
                watch(process)
                migration = .migrating(process, since: since)
            } catch {
                endMigration("cannot start \(program): \(error)", since: since)
            }
        case .migrating(let process, let since):
            guard let ending = process.ending() else { return }
            endMigration(ending == .exited(0) ? nil : "the migration \(ending)", since: since)
        }
    }

    /// Ends the worker, unless a process outside the service has the store open. The worker ends before the responders: what
    /// it is sending may take a while, and requests are answered meanwhile.
    private func endWorker(_ toldAt: Int64?) {
        let lock = settings.dataDirectory.appending("store.lock")
        let own = supervised.compactMap { $0.process?.processID } + leaving.map(\.process.processID)
        if let other = FileLock.holders(of: lock).first(where: { !own.contains($0) && $0 != Machine.processID }) {
            guard toldAt.map({ now() - $0 >= 10_000_000 }) ?? true else { return }
            logger.warning(
                "the store has an older layout, and cannot be migrated while another process has it open; the old processes continue until that process has ended",
                metadata: [
                    "process": "\(other)", "command": "\(Machine.commandLine(of: other).joined(separator: " "))",
                ])
            migration = .waiting(toldAt: now())
            return
        }
        if let running = worker.process { leave(running) }
        worker.abandon()
        migration = .stoppingWorker
    }

    private func endMigration(_ failure: String?, since start: Int64) {
        let seconds = Double(now() - start) / 1e6
        if let failure {
            logger.critical(
                "THE STORE COULD NOT BE MIGRATED. The service keeps trying; see the message above.",
                metadata: ["reason": "\(failure)"])
        } else {
            logger.notice(
                "the store is migrated, and requests are answered again",
                metadata: ["layout": "\(storeOnDisk.layoutVersion)", "seconds": "\(seconds)"])
        }
        migration = nil
        for process in responders + [worker] { process.restart(at: now()) }
        restart()
        endReload()
    }
}
