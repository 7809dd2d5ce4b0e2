internal import Capture
internal import Delivery
internal import DeliveryEngine
internal import Linux
internal import Logging
internal import Storage
internal import Values

/// Sends captured notifications on, if ENDPOINT_FORWARDING allows it.
final class ForwardingWork {
    let forwarder: Forwarder
    private let store: any StorageEngine
    private let failures: WorkFailures
    private let logger: Logger
    private var seenVersion: UInt64?
    private var triesAgainAt: Int64 = 0

    init(_ store: any StorageEngine, _ forwarder: Forwarder, _ failures: WorkFailures, _ logger: Logger) {
        self.store = store
        self.forwarder = forwarder
        self.failures = failures
        self.logger = logger
    }

    /// The time until there is something to do, unless the store changes; `nil`: none is known.
    var pauseMilliseconds: Int? {
        forwarder.pauseMilliseconds.map { pause in
            max(pause, Int(max(0, triesAgainAt - SystemClock.bootTimeMicroseconds()) / 1000))
        }
    }

    /// Does one step if there is something to write or to begin.
    func work() async throws {
        try forwarder.takeFinished()
        guard SystemClock.bootTimeMicroseconds() >= triesAgainAt else { return }
        do throws(StoreFailure) {
            let version = try store.version()
            guard forwarder.hasWork(storeHasChanged: version != seenVersion) else { return }
            let step = try await forwarder.step()
            try store.commit()
            // A target must not see what a crash can undo.
            if !step.starts.isEmpty { try store.flush() }
            seenVersion = version
            for forward in step.failed { log(forward) }
            forwarder.begin(step)
        } catch {
            triesAgainAt = await failures.handle(error, "forwards have to wait; trying again every second")
        }
    }

    /// Writes the outcomes that are still to be written, without waiting after a failed step.
    func finish() async throws {
        triesAgainAt = 0
        try await work()
    }

    private func log(_ forward: Forward) {
        logger.debug(
            "gave up forwarding a notification",
            metadata: [
                "forward": .stringConvertible(forward.number), "notification": .stringConvertible(forward.notification),
                "attempts": .stringConvertible(forward.attempts), "reason": "\(forward.last?.failure?.text ?? "")",
            ])
    }
}
