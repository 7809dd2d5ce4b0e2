internal import Linux
internal import Logging
internal import SystemPackage

/// Finds and ends processes that do not respond.
extension Supervisor {
    /// Kills processes that the watchdog finds stuck; `reap` then plans their next start. Does nothing until `looksAgainAt`.
    func look() {
        guard now() >= looksAgainAt else { return }
        looksAgainAt = now() + Watchdog.lookMilliseconds * 1000
        var isAnyWaiting = false
        for process in responders + [worker] {
            guard let child = process.process, let slot = process.slot, !stuck.contains(child.processID),
                let status = ProcessStatus(of: child.processID)
            else { continue }
            let sign = Watchdog.Sign(
                beats: vitals.beats(slot), isWaitingForLock: vitals.isWaiting(slot), status: status)
            isAnyWaiting = isAnyWaiting || sign.isWaitingForLock
            guard case .stuck(let seconds, let what) = watchdog.look(at: child.processID, sign) else { continue }
            logger.error(
                "a process does not respond; killing it and starting it again",
                metadata: [
                    "name": "\(process.name)", "process": "\(child.processID)", "state": "\(what)",
                    "seconds": "\(seconds)",
                ])
            vitals.countRestart(process.role, .stuck)
            stuck.insert(child.processID)
            child.killGroup()
        }
        watchdog.forgetAll(but: Set((responders + [worker]).compactMap { $0.process?.processID }))
        looksWithoutLock = isAnyWaiting && stuck.isEmpty ? looksWithoutLock + 1 : 0
        if looksWithoutLock > 0, looksWithoutLock % Self.looksForLock == 0 { tellWhoLocks() }
    }

    /// After how many looks to name the holder of the lock: somewhat later than the watchdog would end a process of the
    /// service that holds it and is stopped or sleeps.
    private static let looksForLock = 20

    /// Logs which process holds the store's write lock, if it is not a process of this service.
    private func tellWhoLocks() {
        let path = StoreOnDisk.path(in: settings.dataDirectory)
        guard let holder = StoreOnDisk.writer(in: settings.dataDirectory),
            ProcessStatus(of: holder)?.parent != Machine.processID
        else { return }
        logger.error(
            "a process that is not part of the service holds the store's write lock, and all requests wait for it: end it, or let it continue",
            metadata: [
                "store": "\(path)", "process": "\(holder)",
                "command": "\(Machine.commandLine(of: holder).joined(separator: " "))",
            ])
    }
}
