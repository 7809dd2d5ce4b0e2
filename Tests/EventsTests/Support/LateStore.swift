import Events
import HTTP
import Values

/// A store in which something happens between what a matcher reads and what it writes.
final class LateStore: MatchingStore {
    private let store: any MatchingStore
    var meanwhile: () -> Void = {}
    /// Of how many events each step has kept what they matched.
    private(set) var kept: [Int] = []

    init(_ store: any MatchingStore) { self.store = store }

    func expressions(since revision: UInt64, limit: Int) throws(StoreFailure) -> ExpressionChanges {
        try store.expressions(since: revision, limit: limit)
    }

    func waitingEvents(
        besides excluded: Set<UInt64>, skipping: Int, limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> [WaitingEvent] {
        try store.waitingEvents(besides: excluded, skipping: skipping, limit: limit, maximumBytes: maximumBytes)
    }

    func keep(_ matches: [EventMatches], at moment: Moment) throws(StoreFailure) -> Int {
        meanwhile()
        kept.append(matches.count)
        return try store.keep(matches, at: moment)
    }

    func waitingReplay(
        after subscription: UInt64?, limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> WaitingReplay? {
        try store.waitingReplay(after: subscription, limit: limit, maximumBytes: maximumBytes)
    }

    func keep(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) throws(StoreFailure) {
        meanwhile()
        try store.keep(matched, of: replay, at: moment)
    }

    func laggingSubscriptions() throws(StoreFailure) -> Set<UInt64> { try store.laggingSubscriptions() }

    func waitingLag(
        after owner: UUID?, _ last: [UUID: UInt64], limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> WaitingLag? {
        try store.waitingLag(after: owner, last, limit: limit, maximumBytes: maximumBytes)
    }

    func keep(_ matched: [UInt64], of lag: WaitingLag, at moment: Moment) throws(StoreFailure) -> Bool {
        meanwhile()
        return try store.keep(matched, of: lag, at: moment)
    }

    func reportExpression(of subscription: UInt64, _ text: String) throws(StoreFailure) {
        try store.reportExpression(of: subscription, text)
    }
}
