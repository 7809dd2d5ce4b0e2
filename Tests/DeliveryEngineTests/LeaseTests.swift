import Delivery
import DeliveryEngine
import HTTP
import MappedStore
import TestSupport
import Testing
import Webhooks

/// Attempts that take long, and slow workers: an attempt is made a second time only once its lease is over.
@Suite struct LeaseTests {
    private func calls(_ test: Delivering, _ path: String) throws -> Int {
        try test.receiver.arrivals().filter { $0.path == path }.count
    }

    @Test func `the lease of an attempt covers all its requests`() throws {
        try Delivering.with { test in
            let webhook = try test.create("/target?delay=0.8") { $0.approvalPath = "/policy?delay=0.8" }
            try test.accept("a")
            let dispatchers = try (0..<2).map { _ in
                try test.dispatcher { settings in
                    settings.approvalURL = "http://127.0.0.1:\(test.receiver.port)"
                    (settings.timeoutSeconds, settings.leaseMarginSeconds) = (1, 0.2)
                }
            }
            #expect(try test.work(dispatchers[0], dispatchers[1]) { try test.pending() == 0 })
            #expect(try calls(test, "/policy") == 1 && calls(test, "/target") == 1)
            #expect(try test.log(webhook).map(\.isFinal) == [true])
        }
    }

    @Test(arguments: [false, true])
    func `a slow worker does not repeat its own attempt when the lease is over`(isOrdered: Bool) throws {
        try Delivering.with { test in
            let webhook = try test.create("/target?delay=0.3") { $0.limits.isOrdered = isOrdered }
            try test.accept("a")
            let dispatcher = try test.dispatcher()
            #expect(try test.work(dispatcher) { dispatcher.attemptsInFlight == 1 })
            // The lease is over long before the worker looks again.
            test.skip(seconds: 1000)
            #expect(try test.work(dispatcher) { try test.pending() == 0 })
            #expect(try calls(test, "/target") == 1)
            #expect(try test.log(webhook).map(\.isFinal) == [true])
        }
    }

    @Test(arguments: [false, true])
    func `a late success ends the delivery that another worker has begun again`(isOrdered: Bool) throws {
        try Delivering.with { test in
            let webhook = try test.create("/target?delay=0.4,1.5&status=200,500") { $0.limits.isOrdered = isOrdered }
            try test.accept("a")
            let (slow, other) = (try test.dispatcher(), try test.dispatcher())
            #expect(try test.work(slow) { slow.attemptsInFlight == 1 })
            test.skip(seconds: 1000)
            #expect(try test.work(other) { other.attemptsInFlight == 1 })
            #expect(try test.work(slow) { try test.pending() == 0 })
            #expect(try test.log(webhook).map(\.isFinal) == [true])
            #expect(try test.store.check().faults == [])
            // The result of the other attempt is logged, and changes nothing.
            #expect(try test.work(other) { other.attemptsInFlight == 0 && !other.hasFinished })
            #expect(try test.pending() == 0 && calls(test, "/target") == 2)
            let lines = try test.log(webhook)
            #expect(lines.map(\.isFinal) == [false, true] && lines.map(\.outcome.status) == [500, 200])
            #expect(lines.map(\.nextRetryAt) == [nil, nil])
        }
    }
}
