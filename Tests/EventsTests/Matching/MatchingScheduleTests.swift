import Testing

@testable import Events

@Suite struct MatchingScheduleTests {
    @Test func `new events get every other step, lagging subscriptions and replays one in four each`() {
        var schedule = MatchingSchedule()
        let order: [MatchingSchedule.Work] = [.newEvents, .laggingSubscription, .newEvents, .replay]
        #expect((0..<8).map { _ in schedule.next() } == order + order)
    }
}
