package import DeliveryEngine
internal import Events
internal import Linux
package import Logging
package import Storage
package import SystemPackage
internal import Values

/// The loop of the worker: takes in events from Kafka, matches events, makes the deliveries that are due, confirms
/// subscriptions, forwards notifications, and removes in small steps what has expired.
package final class Worker {
    private let store: any StorageEngine
    private let shutdownSeconds: Double
    private let logger: Logger
    private let intake: KafkaIntake?
    private let matching: MatchingWork
    private let dispatching: DispatchWork
    /// What confirms subscriptions and forwards notifications.
    private let sending: [any SendingWork]
    private let maintenance: Maintenance
    private let signals: SignalQueue
    private var isStopping = false

    package init(
        store: any StorageEngine, settings: Settings, dispatcher: Dispatcher, confirmer: Confirmer,
        forwarder: Forwarder?, intake: KafkaIntake?, logger: Logger
    ) throws(Errno) {
        self.store = store
        shutdownSeconds = settings.shutdownSeconds
        self.intake = intake
        self.logger = logger
        maintenance = Maintenance(store, settings, logger)
        let failures = WorkFailures(store, maintenance, logger)
        matching = MatchingWork(store, failures)
        dispatching = DispatchWork(store, dispatcher, failures, logger)
        var sending: [any SendingWork] = [SenderWork(store, confirmer, failures, logger)]
        if let forwarder { sending.append(SenderWork(store, forwarder, failures, logger)) }
        self.sending = sending
        signals = try SignalQueue([Signal.terminate, Signal.interrupt, Signal.hangUp])
    }

    /// Works until SIGTERM or SIGINT.
    package func run() async throws {
        await maintenance.renewMark()
        do {
            try await work()
        } catch {
            await maintenance.renewMark()
            throw error
        }
        await maintenance.renewMark()
    }

    private func work() async throws {
        while true {
            try wait()
            store.heartbeat?.beat()
            guard !isStopping else { return try await drain() }
            logger.takeNews(of: store)
            await intake?.work()
            await matching.work()
            await dispatching.work()
            for work in sending { try await work.work() }
            tellDamage()
            await maintenance.work()
        }
    }

    /// Waits for attempts that end, for signals, and until it is time to look again.
    private func wait() throws {
        var pause = maintenance.pauseMilliseconds ?? dispatching.lookMilliseconds
        if matching.isDue { pause = 0 }
        if let milliseconds = dispatching.retryMilliseconds { pause = milliseconds }
        var descriptors = [signals.descriptor] + (store.flushDescriptor.map { [$0] } ?? [])
        pause = sending.compactMap(\.pauseMilliseconds).reduce(pause, min)
        descriptors += sending.compactMap { $0.sender.descriptor }
        if let intake {
            pause = min(pause, intake.pauseMilliseconds)
            descriptors.append(intake.descriptor)
        }
        try dispatching.dispatcher.wait(milliseconds: pause, descriptors: descriptors)
        while let signal = signals.next() { isStopping = isStopping || signal != Signal.hangUp }
    }

    /// Logs the damaged records that were found. They are treated as missing.
    private func tellDamage() {
        for damage in store.takeDamage() {
            logger.error(.damage, metadata: ["damage": "\(damage)"])
        }
    }

    /// Leaves the Kafka group, begins no more calls, and waits up to SHUTDOWN_SECONDS for those in flight.
    private func drain() async throws {
        intake?.close()
        dispatching.dispatcher.drain()
        for work in sending { work.sender.drain() }
        let deadline = SystemClock.bootTimeMicroseconds() + Int64(shutdownSeconds * 1e6)
        while requestsInFlight > 0, SystemClock.bootTimeMicroseconds() < deadline {
            store.heartbeat?.beat()
            let others = sending.compactMap { $0.sender.descriptor }
            try dispatching.dispatcher.wait(milliseconds: 50, descriptors: others)
            await dispatching.work()
            for work in sending { try await work.work() }
        }
        await dispatching.finish()
        for work in sending { try await work.finish() }
    }

    private var requestsInFlight: Int {
        sending.reduce(dispatching.dispatcher.attemptsInFlight) { $0 + $1.sender.requestsInFlight }
    }
}

/// Handles failed steps of the worker.
struct WorkFailures {
    private let store: any StorageEngine
    private let maintenance: Maintenance
    private let logger: Logger

    init(_ store: any StorageEngine, _ maintenance: Maintenance, _ logger: Logger) {
        self.store = store
        self.maintenance = maintenance
        self.logger = logger
    }

    /// Rolls back what the step has written, and makes room if the store is full. A store that is lost ends the process.
    /// - Parameter message: the log message, which says what has to wait.
    /// - Returns: when to try again, by `SystemClock.bootTimeMicroseconds`.
    func handle(_ failure: StoreFailure, _ message: Logger.Message) async -> Int64 {
        let now = SystemClock.bootTimeMicroseconds()
        store.rollBack()
        if failure == .full, await maintenance.makeRoom() { return now + 10_000 }
        logger.warning(message, metadata: ["reason": "\(store.reason(of: failure))"])
        if case .lost = failure { Signal.raise(Signal.terminate) }
        return now + 1_000_000
    }
}

extension StorageEngine {
    /// The failure in words for an operator. For a full store they say how to make room.
    func reason(of failure: StoreFailure) -> String {
        failure == .full ? fullExplanation : failure.explanation
    }
}
