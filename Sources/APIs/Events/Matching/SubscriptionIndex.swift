internal import HTTP
internal import JSON
internal import JSONPath
internal import Values

/// The expressions of all subscriptions, found by what they ask of an event first.
///
/// What an expression asks for stands in a tree, at the path that leads to it; an event is held against the branches that it
/// has itself. So what an event costs depends on the event and on what it nearly matches, and not on how many other
/// expressions there are. Equal expressions are kept, and tried, once.
final class SubscriptionIndex {
    private var entries: [Expression: ExpressionEntry] = [:]
    private var expressions: [UInt64: Expression] = [:]
    private var owners: [UInt64: UUID] = [:]
    private(set) var shares = MatchingShares()
    /// Subscriptions that follow behind, and are not tried with what comes.
    var lagging: Set<UInt64> = []
    private let root = ExpressionBranch()
    /// Those of which nothing is known beforehand.
    private let others = ExpressionGroup()
    /// Counts events.
    private var events: UInt64 = 0

    var count: Int { expressions.count }

    // MARK: Changing it

    /// Takes a subscription in, in place of what it asked before. What cannot be parsed matches nothing.
    /// - Parameter owner: whose time it takes.
    func set(_ expression: Expression, of subscription: UInt64, owner: UUID? = nil) {
        if expressions[subscription] == expression { return }
        remove(subscription)
        let entry: ExpressionEntry
        if let known = entries[expression] {
            entry = known
        } else {
            guard let query = try? JSONPath(parsing: expression.text, dialect: expression.dialect) else { return }
            entry = ExpressionEntry(query)
            entries[expression] = entry
            place(entry)
        }
        entry.subscriptions.insert(subscription)
        expressions[subscription] = expression
        guard let owner else { return }
        owners[subscription] = owner
        shares.add(owner)
    }

    func remove(_ subscription: UInt64) {
        guard let expression = expressions.removeValue(forKey: subscription), let entry = entries[expression] else {
            return
        }
        entry.subscriptions.remove(subscription)
        if let owner = owners.removeValue(forKey: subscription) { shares.remove(owner) }
        guard entry.subscriptions.isEmpty else { return }
        entries[expression] = nil
        displace(entry)
    }

    private func place(_ entry: ExpressionEntry) {
        guard let requirement = entry.query.requirement else { return others.insert(entry) }
        for condition in requirement { root.add(entry, condition.path[...], condition.value) }
    }

    private func displace(_ entry: ExpressionEntry) {
        guard let requirement = entry.query.requirement else { return others.remove(entry) }
        for condition in requirement { root.remove(entry, condition.path[...], condition.value) }
    }

    // MARK: Matching

    /// An event that is being held against expressions, which may take several steps.
    final class Matching {
        fileprivate let event: JSON
        fileprivate var walk: ExpressionWalk
        /// `nil` until the first expression is tried.
        fileprivate var document: JSONPathDocument?
        fileprivate var left: [FoundExpression]
        /// Subscriptions that match, in ascending order once nothing is left.
        fileprivate(set) var matched: [UInt64] = []
        /// Subscriptions whose expression takes too long for the event, and counts as not matching.
        fileprivate(set) var exceeded: [UInt64] = []
        /// Subscriptions that it was not held against, as their owners have taken their time.
        fileprivate(set) var deferred: [UInt64] = []

        fileprivate init(_ event: JSON, _ walk: ExpressionWalk, _ left: [FoundExpression]) {
            self.event = event
            self.walk = walk
            self.left = left
        }

        /// Whether all are found that may match.
        var isFound: Bool { walk.isOver }
        var visits: Int { walk.visits }
        var isOver: Bool { isFound && left.isEmpty }
    }

    /// Begins to find what an event may match. One event after the other: of two that are begun, only the later goes on.
    /// - Parameter visits: to branches, after which all that is left counts as found.
    func begin(_ event: JSON, visits: Int = ExpressionWalk.limit) -> Matching {
        events += 1
        var found: [FoundExpression] = []
        others.find(for: events, &found)
        let walk = ExpressionWalk(event, from: root, event: events, limit: visits, &found)
        return Matching(event, walk, found)
    }

    /// Goes on to find what the event may match, makes it ready, or holds it against one more expression.
    /// - Parameter now: on the steady clock.
    func goOn(_ matching: Matching, at now: Timestamp) {
        guard matching.isFound else { return matching.walk.goOn(&matching.left) }
        guard let document = matching.document else {
            matching.document = JSONPathDocument(matching.event)
            return
        }
        guard let found = matching.left.popLast() else { return }
        if isDeferred(found, at: now) {
            matching.deferred += found.subscriptions
        } else {
            tried = payers(of: found.subscriptions)
            switch attempt(found.entry, document, at: now) {
            case .matches: matching.matched += found.subscriptions
            case .exceeds: matching.exceeded += found.subscriptions
            case .differs: break
            }
        }
        if matching.isOver { matching.matched.sort() }
    }

    enum Outcome { case matches, differs, exceeds }

    /// Holds an event against one expression.
    private func attempt(_ entry: ExpressionEntry, _ document: JSONPathDocument, at now: Timestamp) -> Outcome {
        guard entry.restsUntil <= now || document.count < entry.exceedingCount else { return .differs }
        do throws(JSONPathBudgetExceeded) {
            let matches = try entry.query.matches(document)
            entry.exceededInRow = 0
            return matches ? .matches : .differs
        } catch {
            entry.exceedingCount = min(document.count, entry.exceededInRow == 0 ? .max : entry.exceedingCount)
            entry.exceededInRow += 1
            if entry.exceededInRow >= Self.patience { entry.restsUntil = now.adding(seconds: Self.restSeconds) }
            return .exceeds
        }
    }

    /// Holds an event against the expression of one subscription that follows behind.
    func attempt(_ event: JSON, _ expression: Expression, at now: Timestamp) -> Outcome {
        let document = JSONPathDocument(event)
        if let entry = entries[expression] { return attempt(entry, document, at: now) }
        // It is new, and not learned yet.
        guard let query = try? JSONPath(parsing: expression.text, dialect: expression.dialect) else { return .differs }
        do throws(JSONPathBudgetExceeded) {
            return try query.matches(document) ? .matches : .differs
        } catch {
            return .exceeds
        }
    }

    // MARK: Owners' time

    /// Whose time the last expression took.
    private var tried: [UUID] = []

    /// Of an expression that very many have, so many are asked whether they have time, and charged.
    private static let payersAtOnce = 8

    /// Charges the time that the last call of `goOn` took.
    func charge(_ seconds: Double, at now: Timestamp) {
        for owner in tried { shares.charge(owner, seconds, at: now) }
        tried = []
    }

    private func payers(of subscriptions: some Sequence<UInt64>) -> [UUID] {
        guard shares.isShared else { return [] }
        var found: [UUID] = []
        for subscription in subscriptions.prefix(Self.payersAtOnce) {
            if let owner = owners[subscription], !found.contains(owner) { found.append(owner) }
        }
        return found
    }

    /// Whether an expression waits, as all that have it follow behind, or have no time left.
    private func isDeferred(_ found: FoundExpression, at now: Timestamp) -> Bool {
        guard shares.isShared else { return false }
        let some = found.subscriptions.prefix(Self.payersAtOnce)
        if !lagging.isEmpty, some.allSatisfy(lagging.contains) { return true }
        let payers = payers(of: some)
        return !payers.isEmpty && payers.allSatisfy { shares.isOverdrawn($0, at: now) }
    }

    /// An expression that has exceeded its budget so often in a row rests for a while, and matches nothing meanwhile but events
    /// that are smaller: it would take the time that others' events need.
    private static let patience = 3
    private static let restSeconds = 10.0
}
