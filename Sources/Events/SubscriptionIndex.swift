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

    struct Outcome: Equatable {
        /// Subscriptions, in ascending order.
        var matched: [UInt64] = []
        /// Subscriptions whose expression takes too long for the event, and counts as not matching.
        var exceeded: [UInt64] = []
    }

    func match(_ event: JSON) -> Outcome {
        var outcome = Outcome()
        let document = JSONPathDocument(event)
        var tried = others
        Self.gather(event, root, into: &tried)
        for expression in tried {
            guard let entry = entries[expression] else { continue }
            do throws(JSONPathBudgetExceeded) {
                if try entry.query.matches(document) { outcome.matched += entry.subscriptions }
            } catch {
                outcome.exceeded += entry.subscriptions
            }
        }
        outcome.matched.sort()
        return outcome
    }

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
