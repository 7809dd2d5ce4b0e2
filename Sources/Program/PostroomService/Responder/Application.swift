internal import Capture
package import Delivery
internal import Events
package import FastCGI
package import HTTP
internal import HTTPTypes
internal import Linux
package import Logging
package import Lookups
internal import Queues
package import Storage
package import Values
internal import Webhooks

/// The application behind one responder's loop. It passes each request to the API that owns its path, and makes the
/// responses to failures of the store.
package final class Application: Service {
    private let store: any StorageEngine
    package let sources: [any LoopSource]
    private let capture: CaptureHandlers
    private let queues: QueueHandlers
    private let webhooks: WebhookHandlers
    private let events: EventHandlers
    private let isDebugging: Bool
    private let operations: Operations
    private let counters: ServiceCounters
    private let siteGuard: SiteGuard
    private let logger: Logger
    /// When a full store may be logged again, by `SystemClock.bootTimeMicroseconds`: at most every ten seconds.
    private var complainsAgainAt: Int64 = 0
    /// The last reason why the store was unavailable, and when it may be logged again.
    private var unavailable: (reason: String, logsAgainAt: Int64) = ("", 0)

    /// - Parameters:
    ///   - loginKey: see `QueueHandlers`.
    ///   - trials: the thread in which expressions are tried, so that nothing else waits for them.
    package init(
        store: any StorageEngine, settings: Settings, sealing: Sealing, loginKey: [UInt8], lookups: Lookups,
        background: BackgroundThread, trials: BackgroundThread, started: Timestamp, vitals: Vitals? = nil,
        logger: Logger
    ) {
        self.store = store
        self.logger = logger
        let flushes = FlushSource(store, logger)
        sources = [lookups, background, trials] + (flushes.map { [$0] } ?? [])
        let clock = store.clock
        webhooks = WebhookHandlers(
            store: store, settings: settings, sealing: sealing, lookups: lookups, background: background)
        events = EventHandlers(
            store: store, settings: settings, sealing: sealing, lookups: lookups, background: trials, logger: logger)
        isDebugging = settings.webhooks.isDebugging
        counters = ServiceCounters(settings)
        operations = Operations(
            store: store, settings: settings, counters: counters, started: started, vitals: vitals)
        siteGuard = SiteGuard(settings)
        capture = CaptureHandlers(
            store: store.capture, limits: settings.limits, permissions: settings.capturePermissions,
            urls: TargetChecking(settings, lookups, httpsOnly: settings.webhooksAreHTTPSOnly),
            installation: Installation(
                version: postroomVersion, started: started, cleanupSeconds: settings.cleanupSeconds,
                mountPoint: settings.mountPointText, serverURL: settings.serverURL),
            webhookURL: settings.webhookURL, bodyLimit: settings.maximumBodyBytes, sealing: sealing,
            background: background, now: clock.now, random: SystemRandomNumberGenerator())
        queues = QueueHandlers(store: store, settings: settings, loginKey: loginKey, background: background) {
            failure in
            for line in failure.lines(settings.queueFile) { logger.error("\(line)") }
        }
    }

    package var isTurnBroken: Bool { store.isTurnBroken }

    package func forgetTurn() { store.forgetTurn() }

    package func answer(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        defer { reportDamage() }
        guard let path = request.target.segments else { return .whole(.notFound) }
        if let refusal = siteGuard.refusal(of: request, path: request.isOperational ? nil : path) {
            return .whole(response(to: refusal, at: path, isOperational: request.isOperational))
        }
        if request.isOperational { return try await operations.answer(request, path: path, context) }
        if path == ["healthz"] { return try await health(request, context) }
        if let answer = try await capture.answer(request, path: path, context) { return answer }
        if let answer = try await queues.answer(request, path: path, context) { return answer }
        if let answer = try await events.answer(request, path: path, context) { return answer }
        return try await webhooks.answer(request, path: path, context) ?? .whole(.notFound)
    }

    package func news(for interests: [any Interest]) async -> [Bool] {
        var endpoints: [(index: Int, interest: EndpointInterest)] = []
        var clients: [(index: Int, interest: ClientInterest)] = []
        var delays: [Int] = []
        for (index, interest) in interests.enumerated() {
            switch interest {
            case let interest as EndpointInterest: endpoints.append((index, interest))
            case let interest as ClientInterest: clients.append((index, interest))
            case is AnswerDelay: delays.append(index)
            default: preconditionFailure("a request has an interest of an unknown type")
            }
        }
        // If the store cannot be read, every waiting request goes on as if there were news, and then meets the failure
        // itself.
        var hasNews = interests.map { _ in true }
        for index in delays { hasNews[index] = false }
        do throws(StoreFailure) {
            for (entry, isNew) in zip(endpoints, try await capture.news(for: endpoints.map(\.interest))) {
                hasNews[entry.index] = isNew
            }
            for (entry, isNew) in zip(clients, try await queues.news(for: clients.map(\.interest))) {
                hasNews[entry.index] = isNew
            }
        } catch {
            report(error)
        }
        return hasNews
    }

    package func count(_ target: Target?, status: Int, microseconds: Int64) {
        counters.count(Route(target?.segments), status: status, microseconds: microseconds)
    }

    package func response(to failure: StoreFailure, at target: Target) -> Response {
        let path = target.segments ?? []
        if QueueHandlers.owns(path) { return queueResponse(to: failure) }
        if EventHandlers.owns(path) { return eventResponse(to: failure, at: path, version: postroomVersion) }
        if WebhookHandlers.owns(path) { return webhookResponse(to: failure, isDebugging: isDebugging) }
        return .failure(failure)
    }

    private func response(to refusal: SiteGuard.Refusal, at path: [String], isOperational: Bool) -> Response {
        let (status, text) = (refusal.status, refusal.message)
        if isOperational { return .text(status, text) }
        if QueueHandlers.owns(path) { return queueResponse(status, text) }
        if EventHandlers.owns(path) { return EventError(status, text).response(version: postroomVersion) }
        guard WebhookHandlers.owns(path) else { return .text(status, text) }
        return APIError(status == .forbidden ? .forbidden : .misdirected, text).response(isDebugging: isDebugging)
    }

    /// Answers 200 only if the store can commit.
    private func health(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        guard request.method == .get || request.method == .head else {
            return .whole(.methodNotAllowed(allowed: "GET,HEAD"))
        }
        try store.touch()
        return try await context.committed(.text(.ok, "ok\n"))
    }

    package func makeGathered() -> Bool { store.makeGathered() }

    package var isWriting: Bool { store.isWriting }

    package func commit() -> CommitOutcome {
        do throws(StoreFailure) {
            return try store.commit() == .empty ? .nothing : .committed
        } catch {
            report(error)
            return .failed(error)
        }
    }

    package var ticket: UInt64 { store.ticket }

    package func isDurable(_ ticket: UInt64) -> Bool { store.isDurable(ticket) }

    package func beginFlush() -> StoreFailure? {
        do throws(StoreFailure) {
            try store.beginFlush()
            return nil
        } catch {
            report(error)
            return error
        }
    }

    package var version: UInt64? {
        do throws(StoreFailure) { return try store.version() } catch { return nil }
    }

    /// Each damaged record is logged once.
    private func reportDamage() {
        for damage in store.takeDamage() { logger.error(.damage, metadata: ["damage": "\(damage)"]) }
    }

    package func report(_ failure: StoreFailure) {
        switch failure {
        case .full:
            let now = SystemClock.bootTimeMicroseconds()
            if now >= complainsAgainAt {
                logger.warning(
                    "the store is full and refuses writes. \(store.fullExplanation)")
                complainsAgainAt = now + 10_000_000
            }
        case .rolledBack:
            // The loop answers the request again.
            break
        case .damaged:
            // The store has noted the record, and `reportDamage` logs it.
            break
        case .unavailable(let reason):
            // A database that cannot be reached fails every request.
            let now = SystemClock.bootTimeMicroseconds()
            guard reason != unavailable.reason || now >= unavailable.logsAgainAt else { return }
            unavailable = (reason, now + 1_000_000)
            logger.error("the store failed", metadata: ["reason": "\(reason)"])
        case .lost: logger.endIfLost(failure)
        }
    }

}

extension Logger {
    /// Ends the process if the store is lost for it.
    func endIfLost(_ failure: StoreFailure) {
        guard case .lost(let reason) = failure else { return }
        // On SIGTERM the loop finishes its work and ends. The supervisor then starts another process.
        critical("the store failed; this process ends and is replaced", metadata: ["reason": "\(reason)"])
        Signal.raise(Signal.terminate)
    }
}

extension Logger.Message {
    /// Logged for a record that cannot be read.
    static let damage: Logger.Message =
        "a stored record is damaged; to drop damaged records, stop the service and run \"postroom store repair\""
}
