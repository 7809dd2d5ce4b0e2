internal import Linux
internal import Logging
internal import SystemPackage

/// Finds and ends processes that are not part of the service and keep it from working.
extension Supervisor {
    /// After how many looks to name the holder of the write lock that is not stopped.
    private static let looksForLock = 20
    /// The part of the store that a reader may keep from being used again.
    private static let readerPart = 4

    func lookOutside() {
        let holders = storeOnDisk.lockHolders.filter { isOutside($0.processID) }
        var signs = holders.map { sign($0.processID, .lock($0.lock)) }
        if let reader = storeOnDisk.oldReader, isOutside(reader.processID) {
            signs.append(sign(reader.processID, .pages(bytes: reader.bytes)))
        }
        for finding in outsiders.look(signs, limitBytes: readerLimit) {
            switch finding {
            case .end(let processID, let reason): end(processID, reason)
            case .kill(let processID): Signal.send(Signal.kill, to: processID)
            }
        }
        if looksWithoutLock > 0, looksWithoutLock % Self.looksForLock == 0,
            let writer = holders.first(where: \.keepsFromWriting)
        {
            tellWhoLocks(writer.processID)
        }
    }

    private func sign(_ processID: Int32, _ hold: Outsiders.Hold) -> Outsiders.Sign {
        let isStopped = ProcessStatus(of: processID)?.state == UInt8(ascii: "T")
        return Outsiders.Sign(processID: processID, hold: hold, isStopped: isStopped)
    }

    /// Whether a process is neither this one nor a descendant of it.
    private func isOutside(_ processID: Int32) -> Bool {
        var ancestor = processID
        while ancestor > 1 {
            if ancestor == Machine.processID { return false }
            guard let parent = ProcessStatus(of: ancestor)?.parent else { break }
            ancestor = parent
        }
        return true
    }

    /// The most bytes of the store that a reader may keep from being used again.
    private var readerLimit: Int {
        let path = storeOnDisk.path
        let room = Files.freeBytes(of: path).map { Files.size(of: path) + $0 } ?? .max
        return min(settings.maximumStoreBytes, room) / Self.readerPart
    }

    private func end(_ processID: Int32, _ reason: String) {
        var data = metadata(processID)
        data["reason"] = "\(reason)"
        logger.error(
            "a process that is not part of the service keeps it from working; ending it", metadata: data)
        // A stopped process ends once it continues.
        guard Signal.send(Ending.signal, to: processID), Signal.send(Signal.resume, to: processID) else {
            return logger.error("cannot end the process: end it, or let it continue", metadata: metadata(processID))
        }
    }

    private func tellWhoLocks(_ processID: Int32) {
        logger.error(
            "a process that is not part of the service holds the store's write lock, and all requests wait for it: end it, or let it continue",
            metadata: metadata(processID))
    }

    private func metadata(_ processID: Int32) -> Logger.Metadata {
        [
            "store": "\(storeOnDisk.path)", "process": "\(processID)",
            "command": "\(Machine.commandLine(of: processID).joined(separator: " "))",
        ]
    }
}

/// How a supervisor ends a command that keeps the service from working. The command says so, and exits.
package enum Ending {
    /// A signal that nothing else sends.
    static let signal = Signal.user
    /// The exit status for what may succeed later (sysexits.h, EX_TEMPFAIL).
    static let status: Int32 = 75

    /// Must be called before the command uses the store.
    package static func prepare() {
        Signal.endProcess(
            on: signal,
            saying: """
                Error: the service has ended this command, because it kept a lock or too many old pages of the store for too \
                long. The log of "postroom serve" says which. Run the command again

                """, status: status)
    }
}
