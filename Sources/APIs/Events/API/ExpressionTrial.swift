internal import HTTP
internal import HTTPTypes
internal import JSON
internal import JSONPath
internal import Values

/// A request to `/jsonpath`: tries an expression with an event, in one dialect or both. Nothing is stored.
struct ExpressionTrial: Sendable {
    private let expression: String
    private let event: JSON
    /// The dialect that the request names.
    private let dialect: JSONPath.Dialect?

    /// How many results are shown for a dialect.
    static let maximumNodes = 100
    /// How long a shown path or value may be, in bytes; a longer one is cut.
    static let maximumTextBytes = 4 << 10
    /// How many bytes all shown paths and values of a dialect may have. After the one that reaches it, no more are shown.
    static let maximumBytes = 64 << 10
    init(parsing body: [UInt8]) throws(EventError) {
        let value = try JSON(body: body, maximumValues: EventIntake.maximumValues, refusal: EventError.badRequest)
        guard case .object(let members) = value else { throw EventError(.badRequest, "The body must be an object.") }
        if let unknown = members.first(where: { !["expression", "event", "dialect"].contains($0.name) }) {
            throw EventError(.badRequest, "\(unknown.name.prefix(64)): unknown member.")
        }
        guard let wanted = value["expression"] else { throw EventError(.badRequest, "expression: is required.") }
        guard let text = wanted.string else { throw EventError(.badRequest, "expression: must be a string.") }
        guard text.utf8.count <= SubscriptionInput.maximumExpressionBytes else {
            throw EventError(
                .badRequest, "expression: must have at most \(SubscriptionInput.maximumExpressionBytes) bytes.")
        }
        expression = text
        event = try Self.event(value["event"])
        switch value["dialect"] {
        case nil, .null?: dialect = nil
        case let name?:
            guard let found = name.string.flatMap({ JSONPath.Dialect(rawValue: $0) }) else {
                throw EventError(.badRequest, "dialect: must be \(JSONPath.Dialect.alternatives).")
            }
            dialect = found
        }
    }

    /// An event is an object. It may be given as a text, so that an error can say where in the event it is.
    private static func event(_ value: JSON?) throws(EventError) -> JSON {
        switch value {
        case nil: throw EventError(.badRequest, "event: is required.")
        case .object(let members)?: return .object(members)
        case .string(let text)?:
            let event: JSON
            do throws(JSONError) {
                event = try JSON(parsing: Array(text.utf8), maximumValues: EventIntake.maximumValues)
            } catch {
                throw EventError(.badRequest, "event: is not JSON: \(error).")
            }
            guard case .object = event else { throw EventError(.badRequest, "event: must be a JSON object.") }
            return event
        default: throw EventError(.badRequest, "event: must be a JSON object, or the text of one.")
        }
    }

    /// The answer. What it takes is bounded by the budgets of two evaluations and the limits above.
    func answer() -> [UInt8] {
        let document = JSONPathDocument(event)
        let readings = JSONPathReadings(expression, dialect: dialect)
        var isMatched = false
        let dialects = valueJSON { json in
            json.object { json in
                for shown in JSONPath.Dialect.allCases.reversed() {
                    guard let reading = readings[shown] else { continue }
                    json.member(shown.rawValue) { json in
                        let isMatch = write(reading, in: document, to: &json)
                        if shown == readings.chosen { isMatched = isMatch }
                    }
                }
            }
        }
        return objectJSON(reserving: dialects.count + 64) { json in
            json.member("dialect", orNull: readings.chosen?.rawValue)
            json.member("matches", isMatched)
            json.member("dialects", text: dialects)
        }
    }

    /// - Returns: whether the expression matches.
    private func write(
        _ reading: Result<JSONPath, JSONPathError.Fault>, in document: JSONPathDocument, to json: inout JSONWriter
    ) -> Bool {
        switch reading {
        case .failure(let fault):
            json.member("valid", false)
            json.member("error") { json in
                json.member("reason", fault.reason)
                json.member("offset", fault.offset)
                json.member("line", fault.line)
                json.member("column", fault.column)
            }
            return false
        case .success(let query):
            let findings = query.findings(in: document, keeping: Self.maximumNodes)
            json.member("valid", true)
            json.member("matches", findings.count > 0)
            json.member("complete", findings.isComplete)
            json.member("count", findings.count)
            json.name("nodes")
            json.beginArray()
            var bytes = 0
            for node in findings.nodes where bytes < Self.maximumBytes {
                let path = node.normalizedPath(atMost: Self.maximumTextBytes)
                let value = BoundedText(of: node.value, atMost: Self.maximumTextBytes)
                bytes += path.text.utf8.count + value.bytes.count
                json.object { json in
                    json.member("path", path.text)
                    if path.isCut { json.member("path_cut", true) }
                    json.member("value", utf8: value.bytes)
                    if value.isCut { json.member("value_cut", true) }
                }
            }
            json.endArray()
            return findings.count > 0
        }
    }
}

/// The trials of a responder that are in progress or wait. One address may have half of the places.
struct TrialPlaces {
    private var taken: [Client: Int] = [:]

    static let count = 8

    /// An IPv4 address, or the first 64 bits of an IPv6 address.
    typealias Client = [UInt8]

    /// Takes a place, which is to be given back with the result; `nil` if there is none.
    mutating func take(for address: String?) -> Client? {
        let client = address.flatMap { IPAddress($0) }.map { Array($0.bytes.prefix(8)) } ?? []
        guard taken.values.reduce(0, +) < Self.count, taken[client, default: 0] < Self.count / 2 else { return nil }
        taken[client, default: 0] += 1
        return client
    }

    mutating func giveBack(_ client: Client) {
        let left = taken[client, default: 0] - 1
        taken[client] = left > 0 ? left : nil
    }
}
