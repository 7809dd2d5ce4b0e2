package import Capture
package import Curl
package import Delivery
internal import HTTP
package import SystemPackage
package import Values

/// Sends captured notifications on to other addresses, several at a time.
///
/// Its requests are apart from those of deliveries, so that neither waits for the other; endpoints and targets share them by
/// `ForwardRoom`.
package final class Forwarder: SteppedSender {
    private let store: any ForwardStore
    private let settings: DispatcherSettings
    private let policy: RetryPolicy
    private let mayConnect: @Sendable (IPAddress) -> Bool
    private let now: () -> Moment
    private var random: any RandomNumberGenerator

    private struct Attempting {
        let pending: PendingForward
        let request: Outgoing
        var isRepeated = false
        /// How long the request took before it was sent a second time.
        var repeatedMilliseconds = 0
    }

    private var running: RunningRequests<Attempting>
    private var finished: [(pending: PendingForward, result: ForwardResult)] = []
    private var room = ForwardRoom()
    private var nextDue: Timestamp?
    private var position: ForwardPosition?
    private var hasMore = false
    private var isDraining = false

    /// How many bytes of a response are read.
    private static let readBytes = 64 << 10
    /// The most attempts that begin in one step.
    private static let attemptsAtOnce = 32

    /// - Parameters:
    ///   - policy: when standing forwards that have failed are tried again.
    ///   - mayConnect: whether an address may be called.
    package init(
        store: any ForwardStore, multi: Multi, settings: DispatcherSettings, policy: RetryPolicy,
        mayConnect: @escaping @Sendable (IPAddress) -> Bool, now: @escaping () -> Moment,
        random: any RandomNumberGenerator
    ) {
        self.store = store
        running = RunningRequests(multi)
        self.settings = settings
        self.policy = policy
        self.mayConnect = mayConnect
        self.now = now
        self.random = random
    }

    /// Takes over the attempts of earlier workers. Call it only if no other worker is running.
    /// - Returns: how many forwards these were.
    package func takeOver() async throws(StoreFailure) -> Int {
        try await store.endForwardLeases(longest: leaseSeconds, at: now())
    }

    /// An attempt may send its request twice.
    private var leaseSeconds: Double { 2 * settings.timeoutSeconds + settings.leaseMarginSeconds }

    package var requestsInFlight: Int { running.count }

    package var descriptor: FileDescriptor? { running.descriptor }

    package var pauseMilliseconds: Int? {
        if !finished.isEmpty || hasMore { return 0 }
        var times = [running.pauseMicroseconds].compactMap(\.self)
        if !isDraining, !room.isExhausted, let nextDue {
            times.append(nextDue.microseconds - now().steady.microseconds)
        }
        return times.min().map { Int((max(0, $0) + 999) / 1000) }
    }

    package func drain() { isDraining = true }

    package func takeFinished() throws(CurlError) {
        for (entry, exchange) in try running.takeEnded() { conclude(entry, exchange) }
    }

    private func conclude(_ entry: Attempting, _ exchange: Exchange) {
        // As `Dispatcher` does it: the target has closed a kept connection, most likely before the request arrived.
        if case .failure(.reset, _) = exchange.outcome, exchange.isReusedConnection, !exchange.isAnswered,
            !entry.isRepeated
        {
            var repeated = entry
            repeated.isRepeated = true
            repeated.repeatedMilliseconds = exchange.durationMilliseconds
            return start(repeated)
        }
        var result = ForwardResult(
            milliseconds: UInt64(max(0, entry.repeatedMilliseconds + exchange.durationMilliseconds)), at: now().wall)
        switch exchange.outcome {
        case .failure(let kind, let text):
            result.failure = Attempt.Failure(kind: Attempt.ErrorKind(kind), text: text)
        case .response(let status, let headers, let body, let isTruncated):
            var attempt = Attempt(status: status, triggeredAt: result.at)
            attempt.responseHeaders = headers.map { HeaderField(name: $0.name, value: $0.value) }
            attempt.responseBody = body
            attempt.isResponseTruncated = isTruncated
            result.status = status
            result.retryAfter = ReceiverWish(attempt, now: result.at, disablesOnGone: false).retryAfter
            let text = String(decoding: attempt.responseText, as: UTF8.self)
            result.response = Array(text.prefix(utf8Bytes: ForwardResult.responseBytes).utf8)
            if !(200..<300).contains(status) {
                let isRedirect = (300..<400).contains(status) && attempt.responseHeader("location") != nil
                result.failure = Attempt.Failure(
                    kind: .status,
                    text: "the target answered \(status)\(isRedirect ? "; redirects are not followed" : "")")
            }
        }
        finished.append((entry.pending, result))
    }

    package func hasWork(storeHasChanged: Bool) -> Bool {
        if !finished.isEmpty || hasMore { return true }
        guard !isDraining, !room.isExhausted else { return false }
        return storeHasChanged || nextDue.map { $0 <= now().steady } ?? false
    }

    /// What a step has written.
    package struct Step: SenderStep {
        /// How many of the results were written.
        var written = 0
        /// Forwards that are over, and have failed.
        package var failed: [Forward] = []
        /// The attempts to begin once the step is committed.
        package var starts: [PendingForward] = []
        var position: ForwardPosition?
        var nextDue: Timestamp?

        package var beginsRequests: Bool { !starts.isEmpty }
    }

    package func step() async throws(StoreFailure) -> Step {
        var step = Step()
        let moment = now()
        var room = room
        for (pending, result) in finished {
            let jitter = Double.random(in: 0...1, using: &random)
            let forward = try await store.conclude(pending, result, policy, jitter: jitter, at: moment)
            if let forward, forward.state == .failed { step.failed.append(forward) }
            room.giveBack(pending.target, slots: pending.slots)
            step.written += 1
        }
        guard !isDraining else { return step }
        // Until the lease is over, no other worker makes the attempt; it ends before.
        let starts = try await store.beginForwards(
            room, from: position, limit: Self.attemptsAtOnce, leaseSeconds: leaseSeconds, at: moment)
        step.starts = starts.begun
        step.position = starts.position
        step.nextDue = try await store.nextForward(after: moment.steady)
        return step
    }

    package func begin(_ step: Step) {
        for (pending, _) in finished.prefix(step.written) { room.giveBack(pending.target, slots: pending.slots) }
        finished.removeFirst(step.written)
        nextDue = step.nextDue
        position = step.position
        hasMore = step.starts.count == Self.attemptsAtOnce || position != nil
        for pending in step.starts {
            room.take(pending.target, slots: pending.slots)
            guard let notification = pending.notification else {
                fail(pending, .unavailable, "the notification is no longer kept, or is damaged")
                continue
            }
            let call = ForwardCall(notification, to: pending.forward.url)
            start(Attempting(pending: pending, request: outgoing(call)))
        }
    }

    private func outgoing(_ call: ForwardCall) -> Outgoing {
        var request = Outgoing(
            method: call.method, url: call.url, body: call.body,
            timeoutMilliseconds: Int(settings.timeoutSeconds * 1000),
            connectTimeoutMilliseconds: Int(min(settings.connectTimeoutSeconds, settings.timeoutSeconds) * 1000),
            keptBytes: Self.readBytes, readBytes: Self.readBytes, mayConnect: mayConnect)
        request.fields = call.fields
        request.hasBody = call.hasBody
        request.isHTTP1 = true
        return request
    }

    private func start(_ entry: Attempting) {
        var request = entry.request
        request.isFresh = entry.isRepeated
        do throws(CurlError) {
            try running.start(request, for: entry)
        } catch {
            fail(entry.pending, .connect, "the request cannot be sent: \(error)")
        }
    }

    /// Ends an attempt that was not made.
    private func fail(_ pending: PendingForward, _ kind: Attempt.ErrorKind, _ text: String) {
        finished.append((pending, ForwardResult(failure: Attempt.Failure(kind: kind, text: text), at: now().wall)))
    }
}
