internal import Delivery
internal import Events
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

/// An event of pacifica-notifications: a row of its table `eventlog`, and those of `eventlogmatch` that belong to it.
extension FormerEvent {
    static let columns = ["uuid", "jsondata", "created"]
    static let matchColumns = [
        "event_match_id", "policy_status_code", "policy_resp_body", "target_status_code", "target_resp_body", "created",
    ]

    /// - Parameters:
    ///   - row: a row of `eventlog`, with `columns`.
    ///   - now: the time of an event whose row has none.
    init(row: PacificaDatabase.Row, now: Timestamp) throws(EventError) {
        guard let id = row["uuid"].flatMap({ UUID(lenient: $0) }) else {
            throw EventError(.badRequest, "uuid: must be a UUID.")
        }
        guard let time = row["created"].map({ Timestamp(naive: $0) }) ?? now else {
            throw EventError(.badRequest, "created: must be a date and time.")
        }
        let body = Array((row["jsondata"] ?? "").utf8)
        let value: JSON
        do throws(JSONError) { value = try JSON(parsing: body) } catch {
            throw EventError(.badRequest, "jsondata: must be JSON: \(error).")
        }
        self.init(
            event: ReceivedEvent(id: id, type: EventIntake.type(of: value), body: body), receivedAt: time)
    }

    /// Adds an attempt to deliver the event, with the answers of the policy service and of the target.
    /// - Parameters:
    ///   - row: a row of `eventlogmatch`, with `matchColumns`.
    ///   - keptBytes: how many bytes of each answer's body are kept.
    mutating func addMatch(row: PacificaDatabase.Row, keptBytes: Int) throws(EventError) {
        guard let subscription = row["event_match_id"].flatMap({ UUID(lenient: $0) }) else {
            throw EventError(.badRequest, "event_match_id: must be a UUID.")
        }
        func status(_ column: String) -> Int? { row[column].flatMap { Int($0) } }
        func kept(_ column: String) -> [UInt8] { Array((row[column] ?? "").utf8.prefix(keptBytes)) }
        let (asked, answered) = (status("policy_status_code"), status("target_status_code"))
        var attempt = Attempt(
            status: answered, responseBody: kept("target_resp_body"),
            isResponseTruncated: (row["target_resp_body"]?.utf8.count ?? 0) > keptBytes,
            triggeredAt: row["created"].flatMap { Timestamp(naive: $0) } ?? receivedAt)
        if let asked { attempt.approval = Attempt.Approval(status: asked, body: kept("policy_resp_body")) }
        attempt.failure = Self.failure(asked, answered)
        matches.append(Match(subscription: subscription, attempt: attempt))
    }

    private static func failure(_ asked: Int?, _ answered: Int?) -> Attempt.Failure? {
        switch answered {
        case let status? where (400..<600).contains(status):
            Attempt.Failure(kind: .status, text: "the receiver answered \(status)")
        case _?: nil
        case nil where asked.map { $0 >= 500 } ?? false:
            Attempt.Failure(kind: .approval, text: "the policy service answered \(asked ?? 0)")
        case nil: Attempt.Failure(kind: .connect, text: "no response of the receiver was stored")
        }
    }
}
