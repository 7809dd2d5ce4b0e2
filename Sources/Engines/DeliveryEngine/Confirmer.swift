package import Capture
package import Curl
internal import HTTP
package import SystemPackage
package import Values

/// Makes the calls that confirm subscriptions, a few at a time and at a limited rate.
///
/// Its requests are apart from those of deliveries, so that neither waits for the other.
package final class Confirmer: SteppedSender {
    private let store: any ConfirmationStore
    private let settings: DispatcherSettings
    private let mayConnect: @Sendable (IPAddress) -> Bool
    private let now: () -> Moment

    private var running: RunningRequests<PendingConfirmation>
    private var finished: [(PendingConfirmation, ConfirmationResult)] = []
    /// When the next call may begin, whatever is due; on the steady clock.
    private var opensAt: Timestamp?
    private var nextDue: Timestamp?
    private var isDraining = false

    /// How many bytes of a response are read. They are not used.
    private static let readBytes = 64 << 10

    /// - Parameter mayConnect: whether an address may be called.
    package init(
        store: any ConfirmationStore, multi: Multi, settings: DispatcherSettings,
        mayConnect: @escaping @Sendable (IPAddress) -> Bool, now: @escaping () -> Moment
    ) {
        self.store = store
        running = RunningRequests(multi)
        self.settings = settings
        self.mayConnect = mayConnect
        self.now = now
    }

    package var requestsInFlight: Int { running.count }

    package var descriptor: FileDescriptor? { running.descriptor }

    package var pauseMilliseconds: Int? {
        if !finished.isEmpty { return 0 }
        var times = [running.pauseMicroseconds].compactMap(\.self)
        if mayBegin, let nextDue {
            let moment = now().steady
            times.append(max(nextDue, opensAt ?? nextDue).microseconds - moment.microseconds)
        }
        return times.min().map { Int((max(0, $0) + 999) / 1000) }
    }

    private var mayBegin: Bool { !isDraining && running.count < ConfirmationLimits.callsInFlight }

    package func drain() { isDraining = true }

    package func takeFinished() throws(CurlError) {
        for (pending, exchange) in try running.takeEnded() {
            let result =
                switch exchange.outcome {
                case .response(let status, _, _, _): ConfirmationResult(status: status)
                case .failure(_, let text): ConfirmationResult(failure: text)
                }
            finished.append((pending, result))
        }
    }

    package func hasWork(storeHasChanged: Bool) -> Bool {
        if !finished.isEmpty { return true }
        guard mayBegin else { return false }
        return storeHasChanged || nextDue.map { max($0, opensAt ?? $0) <= now().steady } ?? false
    }

    /// What a step has written.
    package struct Step: SenderStep {
        /// Confirmations whose calls have ended.
        package var concluded: [Confirmation] = []
        /// The call to begin once the step is committed.
        var start: PendingConfirmation?

        package var beginsRequests: Bool { start != nil }
    }

    /// Writes the results of ended calls, and that a call begins. What that changes is looked at in the next step, as the
    /// store has changed then.
    package func step() async throws(StoreFailure) -> Step {
        var step = Step()
        let moment = now()
        for (pending, result) in finished {
            if let confirmation = try await store.conclude(pending, result, at: moment) {
                step.concluded.append(confirmation)
            }
        }
        nextDue = try await store.nextConfirmation()
        guard mayBegin, let due = nextDue, max(due, opensAt ?? due) <= moment.steady else { return step }
        // Until the lease is over, no other worker makes the call; it ends before.
        let leaseSeconds = settings.timeoutSeconds + settings.leaseMarginSeconds
        step.start = try await store.beginConfirmation(leaseSeconds: leaseSeconds, at: moment)
        return step
    }

    package func begin(_ step: Step) {
        finished = []
        guard let start = step.start else { return }
        opensAt = now().steady.adding(seconds: ConfirmationLimits.secondsBetweenCalls)
        let request = Outgoing(
            method: "GET", url: start.confirmation.url,
            headers: [(name: "User-Agent", value: settings.headers.userAgent)],
            timeoutMilliseconds: Int(settings.timeoutSeconds * 1000),
            connectTimeoutMilliseconds: Int(min(settings.connectTimeoutSeconds, settings.timeoutSeconds) * 1000),
            keptBytes: 0, readBytes: Self.readBytes, mayConnect: mayConnect)
        do throws(CurlError) {
            try running.start(request, for: start)
        } catch {
            finished.append((start, ConfirmationResult(failure: "the request cannot be sent: \(error)")))
        }
    }
}
