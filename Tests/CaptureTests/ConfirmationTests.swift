import Capture
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values

/// `Testing` has a type of this name too.
private typealias Confirmation = Capture.Confirmation

@Suite struct ConfirmationTests {
    private func confirmation(_ token: String = "1", at moment: Moment) throws -> Confirmation {
        let url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=\(token)"
        return try #require(Confirmation(url: url, at: moment))
    }

    private func later(_ moment: Moment, _ seconds: Double) -> Moment {
        Moment(wall: moment.wall.adding(seconds: seconds), steady: moment.steady.adding(seconds: seconds))
    }

    private static let start = Moment(
        wall: Timestamp(microseconds: 1_800_000_000_000_000), steady: Timestamp(microseconds: 5_000_000))

    // MARK: One confirmation

    @Test(arguments: [(200, "confirmed"), (204, "confirmed"), (302, "failed"), (400, "failed"), (404, "failed")])
    func `a status from 200 to 499 ends a confirmation`(status: Int, state: String) throws {
        var confirmation = try confirmation(at: Self.start)
        confirmation.begin(leaseSeconds: 25, at: Self.start)
        confirmation.conclude(ConfirmationResult(status: status), at: later(Self.start, 1))
        #expect(confirmation.state.rawValue == state && confirmation.status == status)
        #expect((confirmation.error == nil) == (state == "confirmed") && confirmation.at == later(Self.start, 1).wall)
    }

    @Test(
        arguments: [
            ConfirmationResult(status: 503), ConfirmationResult(status: 408), ConfirmationResult(status: 429),
            ConfirmationResult(failure: "no"),
        ])
    func `other ends lead to five more calls with growing pauses`(result: ConfirmationResult) throws {
        var confirmation = try confirmation(at: Self.start)
        var moment = Self.start
        var pauses: [Double] = []
        while confirmation.state == .pending {
            confirmation.begin(leaseSeconds: 25, at: moment)
            #expect(confirmation.due == later(moment, 25).steady)
            moment = later(moment, 3)
            confirmation.conclude(result, at: moment)
            pauses.append(confirmation.due.seconds(since: moment.steady))
        }
        #expect(pauses.dropLast() == [2, 15, 60, 300, 1800])
        #expect(confirmation.state == .failed && confirmation.attempts == 6 && confirmation.error == result.error)
    }

    @Test func `a call that confirms counts although the confirmation was given up meanwhile`() throws {
        for (result, state) in [(200, Confirmation.State.confirmed), (503, .failed)] {
            var confirmation = try confirmation(at: Self.start)
            confirmation.begin(leaseSeconds: 25, at: Self.start)
            confirmation.giveUp("removed", at: Self.start)
            confirmation.conclude(ConfirmationResult(status: result), at: Self.start)
            #expect(confirmation.state == state && confirmation.error == (state == .failed ? "removed" : nil))
        }
    }

    // MARK: In a store

    private func ask(_ test: EmptyStore, _ confirmation: Confirmation, at id: Endpoint.ID) throws {
        var notification = test.notification()
        notification.outcome = SenderOutcome(
            answeredBy: "recipe:sns", status: 200, verdict: nil, confirmation: .to(confirmation.id))
        let acceptance = try test.capture.accept(
            notification, at: id, for: nil, confirming: confirmation, at: test.moment, CaptureLimits())
        #expect(acceptance == .stored)
        try test.commit()
    }

    private func states(_ test: EmptyStore, at id: Endpoint.ID) throws -> [Confirmation.State?] {
        let found = try test.capture.look(
            at: id, .after(0), limit: 1000, at: test.moment, CaptureLimits(), mayBeLong: true)
        return try #require(try test.all(found)).map(\.confirmation?.state)
    }

    @Test func `a call is given to one worker until its lease is over`() throws {
        try Engine.mapped.withStore { test in
            let id = try test.create()
            #expect(try test.capture.nextConfirmation() == nil)
            let confirmation = try confirmation(at: test.moment)
            for _ in 0..<3 { try ask(test, confirmation, at: id) }
            #expect(try test.capture.nextConfirmation() == test.moment.steady)
            let first = try #require(try test.capture.beginConfirmation(leaseSeconds: 25, at: test.moment))
            #expect(first.confirmation.url == confirmation.url && first.confirmation.attempts == 1)
            #expect(try test.capture.beginConfirmation(leaseSeconds: 25, at: later(test.moment, 24)) == nil)
            try ask(test, confirmation, at: id)
            #expect(try test.capture.beginConfirmation(leaseSeconds: 25, at: later(test.moment, 24)) == nil)
            let second = try test.capture.beginConfirmation(leaseSeconds: 25, at: later(test.moment, 25))
            #expect(second?.confirmation.attempts == 2)
            let ended = try test.capture.conclude(
                first, ConfirmationResult(status: 200), at: later(test.moment, 26))
            #expect(ended?.state == .confirmed)
            try test.commit()
            #expect(try test.capture.nextConfirmation() == nil)
            try ask(test, confirmation, at: id)
            #expect(try test.capture.nextConfirmation() == nil)
            #expect(try states(test, at: id) == [.confirmed, .confirmed, .confirmed, .confirmed, .confirmed])
        }
    }

    @Test func `the oldest that are over make room for others`() throws {
        try Engine.mapped.withStore { test in
            let id = try test.create()
            let limits = CaptureLimits(notificationsPerEndpoint: 1000)
            for number in 0..<ConfirmationLimits.perEndpoint + 1 {
                let confirmation = try confirmation("\(number)", at: later(test.moment, Double(number)))
                var notification = test.notification()
                notification.outcome = SenderOutcome(
                    answeredBy: "recipe:sns", status: 200, verdict: nil, confirmation: .to(confirmation.id))
                _ = try test.capture.accept(
                    notification, at: id, for: nil, confirming: confirmation, at: test.moment, limits)
                let moment = later(test.moment, Double(number))
                let pending = try #require(try test.capture.beginConfirmation(leaseSeconds: 25, at: moment))
                _ = try test.capture.conclude(pending, ConfirmationResult(status: 200), at: moment)
                try test.commit()
            }
            let found = try states(test, at: id)
            #expect(found.first == .some(nil) && found.dropFirst().allSatisfy { $0 == .confirmed })
            #expect(try test.capture.delete(id))
            try test.commit()
            #expect(try test.capture.nextConfirmation() == nil)
        }
    }
}
