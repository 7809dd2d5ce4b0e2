package import Curl
package import Delivery
internal import HTTP
internal import Linux
package import SystemPackage
package import Values

/// Makes due deliveries, many at a time, in one thread.
///
/// A round waits for something to happen. It writes the results of ended attempts together with the attempts to begin, and
/// then begins those.
package final class Dispatcher {
    private let store: any DeliveryStore
    private let multi: Multi
    private let settings: DispatcherSettings
    private let mayConnect: @Sendable (IPAddress) -> Bool
    private let now: () -> Moment
    private var random: any RandomNumberGenerator
    private var writer: CallWriter
    /// Identifies this worker's attempts: a random number, so that other and earlier workers have other ones.
    private let owner: UInt64

    private var running: [UInt64: Running] = [:]
    /// The slots that attempts take, by destination, and the slots that are free.
    private var inFlight: [UInt64: Int] = [:]
    private var room: AttemptRoom
    private var nextToken: UInt64 = 1
    private var finished: [DeliveryResult] = []
    /// When to look for due deliveries even if the store has not changed; on the steady clock.
    private var looksAt: Timestamp?

    /// An attempt: up to three requests, one after the other.
    private struct Running {
        let start: DeliveryStep.Start
        let began: Timestamp
        var step: Step
        /// When the request of this step must have ended, on the steady clock.
        var stepEnds: Timestamp
        /// Whether the request of this step is being sent a second time.
        var isRepeated = false
        /// How long the request of this step took before it was sent a second time.
        var repeatedMilliseconds = 0
        var shownHeaders: [HeaderField] = []
        /// What the receiver has consented to in this attempt.
        var consent: Consent?
        var approval: Attempt.Approval?
    }

    private enum Step {
        /// Asks the receiver whether it accepts events.
        case consent
        /// Asks the policy service for approval.
        case approval
        case sending
    }

    /// - Parameters:
    ///   - shaping: converts payloads for destinations that want another format.
    ///   - mayConnect: whether an address may be called; asked when connecting, and again before each request.
    package init(
        store: any DeliveryStore, multi: Multi, settings: DispatcherSettings, sealing: Sealing,
        shaping: any PayloadShaping, mayConnect: @escaping @Sendable (IPAddress) -> Bool, now: @escaping () -> Moment,
        random: any RandomNumberGenerator
    ) {
        self.store = store
        self.multi = multi
        self.settings = settings
        self.mayConnect = mayConnect
        self.now = now
        self.random = random
        writer = CallWriter(
            sealing: sealing, names: settings.headers, shaping: shaping,
            overlapSeconds: settings.overlapSeconds)
        room = settings.room
        owner = UInt64.random(in: 1 ... .max, using: &self.random)
    }

    /// Takes over the attempts of earlier workers. Call it only if no other worker is running.
    /// - Returns: how many deliveries these were.
    package func takeOver() async throws(StoreFailure) -> Int {
        try await store.endLeases(longest: leaseSeconds, at: now())
    }

    private var leaseSeconds: Double { settings.timeoutSeconds + settings.leaseMarginSeconds }

    /// How many attempts are in flight. Ended ones whose results are not written yet do not count.
    package var attemptsInFlight: Int { running.count }

    /// Waits until a request has ended, a descriptor is readable, or the time is up, and handles the requests that have
    /// ended.
    package func wait(milliseconds: Int, descriptors: [FileDescriptor]) throws(CurlError) {
        for (token, exchange) in try multi.wait(milliseconds: milliseconds, descriptors: descriptors) {
            guard let entry = running.removeValue(forKey: token) else { continue }
            conclude(entry, exchange)
        }
    }

    private func conclude(_ entry: Running, _ exchange: Exchange) {
        if isWorthRepeating(entry, exchange), let payload = entry.start.payload {
            var repeated = entry
            repeated.isRepeated = true
            repeated.repeatedMilliseconds += exchange.durationMilliseconds
            return make(repeated, payload)
        }
        switch entry.step {
        case .consent: concludeConsent(entry, exchange)
        case .approval: concludeApproval(entry, exchange)
        case .sending: concludeSending(entry, exchange)
        }
    }

    /// Whether to send a request again at once, on a new connection and as part of the same attempt: the receiver has closed
    /// a reused connection without any response. Most likely it closed the connection before the request arrived (RFC 9112,
    /// section 9.3.1). If not, it recognizes the repeated call by its `webhook-id`.
    private func isWorthRepeating(_ entry: Running, _ exchange: Exchange) -> Bool {
        guard case .failure(.reset, _) = exchange.outcome, exchange.isReusedConnection, !exchange.isAnswered else {
            return false
        }
        return !entry.isRepeated && now().steady < entry.stepEnds
    }

    private func concludeSending(_ entry: Running, _ exchange: Exchange) {
        var attempt = Attempt(
            requestHeaders: entry.shownHeaders,
            durationMilliseconds: UInt64(max(0, entry.repeatedMilliseconds + exchange.durationMilliseconds)),
            triggeredAt: entry.began)
        switch exchange.outcome {
        case .response(let status, let headers, let body, let isTruncated):
            attempt.status = status
            attempt.responseHeaders = headers.map { HeaderField(name: $0.name, value: $0.value) }
            attempt.responseBody = body
            attempt.isResponseTruncated = isTruncated
            if !(200..<300).contains(status) {
                attempt.failure = Attempt.Failure(kind: .status, text: "the receiver answered \(status)")
            }
        case .failure(let kind, let text):
            attempt.failure = Attempt.Failure(kind: Attempt.ErrorKind(kind), text: text)
        }
        finish(entry, attempt, isReusedConnection: exchange.isReusedConnection)
    }

    /// Ends an attempt whose call was not sent.
    private func fail(_ entry: Running, _ kind: Attempt.ErrorKind, _ text: String) {
        finish(
            entry,
            Attempt(
                requestHeaders: entry.shownHeaders, failure: Attempt.Failure(kind: kind, text: text),
                triggeredAt: entry.began))
    }

    private func finish(_ entry: Running, _ outcome: Attempt, isReusedConnection: Bool = false) {
        release(entry.start)
        var attempt = outcome
        attempt.approval = entry.approval
        let wish = ReceiverWish(attempt, now: now().wall, disablesOnGone: settings.disablesOnGone)
        finished.append(
            DeliveryResult(
                delivery: entry.start.delivery, attempt: attempt, wish: wish,
                jitter: Double.random(in: 0...1, using: &random), isReusedConnection: isReusedConnection,
                consent: entry.consent))
    }

    private func release(_ start: DeliveryStep.Start) {
        room.giveBack(start)
        let left = (inFlight[start.destination.number] ?? 0) - start.slots
        inFlight[start.destination.number] = left > 0 ? left : nil
    }

    /// Whether there are results to write, or deliveries may be due.
    package func hasWork(storeHasChanged: Bool) -> Bool {
        if !finished.isEmpty { return true }
        guard !room.isExhausted, !isDraining else { return false }
        return storeHasChanged || looksAt.map { $0 <= now().steady } ?? false
    }

    /// Whether an attempt has ended whose result is not written yet.
    package var hasFinished: Bool { !finished.isEmpty }

    /// Stops beginning attempts. Those in flight go on.
    package func drain() { isDraining = true }

    private var isDraining = false

    /// When the next delivery becomes due, on the steady clock; `nil`: none is known.
    package var nextDue: Timestamp? { looksAt }

    /// Writes the results of ended attempts, and which attempts begin. Once that is committed, `begin` begins them.
    ///
    /// If the store fails, its failure is thrown, and the results wait for the next call.
    /// - Returns: the attempts to begin.
    package func dispatch() async throws(StoreFailure) -> [DeliveryStep.Start] {
        let step = try await store.step(
            finished, beginning: isDraining ? AttemptRoom(0) : room, inFlight: inFlight, owner: owner,
            leaseSeconds: leaseSeconds, policies: settings.policies, at: now())
        looksAt = step.nextDue
        concluded = step.concluded
        events = step.events
        return step.starts
    }

    /// How many of the results the last `dispatch` has written.
    private var concluded = 0

    /// Events to report to operators once the last `dispatch` is committed.
    package private(set) var events: [OperationalEvent] = []

    /// Begins the attempts that a committed `dispatch` has returned.
    package func begin(_ starts: [DeliveryStep.Start]) {
        for result in finished.prefix(concluded) { room.held.remove(result.delivery.number) }
        finished.removeFirst(concluded)
        for start in starts { begin(start) }
    }

    private func begin(_ start: DeliveryStep.Start) {
        inFlight[start.destination.number, default: 0] += start.slots
        room.take(start)
        room.held.insert(start.delivery.number)
        let moment = now()
        let entry = Running(start: start, began: moment.wall, step: .sending, stepEnds: moment.steady)
        guard let payload = start.payload else {
            return fail(entry, .unavailable, "the payload is no longer kept, or is damaged")
        }
        advance(entry, payload)
    }

    /// Makes the next request of an attempt.
    private func advance(_ entry: Running, _ payload: Payload) {
        let destination = entry.start.destination
        var next = entry
        next.stepEnds = now().steady.adding(seconds: settings.timeoutSeconds)
        next.isRepeated = false
        next.repeatedMilliseconds = 0
        if destination.lacksConsent, entry.consent == nil {
            next.step = .consent
        } else if destination.approvalPath != nil, settings.approvalURL != nil, entry.approval == nil {
            next.step = .approval
        } else {
            next.step = .sending
        }
        make(next, payload)
    }

    /// Makes the request of a step.
    private func make(_ entry: Running, _ payload: Payload) {
        switch entry.step {
        case .consent: askConsent(entry)
        case .approval:
            let path = entry.start.destination.approvalPath ?? ""
            askApproval(entry, payload, (settings.approvalURL ?? "") + path)
        case .sending: send(entry, payload)
        }
    }

    private func send(_ entry: Running, _ payload: Payload) {
        let destination = entry.start.destination
        let call: CallWriter.Call
        do throws(CallWriter.Fault) {
            call = try writer.call(entry.start, payload, at: now().wall)
        } catch {
            return fail(entry, .unavailable, error.reason)
        }
        var sending = entry
        sending.shownHeaders = call.shown
        start(sending, outgoing(destination.method, destination.url, call.sent, call.body, mayConnect))
    }

    private func start(_ entry: Running, _ wanted: Outgoing) {
        var request = wanted
        if entry.isRepeated {
            request.isFresh = true
            let left = max(1, Int(entry.stepEnds.seconds(since: now().steady) * 1000))
            request.timeoutMilliseconds = min(request.timeoutMilliseconds, left)
            request.connectTimeoutMilliseconds = min(request.connectTimeoutMilliseconds, left)
        }
        do throws(CurlError) {
            try multi.start(request, token: nextToken)
            running[nextToken] = entry
            nextToken += 1
        } catch {
            fail(entry, .connect, "the request cannot be sent: \(error)")
        }
    }

    private func outgoing(
        _ method: String, _ url: String, _ headers: [HeaderField], _ body: [UInt8],
        _ mayConnect: @escaping @Sendable (IPAddress) -> Bool
    ) -> Outgoing {
        Outgoing(
            method: method, url: url, headers: headers.map { (name: $0.name, value: $0.value) }, body: body,
            timeoutMilliseconds: Int(settings.timeoutSeconds * 1000),
            connectTimeoutMilliseconds: Int(min(settings.connectTimeoutSeconds, settings.timeoutSeconds) * 1000),
            keptBytes: settings.keptBytes, readBytes: settings.readBytes, mayConnect: mayConnect)
    }
}

// MARK: - Consent and approval

extension Dispatcher {
    private var userAgent: HeaderField { HeaderField(name: "User-Agent", value: settings.headers.userAgent) }

    /// - Parameter name: in lower case.
    private static func value(of name: String, _ headers: [(name: String, value: String)]) -> String? {
        headers.first { $0.name.lowercased() == name }?.value
    }

    /// CloudEvents, http-webhook.md, section 4.1.
    private func askConsent(_ entry: Running) {
        let origin = HeaderField(name: "WebHook-Request-Origin", value: settings.headers.origin)
        start(entry, outgoing("OPTIONS", entry.start.destination.url, [userAgent, origin], [], mayConnect))
    }

    private func concludeConsent(_ entry: Running, _ exchange: Exchange) {
        switch exchange.outcome {
        case .failure(let kind, let text): fail(entry, Attempt.ErrorKind(kind), text)
        case .response(let status, let headers, _, _):
            let allowed = Self.value(of: "webhook-allowed-origin", headers)?.lowercased()
            guard allowed == "*" || allowed == settings.headers.origin.lowercased(), let payload = entry.start.payload
            else {
                return fail(
                    entry, .consent,
                    "the receiver answered \(status) but did not allow \(settings.headers.origin) to send events")
            }
            var agreed = entry
            let rate = Self.value(of: "webhook-allowed-rate", headers).flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
            agreed.consent = Consent(url: entry.start.destination.url, rate: rate)
            advance(agreed, payload)
        }
    }

    /// Asks the policy service. The operator has chosen it, so any address may be called.
    private func askApproval(_ entry: Running, _ payload: Payload, _ url: String) {
        let type = HeaderField(name: "Content-Type", value: "application/json")
        start(entry, outgoing("POST", url, [type, userAgent], payload.body, { _ in true }))
    }

    private func concludeApproval(_ entry: Running, _ exchange: Exchange) {
        var asked = entry
        switch exchange.outcome {
        case .failure(_, let text):
            asked.approval = Attempt.Approval()
            fail(asked, .approval, "the policy service did not answer: \(text)")
        case .response(let status, let headers, let body, let isTruncated):
            asked.approval = Attempt.Approval(
                status: status,
                body: ResponseText.utf8(
                    body, contentType: Self.value(of: "content-type", headers),
                    contentCoding: Self.value(of: "content-encoding", headers), isTruncated: isTruncated))
            switch status {
            case 200..<300:
                guard let payload = entry.start.payload else { return }
                advance(asked, payload)
            case 400..<500: fail(asked, .withheld, "the policy service answered \(status)")
            default: fail(asked, .approval, "the policy service answered \(status)")
            }
        }
    }
}
