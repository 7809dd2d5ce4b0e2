package import Curl
package import Delivery
package import Gateway
package import Linux
package import SystemPackage

/// How deliveries are made.
package struct DispatcherSettings: Equatable, Sendable {
    /// Attempts at a time, to all destinations together.
    package var inFlight = 512
    /// Of one attempt, from the name's resolution to the last byte of the response.
    package var timeoutSeconds = 10.0
    package var connectTimeoutSeconds = 3.0
    /// Of the response's body: what the log keeps, and what is read.
    package var keptBytes = 16 << 10
    package var readBytes = 128 << 10
    package var policies = RetryPolicies()
    /// Whether 410 disables a destination.
    package var disablesOnGone = true
    package var headers = CallHeaders()
    /// How long the key before the one that signs is still of use.
    package var overlapSeconds = 86400.0
    /// A running attempt belongs to its worker for so much longer than it may take.
    package var leaseMarginSeconds = 15.0

    /// - Parameter userAgent: how calls name their sender.
    package init(userAgent: String = "Postroom") { headers.userAgent = userAgent }
}

/// Makes the deliveries that are due, as many at a time as may be, in one thread.
///
/// A round waits for something to happen, writes what became of the attempts that are over together with which ones begin,
/// and begins those.
package final class Dispatcher {
    private let store: any DeliveryStore
    private let multi: Multi
    private let settings: DispatcherSettings
    private let mayConnect: @Sendable (IPAddress) -> Bool
    private let now: () -> Moment
    private var random: any RandomNumberGenerator
    private var writer: CallWriter
    /// Tells this worker's attempts from those of others, and of those before it.
    private let owner: UInt64

    private var running: [UInt64: Running] = [:]
    private var inFlight: [UInt64: Int] = [:]
    private var nextToken: UInt64 = 1
    private var finished: [DeliveryResult] = []
    /// When to look whether something is due though nothing has changed; on the steady clock.
    private var looksAt: Timestamp?

    private struct Running {
        let start: DeliveryTurn.Start
        let shownHeaders: [HeaderField]
        let began: Timestamp
    }

    /// - Parameter mayConnect: whether an address may be called; asked at the moment of connecting.
    package init(
        store: any DeliveryStore, multi: Multi, settings: DispatcherSettings, sealing: Sealing,
        mayConnect: @escaping @Sendable (IPAddress) -> Bool, now: @escaping () -> Moment,
        random: any RandomNumberGenerator
    ) {
        self.store = store
        self.multi = multi
        self.settings = settings
        self.mayConnect = mayConnect
        self.now = now
        self.random = random
        writer = CallWriter(
            store: store, sealing: sealing, names: settings.headers, overlapSeconds: settings.overlapSeconds)
        owner = UInt64.random(in: 1 ... .max, using: &self.random)
    }

    /// How many attempts are being made.
    package var attemptsInFlight: Int { running.count }

    /// Waits until an attempt is over, a descriptor can be read, or the time is up.
    package func wait(milliseconds: Int, descriptors: [FileDescriptor]) throws(CurlError) {
        for (token, exchange) in try multi.wait(milliseconds: milliseconds, descriptors: descriptors) {
            guard let entry = running.removeValue(forKey: token) else { continue }
            conclude(entry, exchange)
        }
    }

    private func conclude(_ entry: Running, _ exchange: Exchange) {
        release(entry.start.destination.number)
        var attempt = Attempt(
            requestHeaders: entry.shownHeaders, durationMilliseconds: UInt64(max(0, exchange.durationMilliseconds)),
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
            attempt.failure = Attempt.Failure(kind: Self.kind(kind), text: text)
        }
        finish(entry.start.delivery, attempt, isReusedConnection: exchange.isReusedConnection)
    }

    private func finish(_ delivery: Delivery, _ attempt: Attempt, isReusedConnection: Bool = false) {
        let wish = ReceiverWish(attempt, now: now().wall, disablesOnGone: settings.disablesOnGone)
        finished.append(
            DeliveryResult(
                delivery: delivery, attempt: attempt, wish: wish, jitter: Double.random(in: 0...1, using: &random),
                isReusedConnection: isReusedConnection))
    }

    private static func kind(_ kind: Exchange.ErrorKind) -> Attempt.ErrorKind {
        switch kind {
        case .dns: .dns
        case .connect: .connect
        case .tls: .tls
        case .timeout: .timeout
        case .reset: .reset
        case .blocked: .blockedIP
        case .protocolError: .protocolError
        }
    }

    private func release(_ destination: UInt64) {
        let left = (inFlight[destination] ?? 1) - 1
        inFlight[destination] = left > 0 ? left : nil
    }

    /// Whether there is something to write, or something may be due.
    package func hasWork(storeHasChanged: Bool) -> Bool {
        if !finished.isEmpty { return true }
        guard running.count < settings.inFlight, !isDraining else { return false }
        return storeHasChanged || looksAt.map { $0 <= now().steady } ?? false
    }

    /// Whether an attempt is over that is not written yet.
    package var hasFinished: Bool { !finished.isEmpty }

    /// Begins nothing any longer.
    package func drain() { isDraining = true }

    private var isDraining = false

    /// When something will be due of itself, on the steady clock.
    package var nextDue: Timestamp? { looksAt }

    /// Writes what became of attempts, and which begin. They are begun by `begin`, once that is committed.
    /// - Returns: what to begin.
    package func turn() throws(StoreFailure) -> [DeliveryTurn.Start] {
        let lease = settings.timeoutSeconds + settings.leaseMarginSeconds
        let turn = try store.turn(
            finished, beginning: isDraining ? 0 : settings.inFlight - running.count, inFlight: inFlight, owner: owner,
            leaseSeconds: lease, policies: settings.policies, at: now())
        looksAt = turn.nextDue
        concluded = turn.concluded
        return turn.starts
    }

    /// How many of the results the last turn has written.
    private var concluded = 0

    /// Begins what a committed turn has found.
    package func begin(_ starts: [DeliveryTurn.Start]) {
        finished.removeFirst(concluded)
        for start in starts { begin(start) }
    }

    private func begin(_ start: DeliveryTurn.Start) {
        let began = now().wall
        func fail(_ kind: Attempt.ErrorKind, _ text: String) {
            finish(
                start.delivery,
                Attempt(failure: Attempt.Failure(kind: kind, text: text), triggeredAt: began))
        }
        guard let parcel = start.parcel else { return fail(.unavailable, "what was to be sent is no longer kept") }
        do {
            let (sent, shown) = try writer.headers(start.delivery, start.destination, parcel, at: began)
            let request = Outgoing(
                method: start.destination.method, url: start.destination.url,
                headers: sent.map { (name: $0.name, value: $0.value) }, body: parcel.body,
                timeoutMilliseconds: Int(settings.timeoutSeconds * 1000),
                connectTimeoutMilliseconds: Int(min(settings.connectTimeoutSeconds, settings.timeoutSeconds) * 1000),
                keptBytes: settings.keptBytes, readBytes: settings.readBytes, mayConnect: mayConnect)
            try multi.start(request, token: nextToken)
            running[nextToken] = Running(start: start, shownHeaders: shown, began: began)
            inFlight[start.destination.number, default: 0] += 1
            nextToken += 1
        } catch let refusal as CallWriter.Refusal {
            fail(.unavailable, refusal.text)
        } catch {
            fail(.connect, "the attempt cannot be begun: \(error)")
        }
    }
}
