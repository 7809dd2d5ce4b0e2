import Delivery
import DeliveryEngine
import HTTP
import MappedStore
import TestSupport
import Testing
import Values
import Webhooks

/// A keyring that cannot be read ends the delivery, but is not counted as a failure of the receiver.
@Suite struct DamagedKeysTests {
    /// The real store, with every keyring damaged.
    private final class DamagedStore: DeliveryStore {
        private let store: MappedDeliveries

        init(_ store: MappedDeliveries) { self.store = store }

        func step(
            _ results: [DeliveryResult], beginning room: AttemptRoom, inFlight: [UInt64: Int], owner: UInt64,
            leaseSeconds: Double, policies: RetryPolicies, at moment: Moment
        ) throws(StoreFailure) -> DeliveryStep {
            var step = try store.step(
                results, beginning: room, inFlight: inFlight, owner: owner, leaseSeconds: leaseSeconds,
                policies: policies, at: moment)
            step.starts = step.starts.map {
                DeliveryStep.Start(
                    delivery: $0.delivery, destination: $0.destination, owner: $0.owner, payload: $0.payload,
                    keys: .damaged)
            }
            return step
        }

        func endLeases(longest leaseSeconds: Double, at moment: Moment) throws(StoreFailure) -> Int {
            try store.endLeases(longest: leaseSeconds, at: moment)
        }
    }

    @Test func `damaged keys end the delivery as unavailable`() throws {
        try Delivering.with { test in
            let webhook = try test.create()
            try test.accept("a", "b")
            try test.workUntilIdle(try test.dispatcher(over: DamagedStore(test.store.deliveries)))
            let failure = Attempt.Failure(kind: .unavailable, text: "the signing keys are damaged")
            #expect(try test.log(webhook).map(\.outcome.failure) == [failure, failure])
            #expect(try test.pending() == 0 && test.receiver.arrivals().isEmpty)
        }
    }
}
