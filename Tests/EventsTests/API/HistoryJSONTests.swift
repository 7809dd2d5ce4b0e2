import Delivery
import HTTP
import JSON
import Testing
import Values

@testable import Events

@Suite struct HistoryJSONTests {
    private static let time = Timestamp(microseconds: 0)
    private static let id = UUID("00000000-0000-0000-0000-000000000001")!

    private func line(_ attempt: Attempt) -> DeliveryLine {
        DeliveryLine(
            id: 1, event: "t", eventID: Self.id.description, attempt: 1, trigger: .scheduled, method: "POST",
            url: "https://x/", outcome: attempt, nextRetryAt: nil, isFinal: true)
    }

    /// How an event is shown to a user; it has matched one subscription, of the user `u`.
    private func shown(_ attempt: Attempt, to user: String = "u", needsApproval: Bool) throws -> JSON? {
        let match = EventHistory.Match(subscription: Self.id, user: "u", attempts: [line(attempt)])
        let history = EventHistory(
            id: Self.id, receivedAt: Self.time, body: Array("{}".utf8), isWaiting: false, matches: [match],
            otherMatches: 0)
        let text = valueJSON { json in history.write(to: &json, for: user, needsApproval: needsApproval) }
        return try JSON(parsing: text)["event"]
    }

    private func attempt(_ status: Int?, _ kind: Attempt.ErrorKind?) -> Attempt {
        Attempt(
            failure: kind.map { Attempt.Failure(kind: $0, text: "") }, triggeredAt: Self.time,
            approval: Attempt.Approval(status: status, body: Array("why".utf8)))
    }

    /// The type and the answer of the policy service, as the log entry of an attempt shows them.
    private func typeAndApproval(_ attempt: Attempt, needsApproval: Bool) throws -> [JSON?] {
        let text = valueJSON { json in line(attempt).write(to: &json, needsApproval: needsApproval) }
        let json = try JSON(parsing: text)
        return ["type", "policy_status_code", "policy_resp_body"].map { json[$0] }
    }

    @Test(arguments: [412, 500, 302, nil])
    func `an attempt that was not approved shows nothing of the event`(status: Int?) throws {
        let number = status.map { JSON.number("\($0)") } ?? .null
        #expect(try typeAndApproval(attempt(status, .approval), needsApproval: true) == [.null, number, .null])
        #expect(
            try typeAndApproval(attempt(status, .approval), needsApproval: false) == [
                .string("t"), number, .string("why"),
            ])
    }

    @Test func `an attempt shows the event if it was approved, or needed no approval`() throws {
        #expect(
            try typeAndApproval(attempt(204, .status), needsApproval: true) == [
                .string("t"), .number("204"), .string("why"),
            ])
        let delivered = Attempt(status: 200, triggeredAt: Self.time)
        #expect(try typeAndApproval(delivered, needsApproval: true) == [.string("t"), .null, .null])
        let failure = Attempt.Failure(kind: .consent, text: "")
        let earlier = Attempt(failure: failure, triggeredAt: Self.time)
        #expect(try typeAndApproval(earlier, needsApproval: true) == [.null, .null, .null])
        #expect(try typeAndApproval(earlier, needsApproval: false) == [.string("t"), .null, .null])
    }

    @Test func `an event is shown to the user for whom it was approved, whatever the target answers`() throws {
        for kind in [nil, Attempt.ErrorKind.status] {
            #expect(try shown(attempt(204, kind), needsApproval: true) == .object([]))
            #expect(try shown(attempt(204, kind), to: "v", needsApproval: true) == .null)
        }
    }

    @Test(arguments: [412, 500, 302, nil])
    func `an event is not shown to a user for whom it was not approved`(status: Int?) throws {
        #expect(try shown(attempt(status, .approval), needsApproval: true) == .null)
        #expect(try shown(attempt(status, .approval), needsApproval: false) == .object([]))
    }

    @Test func `an event that was delivered without approval is shown`() throws {
        let attempt = Attempt(status: 200, triggeredAt: Self.time)
        #expect(try shown(attempt, needsApproval: true) == .object([]))
        #expect(try shown(attempt, to: "v", needsApproval: false) == .object([]))
    }
}
