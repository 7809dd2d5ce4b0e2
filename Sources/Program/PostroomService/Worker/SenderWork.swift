internal import DeliveryEngine
internal import Linux
internal import Logging
internal import Storage
internal import Values

/// The part of the worker that has a sender make its requests, whichever it is.
protocol SendingWork: AnyObject {
    associatedtype Sender: SteppedSender
    var sender: Sender { get }

    /// The time until there is something to do, unless the store changes; `nil`: none is known.
    var pauseMilliseconds: Int? { get }

    /// Does one step if there is something to write or to begin.
    func work() async throws

    /// Writes the outcomes that are still to be written, without waiting after a failed step.
    func finish() async throws
}

final class SenderWork<Sender: SteppedSender>: SendingWork {
    let sender: Sender
    private let store: any StorageEngine
    private let failures: WorkFailures
    private let failureMessage: Logger.Message
    private let log: (Sender.Step) -> Void
    private var seenVersion: UInt64?
    private var triesAgainAt: Int64 = 0

    /// - Parameters:
    ///   - failureMessage: the log message about a failed step, which says what has to wait.
    ///   - log: logs what a step has brought.
    init(
        _ store: any StorageEngine, _ sender: Sender, _ failures: WorkFailures, failureMessage: Logger.Message,
        log: @escaping (Sender.Step) -> Void
    ) {
        self.store = store
        self.sender = sender
        self.failures = failures
        self.failureMessage = failureMessage
        self.log = log
    }

    var pauseMilliseconds: Int? {
        sender.pauseMilliseconds.map { pause in
            max(pause, Int(max(0, triesAgainAt - SystemClock.bootTimeMicroseconds()) / 1000))
        }
    }

    func work() async throws {
        try sender.takeFinished()
        guard SystemClock.bootTimeMicroseconds() >= triesAgainAt else { return }
        do throws(StoreFailure) {
            let version = try store.version()
            guard sender.hasWork(storeHasChanged: version != seenVersion) else { return }
            let step = try await sender.step()
            try store.commit()
            if step.beginsRequests { try store.flush() }
            seenVersion = version
            log(step)
            sender.begin(step)
        } catch {
            triesAgainAt = await failures.handle(error, failureMessage)
        }
    }

    func finish() async throws {
        triesAgainAt = 0
        try await work()
    }
}
