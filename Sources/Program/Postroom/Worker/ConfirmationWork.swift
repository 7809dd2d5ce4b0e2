internal import Capture
internal import DeliveryEngine
internal import Linux
internal import Logging
internal import Storage
internal import Values

/// Confirms the subscriptions that messages of Amazon SNS at capture's endpoints ask for.
final class ConfirmationWork {
    let confirmer: Confirmer
    private let store: any StorageEngine
    private let failures: WorkFailures
    private let logger: Logger
    private var seenVersion: UInt64?
    private var triesAgainAt: Int64 = 0

    init(_ store: any StorageEngine, _ confirmer: Confirmer, _ failures: WorkFailures, _ logger: Logger) {
        self.store = store
        self.confirmer = confirmer
        self.failures = failures
        self.logger = logger
    }

    /// The time until there is something to do, unless the store changes; `nil`: none is known.
    var pauseMilliseconds: Int? {
        confirmer.pauseMilliseconds.map { pause in
            max(pause, Int(max(0, triesAgainAt - SystemClock.bootTimeMicroseconds()) / 1000))
        }
    }

    /// Does one step if there is something to write or to begin.
    func work() async throws {
        try confirmer.takeFinished()
        guard SystemClock.bootTimeMicroseconds() >= triesAgainAt else { return }
        do throws(StoreFailure) {
            let version = try store.version()
            guard confirmer.hasWork(storeHasChanged: version != seenVersion) else { return }
            let step = try await confirmer.step()
            try store.commit()
            // The call must not be made a second time because a crash has undone that it began.
            if step.start != nil { try store.flush() }
            seenVersion = version
            for confirmation in step.concluded { log(confirmation) }
            confirmer.begin(step)
        } catch {
            triesAgainAt = await failures.handle(error, "confirmations have to wait; trying again every second")
        }
    }

    /// Writes the outcomes that are still to be written, without waiting after a failed step.
    func finish() async throws {
        triesAgainAt = 0
        try await work()
    }

    private func log(_ confirmation: Confirmation) {
        var details: Logger.Metadata = [
            "topic": "\(confirmation.topic)", "attempts": .stringConvertible(confirmation.attempts),
        ]
        if let error = confirmation.error { details["reason"] = "\(error)" }
        switch confirmation.state {
        case .confirmed: logger.info("confirmed a subscription of Amazon SNS", metadata: details)
        case .pending: logger.info("cannot confirm a subscription of Amazon SNS yet; trying again", metadata: details)
        case .failed:
            logger.warning(
                "gave up confirming a subscription of Amazon SNS: have SNS send its request again", metadata: details)
        }
    }
}
