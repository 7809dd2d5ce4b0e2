package import Capture
package import Curl
internal import HTTP
internal import Linux
package import SystemPackage
package import Values

/// Makes the calls that confirm subscriptions, a few at a time and at a limited rate.
///
/// Its requests are apart from those of deliveries, so that neither waits for the other.
package final class Confirmer {
    private let store: any ConfirmationStore
    private let multi: Multi
    private let settings: DispatcherSettings
    private let mayConnect: @Sendable (IPAddress) -> Bool
    private let now: () -> Moment

    private var running: [UInt64: PendingConfirmation] = [:]
    private var nextToken: UInt64 = 1
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
        self.multi = multi
        self.settings = settings
        self.mayConnect = mayConnect
        self.now = now
    }

    package var callsInFlight: Int { running.count }

    /// Readable when `takeFinished` has something to do; `nil` if no call is in flight.
    package var descriptor: FileDescriptor? { running.isEmpty ? nil : multi.descriptor }

    /// The time until there is something to do, unless the store changes; `nil`: none is known.
    package var pauseMilliseconds: Int? {
        if !finished.isEmpty { return 0 }
        var times: [Int64] = []
        if !running.isEmpty, let due = multi.dueMicroseconds {
            times.append(due - SystemClock.bootTimeMicroseconds())
        }
        if mayBegin, let nextDue {
            let moment = now().steady
            times.append(max(nextDue, opensAt ?? nextDue).microseconds - moment.microseconds)
        }
        return times.min().map { Int((max(0, $0) + 999) / 1000) }
    }

    private var mayBegin: Bool { !isDraining && running.count < ConfirmationLimits.callsInFlight }

    /// Begins no more calls. Those in flight go on.
    package func drain() { isDraining = true }

    /// Takes note of the calls that have ended.
    package func takeFinished() throws(CurlError) { try wait(milliseconds: 0) }

    /// Waits until a call has ended, or the time is up.
    package func wait(milliseconds: Int) throws(CurlError) {
        guard !running.isEmpty else { return }
        for (token, exchange) in try multi.wait(milliseconds: milliseconds) {
            guard let pending = running.removeValue(forKey: token) else { continue }
            let result =
                switch exchange.outcome {
                case .response(let status, _, _, _): ConfirmationResult(status: status)
                case .failure(_, let text): ConfirmationResult(failure: text)
                }
            finished.append((pending, result))
        }
    }

    /// Whether there are results to write, or calls may be due.
    package func hasWork(storeHasChanged: Bool) -> Bool {
        if !finished.isEmpty { return true }
        guard mayBegin else { return false }
        return storeHasChanged || nextDue.map { max($0, opensAt ?? $0) <= now().steady } ?? false
    }

    /// What a step has written.
    package struct Step {
        /// Confirmations whose calls have ended.
        package var concluded: [Confirmation] = []
        /// The call to begin once the step is committed.
        package var start: PendingConfirmation?
    }

    /// Writes the results of ended calls, and that a call begins. What that changes is looked at in the next step, as the
    /// store has changed then.
    ///
    /// If the store fails, its failure is thrown, and the results wait for the next call.
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

    /// Begins the call of a step that is committed.
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
            try multi.start(request, token: nextToken)
            running[nextToken] = start
            nextToken += 1
        } catch {
            finished.append((start, ConfirmationResult(failure: "the request cannot be sent: \(error)")))
        }
    }
}
