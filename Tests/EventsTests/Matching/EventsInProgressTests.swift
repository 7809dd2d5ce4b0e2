import Delivery
import HTTP
import Testing
import Values

@testable import Events

@Suite struct EventsInProgressTests {
    /// Advances each time it is read.
    private final class Clock {
        private var time = Timestamp(microseconds: 0)
        private let step: Double

        init(step: Double) { self.step = step }

        func now() -> Moment {
            time = time.adding(seconds: step)
            return Moment(wall: time, steady: time)
        }
    }

    /// Two expressions that match each event.
    private let index: SubscriptionIndex = {
        let index = SubscriptionIndex()
        index.set(Expression(text: "$", dialect: nil), of: 1)
        index.set(Expression(text: "$.*", dialect: nil), of: 2)
        return index
    }()

    private func events(_ numbers: ClosedRange<UInt64>) -> [WaitingEvent] {
        numbers.map { WaitingEvent(number: $0, body: Array("{\"a\": \($0)}".utf8)) }
    }

    @Test func `each event is matched once, in order`() {
        var inProgress = EventsInProgress()
        inProgress.begin(events(1...3))
        #expect(inProgress.excluded == [1, 2, 3] && !inProgress.hasOnlySlow)
        inProgress.match(with: index, until: .farAhead, now: Clock(step: 0).now)
        let finished = inProgress.takeFinished()
        #expect(finished.map(\.number) == [1, 2, 3] && finished.allSatisfy { $0.matches == [1, 2] })
        #expect(inProgress.isEmpty && inProgress.takeFinished().isEmpty)
    }

    @Test func `the known matches of an event are not searched again`() {
        var inProgress = EventsInProgress()
        inProgress.begin([WaitingEvent(number: 1, body: Array("{}".utf8), matched: [7])])
        let finished = inProgress.takeFinished()
        #expect(finished.map(\.matches) == [[7]] && finished.map(\.deferred) == [[]])
    }

    @Test func `nothing is matched after the deadline`() {
        var inProgress = EventsInProgress()
        inProgress.begin(events(1...1))
        inProgress.match(with: index, until: Timestamp(microseconds: 0), now: Clock(step: 0).now)
        #expect(inProgress.takeFinished().isEmpty && !inProgress.isEmpty)
    }

    @Test func `a few slow events stay, and others are postponed until there is room`() {
        var inProgress = EventsInProgress()
        inProgress.begin(events(1...6))
        // The first part of each takes too long, and then the time is up.
        inProgress.match(with: index, until: Timestamp(microseconds: 560_000), now: Clock(step: 0.03).now)
        #expect(inProgress.hasOnlySlow && inProgress.hasPostponed)
        #expect(inProgress.excluded == [1, 2, 3, 4, 5, 6])
        inProgress.readmitPostponed()
        #expect(inProgress.excluded == [1, 2, 3, 4, 5, 6])
        inProgress.match(with: index, until: .farAhead, now: Clock(step: 0).now)
        #expect(inProgress.takeFinished().map(\.number) == [1, 2, 3, 4])
        inProgress.readmitPostponed()
        #expect(inProgress.excluded == [6])
    }

    @Test func `events beyond what a step can deliver are put back, and slow ones stay`() {
        var inProgress = EventsInProgress()
        inProgress.begin(events(9...9))
        inProgress.match(with: index, until: Timestamp(microseconds: 100_000), now: Clock(step: 0.03).now)
        #expect(inProgress.hasOnlySlow)
        let many = (0..<UInt64(EventsInProgress.deliveriesPerStep)).map { $0 }
        inProgress.begin([WaitingEvent(number: 1, body: [], matched: many)] + events(2...3))
        inProgress.match(with: index, until: .farAhead, now: Clock(step: 0).now)
        #expect(inProgress.takeFinished().map(\.number) == [1])
        #expect(inProgress.excluded == [9])
    }
}
