internal import HTTP
internal import JSON
internal import JSONPath
internal import Values

/// The expressions of all subscriptions, indexed by what they require of an event.
///
/// Each requirement is stored in a tree, at its path. An event is compared only with the branches that it has itself. So the
/// cost of an event depends on the event and on the expressions that it nearly matches, not on the number of other
/// expressions. Equal expressions are stored, and tried, once.
final class SubscriptionIndex {
    private var entries: [Expression: ExpressionEntry] = [:]
    private var expressions: [UInt64: Expression] = [:]
    private var owners: [UInt64: UUID] = [:]
    private(set) var shares = MatchingShares()
    /// Lagging subscriptions, which are not tried with new events.
    var lagging: Set<UInt64> = []
    private let root = ExpressionBranch()
    /// Expressions without a known requirement, which are tried with every event.
    private let others = ExpressionGroup()
    /// The number of events so far.
    private var events: UInt64 = 0

    var count: Int { expressions.count }

    // MARK: Changing it

    /// Adds a subscription, or replaces its expression. An expression that cannot be parsed matches nothing.
    /// - Parameter owner: the owner whose matching time it uses.
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

    /// The matching of one event, which may take several steps.
    final class Matching {
        fileprivate let event: JSON
        fileprivate var walk: ExpressionWalk
        /// `nil` until the first expression is tried.
        fileprivate var document: JSONPathDocument?
        fileprivate var left: [FoundExpression]
        /// Subscriptions that match, in ascending order once nothing is left.
        fileprivate(set) var matched: [UInt64] = []
        /// Subscriptions whose expression takes too long for the event, and so counts as not matching.
        fileprivate(set) var exceeded: [UInt64] = []
        /// Subscriptions that were not tried, as their owners have no time left.
        fileprivate(set) var deferred: [UInt64] = []

        fileprivate init(_ event: JSON, _ walk: ExpressionWalk, _ left: [FoundExpression]) {
            self.event = event
            self.walk = walk
            self.left = left
        }

        /// Whether all expressions have been found that may match.
        var isFound: Bool { walk.isOver }
        var visits: Int { walk.visits }
        var isOver: Bool { isFound && left.isEmpty }
    }

    /// Begins to find what an event may match. Only one event at a time: a second one stops the first.
    /// - Parameter visits: the most visits to branches, after which all remaining expressions count as found.
    func begin(_ event: JSON, visits: Int = ExpressionWalk.limit) -> Matching {
        events += 1
        var found: [FoundExpression] = []
        others.find(for: events, &found)
        let walk = ExpressionWalk(event, from: root, event: events, limit: visits, &found)
        return Matching(event, walk, found)
    }

    /// Does one of these: finds more expressions that may match, prepares the event, or tries one more expression.
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

    /// Evaluates one expression on an event.
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

    /// Evaluates the expression of one lagging subscription on an event.
    func attempt(_ event: JSON, _ expression: Expression, at now: Timestamp) -> Outcome {
        let document = JSONPathDocument(event)
        if let entry = entries[expression] { return attempt(entry, document, at: now) }
        // It is new, and not in the index yet.
        guard let query = try? JSONPath(parsing: expression.text, dialect: expression.dialect) else { return .differs }
        do throws(JSONPathBudgetExceeded) {
            return try query.matches(document) ? .matches : .differs
        } catch {
            return .exceeds
        }
    }

    // MARK: Owners' time

    /// The owners that pay for the last expression.
    private var tried: [UUID] = []

    /// For an expression that many subscriptions share, only this many are checked for time left, and charged.
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

    /// Whether an expression must wait: all its subscriptions lag, or their owners have no time left.
    private func isDeferred(_ found: FoundExpression, at now: Timestamp) -> Bool {
        guard shares.isShared else { return false }
        let some = found.subscriptions.prefix(Self.payersAtOnce)
        if !lagging.isEmpty, some.allSatisfy(lagging.contains) { return true }
        let payers = payers(of: some)
        return !payers.isEmpty && payers.allSatisfy { shares.isOverdrawn($0, at: now) }
    }

    /// After this many failures in a row an expression rests, because it would take the time that others' events need. While
    /// it rests, it can match only events smaller than the smallest one that it failed on.
    private static let patience = 3
    private static let restSeconds = 10.0
}
