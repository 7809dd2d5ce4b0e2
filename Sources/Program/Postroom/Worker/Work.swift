internal import ArgumentParser
internal import Capture
internal import Curl
internal import Delivery
internal import DeliveryEngine
internal import Events
internal import HTTP
internal import Linux
internal import Logging
internal import Lookups
internal import Storage
internal import SystemPackage
internal import Values

struct Work: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Do what is due and no request asks for: deliveries, expiry, and removing what is of no more use.",
        discussion: "Started by \"postroom serve\", systemd or another supervisor. SIGTERM ends it in order.")

    @Option(help: ArgumentHelp("Stop when this process, the parent, dies.", visibility: .hidden))
    var parent: Int32?

    @Option(help: ArgumentHelp("Write a byte to this descriptor once the process serves.", visibility: .hidden))
    var ready: Int32?

    @Option(
        help: ArgumentHelp("Which place in the memory given as descriptor 4 is this process's.", visibility: .hidden))
    var heartbeat: Int?

    func run() throws {
        if let parent { Signal.send(Signal.terminate, whenParentDies: parent) }
        Signal.ignoreBrokenPipes()
        let settings = try Settings.inForce()
        let logger = settings.logger("worker \(Machine.processID)")
        let vitals = heartbeat.flatMap { _ in Vitals(FileDescriptor(rawValue: Vitals.childDescriptor)) }
        let store = try ServiceStore(
            settings: settings, parent: parent, isSuccessor: ready != nil && heartbeat == nil, logger: logger
        ).open()
        store.heartbeat = heartbeat.flatMap { vitals?.heartbeat($0) }
        let secret = try EncryptionSecret(settings, for: store)
        try settings.sendOperationalEvents(of: store, sealing: secret.sealing)
        let multi = try Multi(
            connectionsPerHost: 0, idleSeconds: 60, dnsSeconds: 60, keptConnections: settings.delivery.inFlight)
        let addresses = AddressGuard(allowing: settings.allowedSubnets)
        let clock = store.clock
        let dispatcher = Dispatcher(
            store: store.deliveries, multi: multi, settings: settings.delivery, sealing: secret.sealing,
            shaping: EventShaper(), mayConnect: { addresses.allows($0) }, now: clock.now,
            random: SystemRandomNumberGenerator())
        let intake =
            try settings.kafka.brokers.isEmpty
            ? nil
            : KafkaIntake(
                settings.kafka, maximumBytes: settings.maximumBodyBytes, store: store,
                lookups: Lookups(settings, logger: logger), logger: logger)
        let worker = try Worker(
            store: store, settings: settings, dispatcher: dispatcher, intake: intake, logger: logger)
        let lock = try takeOver(dispatcher, store, settings, logger)
        tellReady(ready)
        try withExtendedLifetime(lock) { try worker.run() }
    }

    /// Every worker holds a lock with the others. One that finds nobody holding it need not wait for the leases of those
    /// that were there before.
    private func takeOver(
        _ dispatcher: Dispatcher, _ store: any StorageEngine, _ settings: Settings, _ logger: Logger
    ) throws -> FileLock {
        let path = settings.dataDirectory.appending("worker.lock")
        if let alone = try? FileLock(path, exclusive: true) {
            try withExtendedLifetime(alone) {
                let count = try dispatcher.takeOver()
                try store.commit()
                guard count > 0 else { return }
                logger.info(
                    "begins anew what a worker before had begun", metadata: ["deliveries": .stringConvertible(count)])
            }
        }
        // Whoever has it alone now has nothing of ours to take: nothing has begun here.
        return try FileLock(path, exclusive: false, waits: true)
    }
}

/// The loop of the worker: takes events in, makes the deliveries that are due, and removes in small steps what has expired.
final class Worker {
    private let store: any StorageEngine
    private let settings: Settings
    private let logger: Logger
    private let dispatcher: Dispatcher
    private let intake: KafkaIntake?
    private let matcher: EventMatcher
    private let signals: SignalQueue

    /// Each step is one transaction, and other processes get their turn between two of them.
    private static let stepSizes = 8...250
    private static let pauseMilliseconds = 2
    /// Lines of the log that are given up at a time where the store is full.
    private static let linesForRoom = 64
    /// How often old requests are forgotten and dead readers swept, where nothing asks for it more often.
    private static let tickMicroseconds: Int64 = 5_000_000
    /// How often to look whether something is due: while the store changes, once it has not for a while, and where nobody
    /// wants anything delivered.
    private static let lookMilliseconds = (busy: 5, idle: 20, unused: 50)

    init(
        store: any StorageEngine, settings: Settings, dispatcher: Dispatcher, intake: KafkaIntake?, logger: Logger
    ) throws(Errno) {
        self.store = store
        self.settings = settings
        self.dispatcher = dispatcher
        self.intake = intake
        matcher = EventMatcher(store: store.matching)
        self.logger = logger
        signals = try SignalQueue([Signal.terminate, Signal.interrupt, Signal.hangUp])
    }

    /// Works until SIGTERM or SIGINT.
    func run() throws {
        renewMark()
        defer { renewMark() }
        let cleanupMicroseconds = Int64(settings.cleanupSeconds * 1e6)
        var cleansAt = SystemClock.bootTimeMicroseconds() + cleanupMicroseconds
        var ticksAt = SystemClock.bootTimeMicroseconds() + Self.tickMicroseconds
        var hasMore = false
        while true {
            try wait(milliseconds: hasMore ? Self.pauseMilliseconds : nil)
            store.heartbeat?.beat()
            guard !isStopping else { return try drain() }
            intake?.turn()
            match()
            deliver()
            tellDamage()
            let now = SystemClock.bootTimeMicroseconds()
            guard hasMore || now >= ticksAt || now >= cleansAt else { continue }
            hasMore = step { () throws(StoreFailure) in try forgetRequests() }
            for more in [
                step { () throws(StoreFailure) in try removeGarbage() },
                step { () throws(StoreFailure) in try dropOldDeliveries() },
            ] { hasMore = hasMore || more }
            if now >= cleansAt {
                let more = step { () throws(StoreFailure) in try removeOverdue() }
                let moreLogins = step { () throws(StoreFailure) in try forgetLogins() }
                hasMore = hasMore || more || moreLogins
                let forgets = SystemClock.bootTimeMicroseconds() >= forgetsAt
                let moreKeyrings = forgets && step { () throws(StoreFailure) in try forgetKeyrings() }
                let moreMakers = forgets && step { () throws(StoreFailure) in try forgetMakers() }
                hasMore = hasMore || moreKeyrings || moreMakers
                if forgets, !moreKeyrings, !moreMakers {
                    forgetsAt = SystemClock.bootTimeMicroseconds() + Self.forgetMicroseconds
                }
                if !more, !moreLogins { cleansAt = SystemClock.bootTimeMicroseconds() + cleanupMicroseconds }
            }
            if !hasMore { _ = step { () throws(StoreFailure) in try sweep() } }
            ticksAt = SystemClock.bootTimeMicroseconds() + Self.tickMicroseconds
        }
    }

    private var isStopping = false
    /// Smaller where the store is so full that a step finds no room for the pages which it changes.
    private var stepSize = Worker.stepSizes.upperBound

    /// Waits for attempts that end, for signals, and until it is time to look again.
    private func wait(milliseconds: Int?) throws {
        var pause = milliseconds ?? lookMilliseconds
        if hasMoreToMatch, SystemClock.bootTimeMicroseconds() >= matchesAgainAt { pause = 0 }
        // What cannot be written now is written once that is tried again, and not sooner.
        if dispatcher.hasFinished {
            pause = Int(max(0, deliversAgainAt - SystemClock.bootTimeMicroseconds()) / 1000)
        }
        var descriptors = [signals.descriptor]
        if let intake {
            pause = min(pause, intake.pauseMilliseconds)
            descriptors.append(intake.descriptor)
        }
        try dispatcher.wait(milliseconds: pause, descriptors: descriptors)
        while let signal = signals.next() { isStopping = isStopping || signal != Signal.hangUp }
    }

    // MARK: Events

    private var matchedVersion: UInt64?
    private var hasMoreToMatch = true
    private var matchesAgainAt: Int64 = 0
    /// Deliveries wait for so long at the most.
    private static let matchingSeconds = 0.02

    /// Holds events against subscriptions for a while, where there are any.
    private func match() {
        let now = SystemClock.bootTimeMicroseconds()
        guard now >= matchesAgainAt else { return }
        do throws(StoreFailure) {
            let version = try store.version()
            guard hasMoreToMatch || version != matchedVersion else { return }
            let deadline = store.clock.now().steady.adding(seconds: Self.matchingSeconds)
            repeat {
                matchedVersion = try store.version()
                hasMoreToMatch = try matcher.turn(until: deadline, now: store.clock.now)
                try store.commit()
            } while hasMoreToMatch && store.clock.now().steady < deadline
        } catch {
            store.rollBack()
            matcher.rolledBack()
            if error == .full, makeRoom() {
                matchesAgainAt = now + 10_000
                return
            }
            logger.warning("events have to wait", metadata: ["reason": "\(reason(error))"])
            if case .lost = error { Signal.raise(Signal.terminate) }
            matchesAgainAt = now + 1_000_000
        }
    }

    /// What is damaged is done without, and its operator hears of it.
    private func tellDamage() {
        for damage in store.takeDamage() {
            logger.error(.damage, metadata: ["damage": "\(damage)"])
        }
    }

    // MARK: Deliveries

    private var seenVersion: UInt64?
    private var changedAt: Int64 = 0
    private var deliversAgainAt: Int64 = 0
    private var hasDestinations = true

    private var lookMilliseconds: Int {
        if dispatcher.attemptsInFlight > 0 { return Self.lookMilliseconds.busy }
        if !hasDestinations { return Self.lookMilliseconds.unused }
        let sinceChange = SystemClock.bootTimeMicroseconds() - changedAt
        return sinceChange < 10_000_000 ? Self.lookMilliseconds.busy : Self.lookMilliseconds.idle
    }

    /// One turn of the deliveries, where there is something to write or to begin.
    private func deliver() {
        let now = SystemClock.bootTimeMicroseconds()
        guard now >= deliversAgainAt else { return }
        do throws(StoreFailure) {
            let version = try store.version()
            let hasChanged = version != seenVersion
            if hasChanged {
                changedAt = now
                hasDestinations = try store.deliveries.hasDestinations()
            }
            guard dispatcher.hasWork(storeHasChanged: hasChanged) else {
                seenVersion = version
                return
            }
            let starts = try dispatcher.turn()
            try store.commit()
            seenVersion = version
            for event in dispatcher.events { logger.log(event) }
            dispatcher.begin(starts)
        } catch {
            store.rollBack()
            if error == .full, makeRoom() {
                deliversAgainAt = now + 10_000
                return
            }
            logger.warning("deliveries have to wait", metadata: ["reason": "\(reason(error))"])
            if case .lost = error { Signal.raise(Signal.terminate) }
            deliversAgainAt = now + 1_000_000
        }
    }

    /// Gives up the oldest of the log for what is being delivered; false where there is none.
    private func makeRoom() -> Bool {
        step { () throws(StoreFailure) in try store.retention.dropForRoom(limit: Self.linesForRoom) > 0 }
    }

    /// Begins nothing any longer, and waits for what is being sent.
    private func drain() throws {
        dispatcher.drain()
        intake?.close()
        let deadline = SystemClock.bootTimeMicroseconds() + Int64(settings.shutdownSeconds * 1e6)
        while dispatcher.attemptsInFlight > 0, SystemClock.bootTimeMicroseconds() < deadline {
            store.heartbeat?.beat()
            try dispatcher.wait(milliseconds: 50, descriptors: [])
            deliver()
        }
        deliversAgainAt = 0
        deliver()
    }

    private func dropOldDeliveries() throws(StoreFailure) -> Bool {
        let oldest = store.clock.now().wall.adding(seconds: -settings.webhookRetentionSeconds)
        let limit = 2 * stepSize
        return try store.retention.dropOldDeliveries(
            before: oldest, maximumBytes: UInt64(settings.webhookLogBytes), limit: limit) == limit
    }

    /// Does one step and commits it; a failure is logged, and tried again at the next tick.
    private func step(_ body: () throws(StoreFailure) -> Bool) -> Bool {
        do throws(StoreFailure) {
            let hasMore = try body()
            try store.commit()
            stepSize = min(2 * stepSize, Self.stepSizes.upperBound)
            return hasMore
        } catch {
            store.rollBack()
            if error == .full, stepSize > Self.stepSizes.lowerBound {
                stepSize = max(stepSize / 4, Self.stepSizes.lowerBound)
                return true
            }
            logger.warning("expiry has to wait", metadata: ["reason": "\(reason(error))"])
            if case .lost = error { Signal.raise(Signal.terminate) }
            return false
        }
    }

    private func removeOverdue() throws(StoreFailure) -> Bool {
        let count = try store.capture.removeOverdue(at: store.clock.now(), settings.limits, limit: stepSize)
        if count > 0 { logger.debug("removed endpoints", metadata: ["count": .stringConvertible(count)]) }
        return count == stepSize
    }

    private func forgetRequests() throws(StoreFailure) -> Bool {
        try store.forgetRequests(at: store.clock.now(), limit: 4 * stepSize) == 4 * stepSize
    }

    /// What an operator can do something about.
    private func reason(_ failure: StoreFailure) -> String {
        failure == .full ? store.fullExplanation : failure.explanation
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
        try store.removeGarbage(limit: stepSize) == stepSize
    }

    /// Where the next step of looking for logins to forget begins.
    private var nextLogin: [UInt8] = []

    private func forgetLogins() throws(StoreFailure) -> Bool {
        try store.queues.forgetLogins(at: store.clock.now().steady, from: &nextLogin, limit: 4 * stepSize)
        return !nextLogin.isEmpty
    }

    /// Keys and makers are looked through once an hour.
    private static let forgetMicroseconds: Int64 = 3_600_000_000
    private var forgetsAt: Int64 = 0
    /// Where the next steps of looking for what is of no more use begin.
    private var nextKeyring: [UInt8] = []
    private var nextMaker: [UInt8] = []

    private func forgetKeyrings() throws(StoreFailure) -> Bool {
        try store.webhooks.forgetIdleKeyrings(at: store.clock.now().wall, from: &nextKeyring, limit: 4 * stepSize)
        return !nextKeyring.isEmpty
    }

    private func forgetMakers() throws(StoreFailure) -> Bool {
        try store.capture.forgetMakers(from: &nextMaker, limit: 4 * stepSize)
        return !nextMaker.isEmpty
    }

    private func sweep() throws(StoreFailure) -> Bool {
        try store.checkHealth()
        try store.sweepDeadReaders()
        return false
    }
}
