/// What a step does first, while no events or only slow ones are in progress.
///
/// Every other step begins new events. The other steps belong to the slow events, but half of them first serve a lagging
/// subscription and the other half a replay, so that these continue while new events keep arriving.
struct MatchingSchedule {
    enum Work: Equatable {
        case newEvents, laggingSubscription, replay
    }

    private static let cycle: [Work] = [.newEvents, .laggingSubscription, .newEvents, .replay]
    private var position = 0

    mutating func next() -> Work {
        defer { position = (position + 1) % Self.cycle.count }
        return Self.cycle[position]
    }
}
