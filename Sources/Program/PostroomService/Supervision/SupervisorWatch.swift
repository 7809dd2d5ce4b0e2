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
        lookOutside()
    }
}
