internal import DeliveryEngine
internal import Linux
internal import Logging
internal import Storage
internal import Values

/// Begins attempts for the deliveries that are due, and writes the outcomes of those that have ended.
final class DispatchWork {
    let dispatcher: Dispatcher
    private let store: any StorageEngine
    private let failures: WorkFailures
    private let logger: Logger
    private var seenVersion: UInt64?
    private var changedAt: Int64 = 0
    private var triesAgainAt: Int64 = 0
    private var hasDestinations = true

    /// The interval at which to look for deliveries that are due: while attempts are in flight or the store changes, once it
    /// has not changed for a while, and without any destination.
    private static let milliseconds = (busy: 5, idle: 20, unused: 50)
    /// The store counts as idle once it has not changed for this long.
    private static let idleMicroseconds: Int64 = 10_000_000

    init(_ store: any StorageEngine, _ dispatcher: Dispatcher, _ failures: WorkFailures, _ logger: Logger) {
        self.store = store
        self.dispatcher = dispatcher
        self.failures = failures
        self.logger = logger
    }

    /// The time until the next look for deliveries that are due.
    var lookMilliseconds: Int {
        if dispatcher.attemptsInFlight > 0 { return Self.milliseconds.busy }
        if !hasDestinations { return Self.milliseconds.unused }
        let sinceChange = SystemClock.bootTimeMicroseconds() - changedAt
        return sinceChange < Self.idleMicroseconds ? Self.milliseconds.busy : Self.milliseconds.idle
    }

    /// The time until the outcomes of ended attempts can be written: 0 unless the last step failed; `nil` if all are
    /// written.
    var retryMilliseconds: Int? {
        dispatcher.hasFinished ? Int(max(0, triesAgainAt - SystemClock.bootTimeMicroseconds()) / 1000) : nil
    }

    /// Does one step if there is something to write or to begin.
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
            // A receiver must not see what a crash can undo.
            if !starts.isEmpty { try store.flush() }
            seenVersion = version
            for event in dispatcher.events { logger.log(event) }
            dispatcher.begin(starts)
        } catch {
            triesAgainAt = await failures.handle(error, "deliveries have to wait; trying again every second")
        }
    }

    /// Writes the outcomes that are still to be written, without waiting after a failed step.
    func finish() async {
        triesAgainAt = 0
        await work()
    }
}
