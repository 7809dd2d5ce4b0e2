internal import HTTP
internal import JSON
internal import JSONPath
internal import Values

/// A node in a tree of paths: what expressions require at this path of an event, and below it.
final class ExpressionBranch {
    typealias Step = JSONPathRequirement.Step

    private(set) var members: [String: ExpressionBranch] = [:]
    /// The requirements for any member's value, or any element.
    private(set) var child: ExpressionBranch?
    /// The requirements for the value here, or any value below it.
    private(set) var descendant: ExpressionBranch?
    /// Expressions that require a value here.
    let present = ExpressionGroup()
    /// Expressions that require a certain text here, by the text.
    private(set) var texts: [String: ExpressionGroup] = [:]
    /// The last event for which everything at this node and below it was counted as found.
    var wholeFor: UInt64 = 0

    private var isEmpty: Bool { isLast && present.isEmpty && texts.isEmpty }

    /// Whether nothing is required below.
    var isLast: Bool { members.isEmpty && child == nil && descendant == nil }

    private subscript(step: Step) -> ExpressionBranch? {
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

    func add(_ entry: ExpressionEntry, _ path: ArraySlice<Step>, _ text: String?) {
        if let step = path.first {
            let next = self[step] ?? ExpressionBranch()
            self[step] = next
            next.add(entry, path.dropFirst(), text)
        } else if let text {
            let group = texts[text] ?? ExpressionGroup()
            texts[text] = group
            group.insert(entry)
        } else {
            present.insert(entry)
        }
    }

    /// Removes an expression, and the branches that become empty.
    func remove(_ entry: ExpressionEntry, _ path: ArraySlice<Step>, _ text: String?) {
        if let step = path.first {
            guard let next = self[step] else { return }
            next.remove(entry, path.dropFirst(), text)
            if next.isEmpty { self[step] = nil }
        } else if let text {
            texts[text]?.remove(entry)
            if texts[text]?.isEmpty ?? false { texts[text] = nil }
        } else {
            present.remove(entry)
        }
    }
}

/// An expression, with the subscriptions that use it.
final class ExpressionEntry {
    let query: JSONPath
    var subscriptions: Set<UInt64> = []
    var exceededInRow = 0
    var restsUntil = Timestamp(microseconds: .min)
    /// The number of values of the smallest event that has exceeded the budget in the current run of failures.
    var exceedingCount = Int.max
    /// The last event for which it was found.
    var foundFor: UInt64 = 0

    init(_ query: JSONPath) { self.query = query }
}

/// An expression that an event may match, with its subscriptions at the time it was found: later changes count only for
/// later events.
struct FoundExpression {
    let entry: ExpressionEntry
    let subscriptions: Set<UInt64>

    init(_ entry: ExpressionEntry) { (self.entry, subscriptions) = (entry, entry.subscriptions) }
}

/// Expressions with the same requirement, which are found together.
final class ExpressionGroup {
    private var entries: [ObjectIdentifier: ExpressionEntry] = [:]
    private var foundFor: UInt64 = 0

    var isEmpty: Bool { entries.isEmpty }

    func insert(_ entry: ExpressionEntry) { entries[ObjectIdentifier(entry)] = entry }

    func remove(_ entry: ExpressionEntry) { entries[ObjectIdentifier(entry)] = nil }

    /// Adds the expressions that were not found for this event before.
    func find(for event: UInt64, _ found: inout [FoundExpression]) {
        guard foundFor != event else { return }
        foundFor = event
        for entry in entries.values where entry.foundFor != event {
            entry.foundFor = event
            found.append(FoundExpression(entry))
        }
    }
}

/// The walk of one event through the branches.
///
/// Names come first. Requirements for any place may need a visit to each value for each branch, so the number of visits has
/// a limit. Beyond the limit, all remaining expressions count as found, and are evaluated on the event itself.
struct ExpressionWalk {
    /// The event's number. Only one walk may be in progress: branches and expressions note the last event that found them.
    private let event: UInt64
    private var named: [(JSON, ExpressionBranch)] = []
    private var wide: [Visit] = []
    private(set) var visits = 0
    private let limit: Int

    private enum Visit {
        case children(JSON, ExpressionBranch)
        case below(JSON, ExpressionBranch)
        case all(ExpressionBranch)
    }

    /// Visits by name alone are at most as many as there are values: 500,000 in a dense event of 1 MB.
    static let limit = 2_000_000
    /// The number of visits in one step; a visit takes some tens of nanoseconds.
    static let step = 100_000

    init(
        _ value: JSON, from root: ExpressionBranch, event: UInt64, limit: Int, _ found: inout [FoundExpression]
    ) {
        self.event = event
        self.limit = limit
        enter(value, root, &found)
    }

    var isOver: Bool { named.isEmpty && wide.isEmpty }

    mutating func goOn(_ found: inout [FoundExpression]) {
        let end = visits + Self.step
        while visits < end, !isOver {
            if let (value, branch) = named.popLast() {
                visitMembers(of: value, branch, &found)
            } else if let visit = wide.popLast() {
                go(visit, &found)
            }
        }
    }

    private mutating func go(_ visit: Visit, _ found: inout [FoundExpression]) {
        switch visit {
        case .children(_, let branch) where visits >= limit: findAll(branch, &found)
        case .below(_, let branch) where visits >= limit: findAll(branch, &found)
        case .all(let branch): findAll(branch, &found)
        case .children(let value, let branch): value.forEachChild { enter($0, branch, &found) }
        case .below(let value, let branch):
            value.forEachChild { child in
                enter(child, branch, &found)
                if child.isContainer { wide.append(.below(child, branch)) }
            }
        }
    }

    private mutating func enter(_ value: JSON, _ branch: ExpressionBranch, _ found: inout [FoundExpression]) {
        visits += 1
        guard branch.wholeFor != event else { return }
        branch.present.find(for: event, &found)
        if !branch.texts.isEmpty, case .string(let text) = value { branch.texts[text]?.find(for: event, &found) }
        guard !branch.isLast else { return }
        if let descendant = branch.descendant {
            enter(value, descendant, &found)
            if value.isContainer { wide.append(.below(value, descendant)) }
        }
        guard value.isContainer else { return }
        if let child = branch.child { wide.append(.children(value, child)) }
        if !branch.members.isEmpty { named.append((value, branch)) }
    }

    private mutating func visitMembers(
        of value: JSON, _ branch: ExpressionBranch, _ found: inout [FoundExpression]
    ) {
        guard case .object(let members) = value else { return }
        visits += members.count
        for member in members {
            if let next = branch.members[member.name] { enter(member.value, next, &found) }
        }
    }

    private mutating func findAll(_ branch: ExpressionBranch, _ found: inout [FoundExpression]) {
        visits += 1 + branch.members.count
        guard branch.wholeFor != event else { return }
        branch.wholeFor = event
        branch.present.find(for: event, &found)
        for group in branch.texts.values { group.find(for: event, &found) }
        for next in branch.members.values { wide.append(.all(next)) }
        if let child = branch.child { wide.append(.all(child)) }
        if let descendant = branch.descendant { wide.append(.all(descendant)) }
    }
}

extension JSON {
    fileprivate var isContainer: Bool {
        switch self {
        case .array, .object: true
        default: false
        }
    }

    fileprivate func forEachChild(_ body: (JSON) -> Void) {
        switch self {
        case .array(let values): for value in values { body(value) }
        case .object(let members): for member in members { body(member.value) }
        default: break
        }
    }
}
