internal import HTTP
internal import JSON
internal import Values

/// The events that are being matched: first the quick ones, oldest first, then the slow ones.
///
/// An event is slow once it has taken longer than `slowSeconds`. Other events then go first. Up to `slowLimit` slow events
/// stay in progress. Any others are postponed: they wait in the store until one may be in progress, and then begin again.
struct EventsInProgress {
    struct Entry {
        let number: UInt64
        let body: [UInt8]
        /// The matches, if an earlier step has found them.
        let knownMatches: [UInt64]?
        /// `nil` until the body is parsed.
        var matching: SubscriptionIndex.Matching?
        /// The time that matching has taken so far.
        var seconds = 0.0
        var isSlow = false

        init(_ event: WaitingEvent) {
            number = event.number
            body = event.body
            knownMatches = event.matched
        }

        var isFinished: Bool { knownMatches != nil || matching?.isOver ?? false }

        /// The subscriptions that it matches, as far as found.
        var matches: [UInt64] { knownMatches ?? matching?.matched ?? [] }

        /// The subscriptions to try later because their owners have no time left.
        var deferred: [UInt64] { knownMatches == nil ? matching?.deferred ?? [] : [] }

        /// The subscriptions whose expression took too long for this event.
        var exceeded: [UInt64] { matching?.exceeded ?? [] }
    }

    static let slowSeconds = 0.02
    static let slowLimit = 4
    /// Slow events beyond this number are not remembered, and begin again sooner.
    static let postponedLimit = 10_000
    /// About the number of deliveries that the store creates in a step.
    static let deliveriesPerStep = 1000

    private var entries: [Entry] = []
    private var postponed: Set<UInt64> = []

    var isEmpty: Bool { entries.isEmpty }
    var hasOnlySlow: Bool { entries.allSatisfy(\.isSlow) }
    var hasPostponed: Bool { !postponed.isEmpty }

    /// The events that must not begin: those in progress and the postponed ones.
    var excluded: Set<UInt64> { postponed.union(entries.map(\.number)) }

    /// Lets the oldest postponed event begin again, if fewer than `slowLimit` events are in progress.
    mutating func readmitPostponed() {
        if entries.count < Self.slowLimit, let oldest = postponed.min() { postponed.remove(oldest) }
    }

    /// Adds new events before the slow ones. Must be called only while no quick events are in progress.
    mutating func begin(_ events: [WaitingEvent]) {
        entries.insert(contentsOf: events.map { Entry($0) }, at: 0)
    }

    /// Matches until the deadline, or until each event is finished.
    mutating func match(with index: SubscriptionIndex, until deadline: Timestamp, now: () -> Moment) {
        while let current = entries.firstIndex(where: { !$0.isFinished }) {
            let start = now().steady
            guard start < deadline else { return }
            guard let matching = entries[current].matching else {
                guard entries[..<current].reduce(0, { $0 + $1.matches.count }) < Self.deliveriesPerStep else {
                    // This step cannot store more matches, and the next step would have to match these events again.
                    return dropQuick(from: current)
                }
                entries[current].matching = index.begin((try? JSON(parsing: entries[current].body)) ?? .null)
                continue
            }
            index.goOn(matching, at: start)
            let end = now().steady
            let seconds = end.seconds(since: start)
            index.charge(seconds, at: end)
            entries[current].seconds += seconds
            if matching.isFound, !entries[current].isSlow, entries[current].seconds > Self.slowSeconds {
                letOthersPass(current)
            }
        }
    }

    /// Removes the finished events, and returns them.
    mutating func takeFinished() -> [Entry] {
        let finished = entries.filter(\.isFinished)
        if !finished.isEmpty { entries.removeAll(where: \.isFinished) }
        return finished
    }

    /// Stops all events in progress. They still wait in the store.
    mutating func stop() { entries = [] }

    /// Drops the quick events from an index on. They still wait in the store.
    private mutating func dropQuick(from index: Int) {
        entries.removeSubrange(index..<(entries.firstIndex(where: \.isSlow) ?? entries.endIndex))
    }

    /// Moves an event behind the others, or postpones it if there are enough slow ones.
    private mutating func letOthersPass(_ index: Int) {
        var entry = entries.remove(at: index)
        if entries.count(where: \.isSlow) < Self.slowLimit {
            entry.isSlow = true
            entries.append(entry)
        } else if postponed.count < Self.postponedLimit {
            postponed.insert(entry.number)
        }
    }
}
