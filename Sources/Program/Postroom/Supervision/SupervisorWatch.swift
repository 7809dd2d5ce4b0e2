internal import Linux
internal import Logging
internal import SystemPackage

/// Processes that do not respond.
extension Supervisor {
    /// Ends processes whose loop does not turn.
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
                "a process does not respond; it is ended and started again",
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

    /// As long as processes that hold the lock themselves may take, and some.
    private static let looksForLock = 20

    /// Names the process that keeps all others from writing, where it is none of ours.
    private func tellWhoLocks() {
        let path = StoreOnDisk.path(in: settings.dataDirectory)
        guard let holder = StoreOnDisk.writer(in: settings.dataDirectory),
            ProcessStatus(of: holder)?.parent != Machine.processID
        else { return }
        logger.error(
            "a process that is not part of the service holds the store's write lock, and all requests wait for it: end it, or have it go on",
            metadata: [
                "store": "\(path)", "process": "\(holder)",
                "command": "\(Machine.commandLine(of: holder).joined(separator: " "))",
            ])
    }
}
