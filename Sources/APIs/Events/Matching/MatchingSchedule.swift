/// What a step begins with, while no event is in progress or only slow ones are.
///
/// New events get every other step; the others belong to the slow events. Of these, one in two is offered to the lagging
/// subscriptions and the replays first, so that they go on while events keep coming.
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
