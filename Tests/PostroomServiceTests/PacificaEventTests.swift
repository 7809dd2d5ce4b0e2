import Delivery
import Events
import HTTP
import Testing
import Values

@testable import PostroomService

@Suite struct PacificaEventTests {
    private let now = Timestamp(microseconds: 1_795_327_537_000_000)
    private let row = [
        "uuid": "00000000000000000000000000000001", "jsondata": #"{"eventType": "t"}"#,
        "created": "2026-11-22 06:05:37.619275",
    ]
    private let match = [
        "event_match_id": "00000000000000000000000000000002", "policy_status_code": "200",
        "policy_resp_body": "agreed", "target_status_code": "200", "target_resp_body": "answer",
        "created": "2026-11-22 06:05:38",
    ]

    @Test func `an event is read from its row`() throws {
        let event = try FormerEvent(row: row, now: now)
        #expect(event.event.id.description == "00000000-0000-0000-0000-000000000001" && event.event.type == "t")
        #expect(event.event.body == Array(#"{"eventType": "t"}"#.utf8) && event.matches.isEmpty)
        #expect(event.receivedAt.naive == "2026-11-22T06:05:37.619275")
        var undated = row
        undated["created"] = nil
        #expect(try FormerEvent(row: undated, now: now).receivedAt == now)
    }

    @Test(arguments: [("uuid", ""), ("uuid", "1"), ("created", "yesterday"), ("jsondata", "{")])
    func `a row that cannot be read is refused`(column: String, value: String) {
        #expect(throws: EventError.self) {
            try FormerEvent(row: row.merging([column: value]) { $1 }, now: now)
        }
    }

    @Test(arguments: [
        ("200", "200", nil), ("200", "302", nil), ("200", "503", Attempt.ErrorKind.status), ("200", "404", .status),
        ("500", "", .approval), ("200", "", .connect),
    ])
    func `an attempt is read from its row`(policy: String, target: String, kind: Attempt.ErrorKind?) throws {
        var event = try FormerEvent(row: row, now: now)
        let statuses = ["policy_status_code": policy, "target_status_code": target]
        try event.addMatch(row: match.merging(statuses) { $1 }, keptBytes: 3)
        let made = try #require(event.matches.first)
        #expect(made.subscription.description == "00000000-0000-0000-0000-000000000002")
        #expect(made.attempt.failure?.kind == kind && made.attempt.status == Int(target))
        #expect(made.attempt.approval == Attempt.Approval(status: Int(policy), body: Array("agr".utf8)))
        #expect(made.attempt.responseBody == Array("ans".utf8) && made.attempt.isResponseTruncated)
        #expect(made.attempt.triggeredAt.naive == "2026-11-22T06:05:38")
    }

    @Test func `an attempt without its subscription is refused`() throws {
        var event = try FormerEvent(row: row, now: now)
        #expect(throws: EventError.self) { try event.addMatch(row: [:], keptBytes: 3) }
    }
}
