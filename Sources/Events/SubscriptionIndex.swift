internal import Gateway
internal import JSON
internal import JSONPath

/// The expressions of all subscriptions, found by what they ask of an event first.
///
/// What an expression asks for stands in a tree, at the path that leads to it; an event is held against the branches that it
/// has itself. So what an event costs depends on the event and on what it nearly matches, and not on how many other
/// expressions there are. Equal expressions are kept, and tried, once.
final class SubscriptionIndex {
    fileprivate final class Entry {
        let query: JSONPath
        var subscriptions: Set<UInt64> = []
        var exceededInRow = 0
        var restsUntil = Timestamp(microseconds: .min)
        /// Values of the smallest event for which it has exceeded its budget since it last did not.
        var exceedingCount = Int.max
        /// The event that it was found for last.
        var foundFor: UInt64 = 0

        init(_ query: JSONPath) { self.query = query }
    }

    private typealias Entries = [ObjectIdentifier: Entry]

    /// What is asked for at one place, and below it.
    private final class Branch {
        var members: [String: Branch] = [:]
        /// At any member's value, or any element.
        var child: Branch?
        /// Here, or anywhere below.
        var descendant: Branch?
        /// Expressions that ask for something to be there.
        var present: Entries = [:]
        /// Expressions that ask for a text to be there.
        var texts: [String: Entries] = [:]

        private var isEmpty: Bool {
            members.isEmpty && child == nil && descendant == nil && present.isEmpty && texts.isEmpty
        }

        subscript(step: JSONPathRequirement.Step) -> Branch? {
            get {
                switch step {
                case .member(let name): members[name]
                case .child: child
                case .descendant: descendant
                }
            }
            set {
                switch step {
                case .member(let name): members[name] = newValue
                case .child: child = newValue
                case .descendant: descendant = newValue
                }
            }
        }

        /// The branch that a step leads to; made where there is none.
        func made(_ step: JSONPathRequirement.Step) -> Branch {
            let branch = self[step] ?? Branch()
            self[step] = branch
            return branch
        }

        /// Takes an expression away, and branches that hold nothing then.
        func remove(_ entry: Entry, _ path: ArraySlice<JSONPathRequirement.Step>, _ text: String?) {
            if let step = path.first {
                guard let next = self[step] else { return }
                next.remove(entry, path.dropFirst(), text)
                if next.isEmpty { self[step] = nil }
            } else if let text {
                texts[text]?[ObjectIdentifier(entry)] = nil
                if texts[text]?.isEmpty ?? false { texts[text] = nil }
            } else {
                present[ObjectIdentifier(entry)] = nil
            }
        }
    }

    private var entries: [Expression: Entry] = [:]
    private var expressions: [UInt64: Expression] = [:]
    private let root = Branch()
    /// Those of which nothing is known beforehand.
    private var others: Entries = [:]
    /// Counts events.
    private var events: UInt64 = 0

    var count: Int { expressions.count }

    // MARK: Changing it

    /// Takes a subscription in, in place of what it asked before. What cannot be parsed matches nothing.
    func set(_ expression: Expression, of subscription: UInt64) {
        if expressions[subscription] == expression { return }
        remove(subscription)
        let entry: Entry
        if let known = entries[expression] {
            entry = known
        } else {
            guard let query = try? JSONPath(parsing: expression.text, dialect: expression.dialect) else { return }
            entry = Entry(query)
            entries[expression] = entry
            place(entry)
        }
        entry.subscriptions.insert(subscription)
        expressions[subscription] = expression
    }

    func remove(_ subscription: UInt64) {
        guard let expression = expressions.removeValue(forKey: subscription), let entry = entries[expression] else {
            return
        }
        entry.subscriptions.remove(subscription)
        guard entry.subscriptions.isEmpty else { return }
        entries[expression] = nil
        displace(entry)
    }

    private func place(_ entry: Entry) {
        guard let requirement = entry.query.requirement else {
            others[ObjectIdentifier(entry)] = entry
            return
        }
        for condition in requirement {
            var branch = root
            for step in condition.path { branch = branch.made(step) }
            if let text = condition.value {
                branch.texts[text, default: [:]][ObjectIdentifier(entry)] = entry
            } else {
                branch.present[ObjectIdentifier(entry)] = entry
            }
        }
    }

    private func displace(_ entry: Entry) {
        guard let requirement = entry.query.requirement else {
            others[ObjectIdentifier(entry)] = nil
            return
        }
        for condition in requirement { root.remove(entry, condition.path[...], condition.value) }
    }

    // MARK: Matching

    /// An event that is being held against expressions, which may take several steps.
    final class Matching {
        fileprivate let event: JSON
        /// `nil` until the first expression is tried.
        fileprivate var document: JSONPathDocument?
        fileprivate var left: [Entry] = []
        /// Subscriptions that match, in ascending order once nothing is left.
        fileprivate(set) var matched: [UInt64] = []
        /// Subscriptions whose expression takes too long for the event, and counts as not matching.
        fileprivate(set) var exceeded: [UInt64] = []

        fileprivate init(_ event: JSON) { self.event = event }

        var isOver: Bool { left.isEmpty }
    }

    /// Finds what an event may match.
    func begin(_ event: JSON) -> Matching {
        events += 1
        let matching = Matching(event)
        find(others, matching)
        gather(event, root, matching)
        return matching
    }

    /// Makes the event ready, or holds it against one more expression.
    /// - Parameter now: on the steady clock.
    func goOn(_ matching: Matching, at now: Timestamp) {
        guard let document = matching.document else {
            matching.document = JSONPathDocument(matching.event)
            return
        }
        guard let entry = matching.left.popLast() else { return }
        if entry.restsUntil <= now || document.count < entry.exceedingCount {
            do throws(JSONPathBudgetExceeded) {
                if try entry.query.matches(document) { matching.matched += entry.subscriptions }
                entry.exceededInRow = 0
            } catch {
                matching.exceeded += entry.subscriptions
                entry.exceedingCount = min(document.count, entry.exceededInRow == 0 ? .max : entry.exceedingCount)
                entry.exceededInRow += 1
                if entry.exceededInRow >= Self.patience { entry.restsUntil = now.adding(seconds: Self.restSeconds) }
            }
        }
        if matching.isOver { matching.matched.sort() }
    }

    /// An expression that has exceeded its budget so often in a row rests for a while, and matches nothing meanwhile but events
    /// that are smaller: it would take the time that others' events need.
    private static let patience = 3
    private static let restSeconds = 10.0

    private func find(_ entries: Entries, _ matching: Matching) {
        for entry in entries.values where entry.foundFor != events {
            entry.foundFor = events
            matching.left.append(entry)
        }
    }

    private func gather(_ value: JSON, _ branch: Branch, _ matching: Matching) {
        find(branch.present, matching)
        if !branch.texts.isEmpty, case .string(let text) = value, let wanting = branch.texts[text] {
            find(wanting, matching)
        }
        if !branch.members.isEmpty, case .object(let members) = value {
            for member in members {
                if let next = branch.members[member.name] { gather(member.value, next, matching) }
            }
        }
        if let child = branch.child { value.forEachChild { gather($0, child, matching) } }
        if let descendant = branch.descendant { gatherBelow(value, descendant, matching) }
    }

    private func gatherBelow(_ value: JSON, _ branch: Branch, _ matching: Matching) {
        gather(value, branch, matching)
        value.forEachChild { gatherBelow($0, branch, matching) }
    }
}

extension JSON {
    fileprivate func forEachChild(_ body: (JSON) -> Void) {
        switch self {
        case .array(let values): for value in values { body(value) }
        case .object(let members): for member in members { body(member.value) }
        default: break
        }
    }
}
