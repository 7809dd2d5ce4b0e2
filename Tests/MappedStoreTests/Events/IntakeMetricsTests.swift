import Storage
import TestSupport
import Testing

@testable import MappedStore

@Suite struct IntakeMetricsTests {
    @Test func `the counts of events that were left out add up, and survive a restart`() throws {
        var some = IntakeMetrics()
        some.unreadable = 2
        some.ofUnknownEnvironments = 300
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory)
                #expect(try store.metrics(at: store.clock.now()).intake == IntakeMetrics())
                try store.webhooks.count(IntakeMetrics())
                #expect(try store.commit() == .empty)
                try store.webhooks.count(some)
                try store.webhooks.count(some)
                #expect(try store.commit() != .empty)
            }
            let store = try open(directory)
            let intake = try store.metrics(at: store.clock.now()).intake
            #expect(intake.unreadable == 4 && intake.ofUnknownEnvironments == 600)
        }
    }
}
