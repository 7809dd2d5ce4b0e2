import Events
import HTTP
import Values

/// A store that calls `meanwhile` between what a matcher reads and what it writes.
final class LateStore: MatchingStore {
    private let store: any MatchingStore
    var meanwhile: () -> Void = {}
    /// The number of events whose matches each step has delivered.
    private(set) var delivered: [Int] = []

    init(_ store: any MatchingStore) { self.store = store }

    func expressions(since revision: UInt64, limit: Int) async throws(StoreFailure) -> ExpressionChanges {
        try await store.expressions(since: revision, limit: limit)
    }

    func waitingEvents(
        besides excluded: Set<UInt64>, skipping: Int, limit: Int, maximumBytes: Int
    ) async throws(StoreFailure) -> [WaitingEvent] {
        try await store.waitingEvents(besides: excluded, skipping: skipping, limit: limit, maximumBytes: maximumBytes)
    }

    func deliver(_ matches: [EventMatches], at moment: Moment) async throws(StoreFailure) -> Int {
        meanwhile()
        delivered.append(matches.count)
        return try await store.deliver(matches, at: moment)
    }

    func waitingReplay(
        after subscription: UInt64?, limit: Int, maximumBytes: Int
    ) async throws(StoreFailure) -> WaitingReplay? {
        try await store.waitingReplay(after: subscription, limit: limit, maximumBytes: maximumBytes)
    }

    func deliver(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) async throws(StoreFailure) {
        meanwhile()
        try await store.deliver(matched, of: replay, at: moment)
    }

    func laggingSubscriptions() async throws(StoreFailure) -> Set<UInt64> { try await store.laggingSubscriptions() }

    func waitingLag(
        after owner: UUID?, _ last: [UUID: UInt64], limit: Int, maximumBytes: Int
    ) async throws(StoreFailure) -> WaitingLag? {
        try await store.waitingLag(after: owner, last, limit: limit, maximumBytes: maximumBytes)
    }

    func deliver(_ matched: [UInt64], of lag: WaitingLag, at moment: Moment) async throws(StoreFailure) -> Bool {
        meanwhile()
        return try await store.deliver(matched, of: lag, at: moment)
    }

    func reportExpression(of subscription: UInt64, _ text: String) async throws(StoreFailure) {
        try await store.reportExpression(of: subscription, text)
    }
}
