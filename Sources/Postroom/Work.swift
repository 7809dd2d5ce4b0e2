internal import ArgumentParser
internal import Capture
internal import Gateway
internal import Linux
internal import Logging
internal import MappedStore
internal import SystemPackage

struct Work: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Do what is due and no request asks for: expiry, and removing what is of no more use.",
        discussion: "Started by \"postroom serve\", systemd or another supervisor. SIGTERM ends it in order.")

    @Option(help: ArgumentHelp("Stop when this process, the parent, dies.", visibility: .hidden))
    var parent: Int32?

    @Option(help: ArgumentHelp("Write a byte to this descriptor once the process serves.", visibility: .hidden))
    var ready: Int32?

    func run() throws {
        if let parent { Signal.send(Signal.terminate, whenParentDies: parent) }
        Signal.ignoreBrokenPipes()
        let settings = try Settings.inForce()
        let logger = settings.logger("worker \(Machine.processID)")
        let worker = Worker(store: try settings.openStore(), settings: settings, logger: logger)
        tellReady(ready)
        try worker.run()
    }
}

/// The loop of the worker: sleeps, and removes in small steps what has expired.
final class Worker {
    private let store: MappedStore
    private let settings: Settings
    private let logger: Logger

    /// Each step is one transaction, and other processes get their turn between two of them.
    private static let stepSize = 250
    private static let pauseMilliseconds = 2
    /// How often old requests are forgotten and dead readers swept, where nothing asks for it more often.
    private static let tickSeconds = 5.0

    init(store: MappedStore, settings: Settings, logger: Logger) {
        self.store = store
        self.settings = settings
        self.logger = logger
    }

    /// Works until SIGTERM or SIGINT.
    func run() throws(Errno) {
        let signals = try SignalQueue([Signal.terminate, Signal.interrupt, Signal.hangUp])
        let epoll = try Epoll()
        try epoll.add(signals.descriptor, .readable, token: 0)
        var isStopping = false
        renewMark()
        defer { renewMark() }
        var cleansAt = SystemClock.bootTimeMicroseconds() + Int64(settings.cleanupSeconds * 1e6)
        var hasMore = false
        while !isStopping {
            let untilCleanup = Double(cleansAt - SystemClock.bootTimeMicroseconds()) / 1e6
            let seconds = max(0, min(Self.tickSeconds, untilCleanup))
            let pause = hasMore ? Self.pauseMilliseconds : Int(seconds * 1000) + 1
            try epoll.wait(milliseconds: pause) { _, _ in
                while let signal = signals.next() { isStopping = isStopping || signal != Signal.hangUp }
            }
            guard !isStopping else { return }
            hasMore = step { () throws(StoreFailure) in try forgetRequests() }
            let hasGarbage = step { () throws(StoreFailure) in try removeGarbage() }
            hasMore = hasMore || hasGarbage
            if SystemClock.bootTimeMicroseconds() >= cleansAt {
                let more = step { () throws(StoreFailure) in try removeOverdue() }
                let moreLogins = step { () throws(StoreFailure) in try forgetLogins() }
                hasMore = hasMore || more || moreLogins
                if !more, !moreLogins {
                    cleansAt = SystemClock.bootTimeMicroseconds() + Int64(settings.cleanupSeconds * 1e6)
                }
            }
            if !hasMore { _ = step { () throws(StoreFailure) in try sweep() } }
        }
    }

    /// Does one step and commits it; a failure is logged, and tried again at the next tick.
    private func step(_ body: () throws(StoreFailure) -> Bool) -> Bool {
        do throws(StoreFailure) {
            let hasMore = try body()
            try store.commit()
            return hasMore
        } catch {
            store.rollBack()
            logger.warning("expiry has to wait", metadata: ["reason": "\(error)"])
            if case .lost = error { Signal.raise(Signal.terminate) }
            return false
        }
    }

    private func removeOverdue() throws(StoreFailure) -> Bool {
        let count = try store.removeOverdue(at: store.clock.now(), settings.limits, limit: Self.stepSize)
        if count > 0 { logger.debug("removed endpoints", metadata: ["count": "\(count)"]) }
        return count == Self.stepSize
    }

    private func forgetRequests() throws(StoreFailure) -> Bool {
        try store.forgetRequests(at: store.clock.now(), limit: 4 * Self.stepSize) == 4 * Self.stepSize
    }

    private func renewMark() {
        do throws(StoreFailure) {
            try store.renewMark()
        } catch {
            store.rollBack()
            logger.warning("an older copy of the store would go unnoticed", metadata: ["reason": "\(error)"])
        }
    }

    private func removeGarbage() throws(StoreFailure) -> Bool {
        try store.removeGarbage(limit: Self.stepSize) == Self.stepSize
    }

    /// Where the next step of looking for logins to forget begins.
    private var nextLogin: [UInt8] = []

    private func forgetLogins() throws(StoreFailure) -> Bool {
        try store.forgetLogins(at: store.clock.now().steady, from: &nextLogin, limit: 4 * Self.stepSize)
        return !nextLogin.isEmpty
    }

    private func sweep() throws(StoreFailure) -> Bool {
        try store.sweepDeadReaders()
        return false
    }
}
