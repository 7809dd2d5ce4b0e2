internal import Gateway
internal import JSON
internal import JSONPath

/// The expressions of all subscriptions, found by what they ask of an event first.
///
/// An expression that asks for a member, or for a text at one, stands in a tree of members' names at that place; an event is
/// held against the branches that it has itself. So what an event costs depends on the event and on what it nearly
/// matches, and not on how many other expressions there are. Equal expressions are kept, and tried, once.
struct SubscriptionIndex {
    private final class Entry {
        let query: JSONPath
        var subscriptions: Set<UInt64> = []
        var exceededInRow = 0
        var restsUntil = Timestamp(microseconds: .min)

        init(_ query: JSONPath) { self.query = query }
    }

    /// What is asked for at one place, and below it.
    private final class Branch {
        var members: [String: Branch] = [:]
        /// Expressions that ask for something to be there.
        var present: Set<Expression> = []
        /// Expressions that ask for a text to be there.
        var texts: [String: Set<Expression>] = [:]

        var isEmpty: Bool { members.isEmpty && present.isEmpty && texts.isEmpty }
    }

    private var entries: [Expression: Entry] = [:]
    private var expressions: [UInt64: Expression] = [:]
    private let root = Branch()
    /// Those of which nothing is known beforehand.
    private var others: Set<Expression> = []

    var count: Int { expressions.count }

    // MARK: Changing it

    /// Takes a subscription in, in place of what it asked before. What cannot be parsed matches nothing.
    mutating func set(_ expression: Expression, of subscription: UInt64) {
        if expressions[subscription] == expression { return }
        remove(subscription)
        let entry: Entry
        if let known = entries[expression] {
            entry = known
        } else {
            guard let query = try? JSONPath(parsing: expression.text, dialect: expression.dialect) else { return }
            entry = Entry(query)
            entries[expression] = entry
            place(expression, query.requirement)
        }
        entry.subscriptions.insert(subscription)
        expressions[subscription] = expression
    }

    mutating func remove(_ subscription: UInt64) {
        guard let expression = expressions.removeValue(forKey: subscription), let entry = entries[expression] else {
            return
        }
        entry.subscriptions.remove(subscription)
        guard entry.subscriptions.isEmpty else { return }
        entries[expression] = nil
        displace(expression, entry.query.requirement)
    }

    private mutating func place(_ expression: Expression, _ requirement: [JSONPathRequirement]?) {
        guard let requirement else {
            others.insert(expression)
            return
        }
        for condition in requirement {
            var branch = root
            for name in condition.path {
                let next = branch.members[name] ?? Branch()
                branch.members[name] = next
                branch = next
            }
            if let text = condition.value {
                branch.texts[text, default: []].insert(expression)
            } else {
                branch.present.insert(expression)
            }
        }
    }

    private mutating func displace(_ expression: Expression, _ requirement: [JSONPathRequirement]?) {
        guard let requirement else {
            others.remove(expression)
            return
        }
        for condition in requirement { Self.displace(expression, condition.path[...], condition.value, from: root) }
    }

    private static func displace(
        _ expression: Expression, _ path: ArraySlice<String>, _ value: String?, from branch: Branch
    ) {
        guard let name = path.first else {
            if let value {
                branch.texts[value]?.remove(expression)
                if branch.texts[value]?.isEmpty ?? false { branch.texts[value] = nil }
            } else {
                branch.present.remove(expression)
            }
            return
        }
        guard let next = branch.members[name] else { return }
        displace(expression, path.dropFirst(), value, from: next)
        if next.isEmpty { branch.members[name] = nil }
    }

    // MARK: Matching

    /// An event that is being held against expressions, which may take several steps.
    final class Matching {
        fileprivate let event: JSON
        /// `nil` until the first expression is tried.
        fileprivate var document: JSONPathDocument?
        fileprivate var left: [Expression]
        /// Subscriptions that match, in ascending order once nothing is left.
        fileprivate(set) var matched: [UInt64] = []
        /// Subscriptions whose expression takes too long for the event, and counts as not matching.
        fileprivate(set) var exceeded: [UInt64] = []

        fileprivate init(_ event: JSON, _ expressions: Set<Expression>) {
            self.event = event
            left = Array(expressions)
        }

        var isOver: Bool { left.isEmpty }
    }

    /// Finds what an event may match.
    func begin(_ event: JSON) -> Matching {
        var tried = others
        Self.gather(event, root, into: &tried)
        return Matching(event, tried)
    }

    /// Makes the event ready, or holds it against one more expression.
    /// - Parameter now: on the steady clock.
    func goOn(_ matching: Matching, at now: Timestamp) {
        guard let document = matching.document else {
            matching.document = JSONPathDocument(matching.event)
            return
        }
        guard let expression = matching.left.popLast() else { return }
        if let entry = entries[expression], entry.restsUntil <= now {
            do throws(JSONPathBudgetExceeded) {
                if try entry.query.matches(document) { matching.matched += entry.subscriptions }
                entry.exceededInRow = 0
            } catch {
                matching.exceeded += entry.subscriptions
                entry.exceededInRow += 1
                if entry.exceededInRow >= Self.patience { entry.restsUntil = now.adding(seconds: Self.restSeconds) }
            }
        }
        if matching.isOver { matching.matched.sort() }
    }

    /// An expression that has exceeded its budget so often in a row rests for a while, and matches nothing meanwhile: it would
    /// take the time that others' events need.
    private static let patience = 3
    private static let restSeconds = 10.0

    private static func gather(_ value: JSON, _ branch: Branch, into found: inout Set<Expression>) {
        found.formUnion(branch.present)
        if !branch.texts.isEmpty, case .string(let text) = value, let wanting = branch.texts[text] {
            found.formUnion(wanting)
        }
        guard !branch.members.isEmpty, case .object(let members) = value else { return }
        for member in members {
            if let next = branch.members[member.name] { gather(member.value, next, into: &found) }
        }
    }
}
