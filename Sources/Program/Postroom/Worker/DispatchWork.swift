internal import DeliveryEngine
internal import Linux
internal import Logging
internal import Storage
internal import Values

/// Makes the deliveries that are due, and writes what became of them.
final class DispatchWork {
    let dispatcher: Dispatcher
    private let store: any StorageEngine
    private let failures: WorkFailures
    private let logger: Logger
    private var seenVersion: UInt64?
    private var changedAt: Int64 = 0
    private var triesAgainAt: Int64 = 0
    private var hasDestinations = true

    /// How often to look whether something is due: while the store changes, once it has not for a while, and where nobody
    /// wants anything delivered.
    private static let milliseconds = (busy: 5, idle: 20, unused: 50)
    /// The store counts as idle where it has not changed for so long.
    private static let idleMicroseconds: Int64 = 10_000_000

    init(_ store: any StorageEngine, _ dispatcher: Dispatcher, _ failures: WorkFailures, _ logger: Logger) {
        self.store = store
        self.dispatcher = dispatcher
        self.failures = failures
        self.logger = logger
    }

    /// After how long to look again.
    var lookMilliseconds: Int {
        if dispatcher.attemptsInFlight > 0 { return Self.milliseconds.busy }
        if !hasDestinations { return Self.milliseconds.unused }
        let sinceChange = SystemClock.bootTimeMicroseconds() - changedAt
        return sinceChange < Self.idleMicroseconds ? Self.milliseconds.busy : Self.milliseconds.idle
    }

    /// After how long to write again what could not be written, and not sooner; `nil` where there is no such thing.
    var retryMilliseconds: Int? {
        dispatcher.hasFinished ? Int(max(0, triesAgainAt - SystemClock.bootTimeMicroseconds()) / 1000) : nil
    }

    /// One step, where there is something to write or to begin.
    func work() async {
        let now = SystemClock.bootTimeMicroseconds()
        guard now >= triesAgainAt else { return }
        do throws(StoreFailure) {
            let version = try store.version()
            let hasChanged = version != seenVersion
            if hasChanged {
                changedAt = now
                hasDestinations = try await store.deliveries.hasDestinations()
            }
            guard dispatcher.hasWork(storeHasChanged: hasChanged) else {
                seenVersion = version
                return
            }
            let starts = try await dispatcher.dispatch()
            try store.commit()
            seenVersion = version
            for event in dispatcher.events { logger.log(event) }
            dispatcher.begin(starts)
        } catch {
            triesAgainAt = await failures.handle(error, "deliveries have to wait")
        }
    }

    /// Begins nothing any longer, and waits for what is being sent.
    func drain(seconds: Double) async throws {
        dispatcher.drain()
        let deadline = SystemClock.bootTimeMicroseconds() + Int64(seconds * 1e6)
        while dispatcher.attemptsInFlight > 0, SystemClock.bootTimeMicroseconds() < deadline {
            store.heartbeat?.beat()
            try dispatcher.wait(milliseconds: 50, descriptors: [])
            await work()
        }
        triesAgainAt = 0
        await work()
    }
}
