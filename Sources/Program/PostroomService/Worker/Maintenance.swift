internal import Capture
internal import Linux
internal import Logging
internal import Storage
internal import Values

/// Removes what has expired, in small steps. Each is one transaction, and other processes can write between two of them.
final class Maintenance {
    private let store: any StorageEngine
    private let settings: Settings
    private let logger: Logger

    private static let stepSizes = 8...250
    /// How many records a step handles. It is reduced when the store is so full that a step finds no room for the pages that
    /// it changes.
    private var stepSize = Maintenance.stepSizes.upperBound
    /// Whether the last steps have left more to do.
    private var hasMore = false

    private static let pauseMilliseconds = 2
    /// How many log entries are dropped at a time when the store is full.
    private static let linesForRoom = 64
    /// How often old requests are forgotten and dead readers are swept, unless other work is due sooner.
    private static let tickMicroseconds: Int64 = 5_000_000
    /// How often keyrings and makers that are no longer used are removed: once an hour.
    private static let forgetMicroseconds: Int64 = 3_600_000_000

    // By `SystemClock.bootTimeMicroseconds`.
    private var ticksAt: Int64
    private var cleansAt: Int64
    private var forgetsAt: Int64 = 0

    // The keys at which the next steps continue to look for records that can be removed; empty: at the beginning.
    private var nextLogin: [UInt8] = []
    private var nextKeyring: [UInt8] = []
    private var nextMaker: [UInt8] = []

    init(_ store: any StorageEngine, _ settings: Settings, _ logger: Logger) {
        self.store = store
        self.settings = settings
        self.logger = logger
        let now = SystemClock.bootTimeMicroseconds()
        ticksAt = now + Self.tickMicroseconds
        cleansAt = now + Int64(settings.cleanupSeconds * 1e6)
    }

    /// The time until the next step if there is more to do; otherwise `nil`.
    var pauseMilliseconds: Int? { hasMore ? Self.pauseMilliseconds : nil }

    /// Does a step of each kind that is due.
    func work() async {
        let now = SystemClock.bootTimeMicroseconds()
        guard hasMore || now >= ticksAt || now >= cleansAt else { return }
        hasMore = false
        note(await step { () async throws(StoreFailure) in try await forgetRequests() })
        note(await step { () async throws(StoreFailure) in try await removeGarbage() })
        note(await step { () async throws(StoreFailure) in try await dropOldDeliveries() })
        if now >= cleansAt { await clean() }
        if !hasMore { _ = await step { () async throws(StoreFailure) in try await sweep() } }
        ticksAt = SystemClock.bootTimeMicroseconds() + Self.tickMicroseconds
    }

    private func note(_ isMore: Bool) { hasMore = hasMore || isMore }

    private func clean() async {
        let moreEndpoints = await step { () async throws(StoreFailure) in try await removeOverdue() }
        let moreLogins = await step { () async throws(StoreFailure) in try await forgetLogins() }
        note(moreEndpoints || moreLogins)
        if SystemClock.bootTimeMicroseconds() >= forgetsAt { await forgetUnused() }
        if !moreEndpoints, !moreLogins {
            cleansAt = SystemClock.bootTimeMicroseconds() + Int64(settings.cleanupSeconds * 1e6)
        }
    }

    private func forgetUnused() async {
        let moreKeyrings = await step { () async throws(StoreFailure) in try await forgetKeyrings() }
        let moreMakers = await step { () async throws(StoreFailure) in try await forgetMakers() }
        note(moreKeyrings || moreMakers)
        if !moreKeyrings, !moreMakers { forgetsAt = SystemClock.bootTimeMicroseconds() + Self.forgetMicroseconds }
    }

    /// Does one step and commits it. If the store is full, smaller steps are tried. Any other failure is logged, and the
    /// step is tried again at the next tick.
    /// - Parameter body: returns whether it has left more to do.
    /// - Returns: whether there is more to do at once.
    private func step(_ body: () async throws(StoreFailure) -> Bool) async -> Bool {
        do throws(StoreFailure) {
            let hasMore = try await body()
            try store.commit()
            stepSize = min(2 * stepSize, Self.stepSizes.upperBound)
            return hasMore
        } catch {
            store.rollBack()
            if error == .full, stepSize > Self.stepSizes.lowerBound {
                stepSize = max(stepSize / 4, Self.stepSizes.lowerBound)
                return true
            }
            logger.warning(
                "a maintenance step failed; trying again", metadata: ["reason": "\(store.reason(of: error))"])
            if case .lost = error { Signal.raise(Signal.terminate) }
            return false
        }
    }

    /// Drops the oldest log entries, so that a full store has room for deliveries in progress.
    /// - Returns: false if there was nothing to drop, or the step failed.
    func makeRoom() async -> Bool {
        await step { () async throws(StoreFailure) in
            try await store.retention.dropForRoom(limit: Self.linesForRoom) > 0
        }
    }

    func renewMark() async {
        do throws(StoreFailure) {
            try await store.renewMark()
        } catch {
            store.rollBack()
            logger.warning(
                "cannot update store.mark: a restored older store would not be noticed",
                metadata: ["reason": "\(error)"])
        }
    }

    // MARK: Steps

    private func forgetRequests() async throws(StoreFailure) -> Bool {
        try await store.forgetRequests(at: store.clock.now(), limit: 4 * stepSize) == 4 * stepSize
    }

    private func removeGarbage() async throws(StoreFailure) -> Bool {
        try await store.removeGarbage(limit: stepSize) == stepSize
    }

    private func dropOldDeliveries() async throws(StoreFailure) -> Bool {
        let oldest = store.clock.now().wall.adding(seconds: -settings.webhookRetentionSeconds)
        let limit = 2 * stepSize
        return try await store.retention.dropOldDeliveries(
            before: oldest, maximumBytes: UInt64(settings.webhookLogBytes), limit: limit) == limit
    }

    private func removeOverdue() async throws(StoreFailure) -> Bool {
        let count = try await store.capture.removeOverdue(at: store.clock.now(), settings.limits, limit: stepSize)
        if count > 0 { logger.debug("removed endpoints", metadata: ["count": .stringConvertible(count)]) }
        return count == stepSize
    }

    private func forgetLogins() async throws(StoreFailure) -> Bool {
        nextLogin = try await store.queues.forgetLogins(
            at: store.clock.now().steady, from: nextLogin, limit: 4 * stepSize)
        return !nextLogin.isEmpty
    }

    private func forgetKeyrings() async throws(StoreFailure) -> Bool {
        nextKeyring = try await store.webhooks.forgetIdleKeyrings(
            at: store.clock.now().wall, from: nextKeyring, limit: 4 * stepSize)
        return !nextKeyring.isEmpty
    }

    private func forgetMakers() async throws(StoreFailure) -> Bool {
        nextMaker = try await store.capture.forgetMakers(from: nextMaker, limit: 4 * stepSize)
        return !nextMaker.isEmpty
    }

    private func sweep() async throws(StoreFailure) -> Bool {
        try await store.checkHealth()
        try await store.sweepDeadReaders()
        return false
    }
}
