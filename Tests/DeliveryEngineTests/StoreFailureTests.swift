import Delivery
import DeliveryEngine
import HTTP
import MappedStore
import TestSupport
import Testing
import Values
import Webhooks

/// A store that fails while a call is written: that is not the receiver's fault.
@Suite struct StoreFailureTests {
    /// The real store, whose keyrings cannot be read while there is a failure.
    private final class FailingStore: DeliveryStore {
        private let store: MappedStore
        var failure: StoreFailure?

        init(_ store: MappedStore) { self.store = store }

        func turn(
            _ results: [DeliveryResult], beginning room: AttemptRoom, inFlight: [UInt64: Int], owner: UInt64,
            leaseSeconds: Double, policies: RetryPolicies, at moment: Moment
        ) throws(StoreFailure) -> DeliveryTurn {
            try store.turn(
                results, beginning: room, inFlight: inFlight, owner: owner, leaseSeconds: leaseSeconds,
                policies: policies, at: moment)
        }

        func endLeases(longest leaseSeconds: Double, at moment: Moment) throws(StoreFailure) -> Int {
            try store.endLeases(longest: leaseSeconds, at: moment)
        }

        func keyring(_ number: UInt64) throws(StoreFailure) -> Keyring? {
            if let failure { throw failure }
            return try store.keyring(number)
        }
    }

    @Test(arguments: [StoreFailure.unavailable("a failure"), .lost("a failure")])
    func `a store that fails is reported by the next turn, and the attempt is made once it answers`(
        failure: StoreFailure
    ) throws {
        try Delivering.with { test in
            let webhook = try test.create()
            try test.accept("a")
            let store = FailingStore(test.store)
            let dispatcher = try test.dispatcher(over: store)
            store.failure = failure
            try test.round(dispatcher)
            for _ in 0..<3 {
                #expect(dispatcher.attemptsInFlight == 1 && !dispatcher.hasFinished)
                #expect(dispatcher.hasWork(storeHasChanged: false))
                #expect(throws: failure) { try test.round(dispatcher) }
            }
            #expect(try test.log(webhook).isEmpty && test.receiver.arrivals().isEmpty)
            store.failure = nil
            try test.settle(dispatcher)
            #expect(try test.receiver.arrivals().map { $0.header("x-3dverse-attempt") } == ["1"])
            #expect(try test.log(webhook).map(\.outcome.failure) == [nil])
        }
    }

    @Test func `an attempt that waits for the store is not approved a second time`() throws {
        try Delivering.with { test in
            let webhook = try test.create("/target") { $0.approvalPath = "/policy" }
            try test.accept("a")
            let store = FailingStore(test.store)
            let dispatcher = try test.dispatcher(over: store) {
                $0.approvalURL = "http://127.0.0.1:\(test.receiver.port)"
            }
            store.failure = .unavailable("a failure")
            #expect(throws: StoreFailure.unavailable("a failure")) { try test.work(dispatcher) { false } }
            store.failure = nil
            try test.settle(dispatcher)
            #expect(try test.receiver.arrivals().map(\.path) == ["/policy", "/target"])
            #expect(try test.log(webhook).map(\.outcome.approval?.status) == [200])
        }
    }

    @Test func `damaged keys end the delivery as unavailable`() throws {
        try Delivering.with { test in
            let webhook = try test.create()
            try test.accept("a", "b")
            let store = FailingStore(test.store)
            let dispatcher = try test.dispatcher(over: store)
            store.failure = .damaged("a keyring")
            try test.settle(dispatcher)
            let failure = Attempt.Failure(kind: .unavailable, text: "the signing keys are damaged")
            #expect(try test.log(webhook).map(\.outcome.failure) == [failure, failure])
            #expect(try test.pending() == 0 && test.receiver.arrivals().isEmpty)
        }
    }
}
