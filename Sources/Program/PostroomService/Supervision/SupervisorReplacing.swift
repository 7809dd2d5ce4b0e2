internal import Linux
internal import Logging
internal import SystemPackage

/// How a reload replaces processes: one at a time, and each only once its successor serves.
extension Supervisor {
    /// Begins a reload by checking whether the installed program can take this one's place. While a reload is in progress,
    /// only notes that another one must follow.
    func beginReplacing() {
        replacesAgain = successor != nil || preflight != nil || migration != nil || !replacing.isEmpty
        guard !replacesAgain else { return }
        ServiceManager.tellReloading()
        beginPreflight()
    }

    /// Writes nginx's configuration, and has nginx read it and the certificates again if any of them has changed.
    func renewNginx() {
        do throws(Refusal) {
            let isChanged = try files.write(workerUser: workerUser)
            let times = readCertificateTimes()
            guard isChanged || times != certificateTimes else { return }
            certificateTimes = times
            logger.info("nginx reloads its configuration and certificates")
            nginx?.process?.send(Signal.hangUp)
        } catch {
            logger.error(
                "nginx keeps its old configuration, because the new one cannot be written",
                metadata: ["reason": "\(error)"])
        }
    }

    /// Asks a process to finish its work and end. It is killed if it has not ended after SHUTDOWN_SECONDS.
    func leave(_ process: ChildProcess) {
        process.send(Signal.terminate)
        leaving.append((process, now() + Int64(settings.shutdownSeconds * 1e6)))
    }

    /// Tells the service manager that the reload is over, and begins another one if that was asked for meanwhile.
    func endReload() {
        ServiceManager.tellReady()
        if replacesAgain { beginReplacing() }
    }

    func readCertificateTimes() -> [Int64?] {
        guard let tls = settings.tls else { return [] }
        return [tls.certificate, tls.key, tls.clientAuthority].map { $0.flatMap(Files.modificationTime) }
    }

    /// Replaces one process at a time: the successor is started beside the old process, which is asked to end once the
    /// successor serves.
    func goOnReplacing() {
        if let (process, child, slot, ready, until) = successor {
            if let ending = child.ending() {
                keepOld(process, "the new process \(ending)")
            } else if isReady(ready) {
                let oldSlot = process.slot
                if let old = process.replace(with: child, slot: slot, at: now()) {
                    leavingSlots[old.processID] = oldSlot
                    leave(old)
                }
                endTrial()
            } else if now() >= until {
                child.killGroup()
                leaving.append((child, now()))
                keepOld(process, "the new process was not ready in time")
            }
        }
        while successor == nil, !replacing.isEmpty {
            let process = replacing.removeFirst()
            do throws(Errno) {
                let (reading, writing) = try openPipe()
                defer { try? writing.close() }
                let slot = freeSlot()
                let child = try process.launchSuccessor(ready: writing, slot: slot)
                watch(child)
                try epoll.add(reading, .readable, token: 1)
                successor = (process, child, slot, reading, now() + Self.trialMicroseconds)
            } catch {
                logger.error("cannot replace a process", metadata: ["name": "\(process.name)", "error": "\(error)"])
                if replacing.isEmpty { endReload() }
            }
        }
    }

    private func isReady(_ pipe: FileDescriptor) -> Bool {
        var byte: UInt8 = 0
        let count = try? unsafe withUnsafeMutableBytes(of: &byte) { unsafe try pipe.read(into: $0) }
        return count == 1
    }

    func endTrial() {
        try? successor?.ready.close()
        successor = nil
        guard replacing.isEmpty, !isStopping else { return }
        logger.info(
            "reload done: all responders and the worker were replaced",
            metadata: ["responders": .stringConvertible(responders.count)])
        endReload()
    }

    private func keepOld(_ process: SupervisedProcess, _ reason: String) {
        logger.error("\(reason); the old processes stay", metadata: ["name": "\(process.name)"])
        replacing = []
        replacesAgain = false
        try? successor?.ready.close()
        successor = nil
        ServiceManager.tellReady()
    }
}
