import HTTP
import HTTPTypes
import JSON
import Testing

@testable import Events

@Suite struct ExpressionTrialTests {
    /// An object with these members, whose values are JSON texts.
    private func body(_ members: (String, String)...) -> [UInt8] {
        Array("{\(members.map { "\"\($0)\": \($1)" }.joined(separator: ", "))}".utf8)
    }

    private func quoted(_ text: String) -> String {
        String(decoding: valueJSON { json in json.string(text) }, as: UTF8.self)
    }

    private func answer(_ expression: String, _ event: String, dialect: String? = nil) throws -> JSON {
        let members =
            [("expression", quoted(expression)), ("event", event)] + (dialect.map { [("dialect", $0)] } ?? [])
        let text = "{\(members.map { "\"\($0)\": \($1)" }.joined(separator: ", "))}"
        return try JSON(parsing: ExpressionTrial(parsing: Array(text.utf8)).answer())
    }

    private func found(_ answer: JSON, _ dialect: String) -> [String] {
        answer["dialects"]?[dialect]?["nodes"]?.array?.map { node in
            "\(node["path"]?.string ?? "") \(node["value"]?.string ?? "")"
        } ?? []
    }

    // MARK: What is found

    @Test func `an expression is read in both dialects, and one is that of subscriptions`() throws {
        let event = #"{"files": [{"size": 96}, {"size": 4000}], "size": 1}"#
        let both = try answer("$.files[?(@.size < 100)]", event)
        #expect(both["dialect"] == .string("legacy") && both["matches"] == .bool(false))
        #expect(found(both, "legacy") == [] && found(both, "rfc9535") == [#"$['files'][0] {"size": 96}"#])
        let standard = try answer("$.files[?@.size < 100]", event)
        #expect(standard["dialect"] == .string("rfc9535") && standard["matches"] == .bool(true))
        #expect(standard["dialects"]?["legacy"]?["valid"] == .bool(false))
        let one = try answer("$.files[?(@.size < 100)]", event, dialect: #""rfc9535""#)
        #expect(one["dialect"] == .string("rfc9535") && one["matches"] == .bool(true))
        #expect(one["dialects"]?["legacy"] == nil)
        #expect(try answer("$.files.length()", event, dialect: "null")["dialect"] == .string("legacy"))
        #expect(found(try answer("$.files.length()", event), "legacy") == ["$['files'][length()] 2"])
    }

    @Test func `a bare name is a member, unless RFC 9535 is asked for`() throws {
        #expect(try answer("size", #"{"size": 1}"#)["matches"] == .bool(true))
        #expect(try answer("size", #"{"size": 1}"#, dialect: #""rfc9535""#)["matches"] == .bool(false))
    }

    @Test(arguments: [
        "12345678901234567890123", "1.0", "1e0", "-0", #""é\n\u0001\"\\ \u2028""#, "[1, {}, []]", "null", "true",
    ])
    func `a value is shown as it was written`(value: String) throws {
        let shown = #""é\n\u0001\"\\ "# + "\u{2028}\""
        let wanted = value.contains("é") ? shown : value
        #expect(found(try answer("$.a", "{\"a\": \(value)}"), "rfc9535") == ["$['a'] \(wanted)"])
        #expect(found(try answer("$.a", quoted("{\"a\": \(value)}")), "rfc9535") == ["$['a'] \(wanted)"])
    }

    @Test func `a wrong expression is answered with the place of the fault`() throws {
        let answer = try answer("$.data[", "{}")
        #expect(answer["dialect"] == .null && answer["matches"] == .bool(false))
        for dialect in ["rfc9535", "legacy"] {
            let entry = try #require(answer["dialects"]?[dialect])
            #expect(entry["valid"] == .bool(false) && entry["matches"] == nil)
            #expect(entry["error"]?["offset"]?.integer == 7 && entry["error"]?["line"]?.integer == 1)
            #expect(entry["error"]?["column"]?.integer == 8 && entry["error"]?["reason"]?.string?.isEmpty == false)
        }
    }

    // MARK: Limits

    @Test func `many results are counted, and the first are shown`() throws {
        let list = Array(repeating: "0", count: 1000).joined(separator: ", ")
        let entry = try #require(try answer("$.a[*]", "{\"a\": [\(list)]}")["dialects"]?["rfc9535"])
        #expect(entry["count"]?.integer == 1000 && entry["complete"] == .bool(true))
        #expect(entry["nodes"]?.array?.count == ExpressionTrial.maximumNodes)
    }

    @Test(arguments: ["\"", "é", "😀", "x"])
    func `long values are cut between characters, and the answer stays short`(character: String) throws {
        let long = quoted(String(repeating: character, count: 100_000))
        let deep = String(repeating: #"{"a": "#, count: 200) + long + String(repeating: "}", count: 200)
        let answer = try ExpressionTrial(
            parsing: body(("expression", #""$..*""#), ("event", deep))
        ).answer()
        #expect(answer.count < 8 * ExpressionTrial.maximumBytes)
        let entry = try #require(try JSON(parsing: answer)["dialects"]?["rfc9535"])
        #expect(entry["count"]?.integer == 200)
        let nodes = try #require(entry["nodes"]?.array)
        #expect(nodes.count < 20)
        for node in nodes {
            let value = try #require(node["value"]?.string)
            #expect(node["value_cut"] == .bool(true) && !value.unicodeScalars.contains("\u{fffd}"))
            #expect(
                (ExpressionTrial.maximumTextBytes - 4...ExpressionTrial.maximumTextBytes).contains(value.utf8.count))
        }
    }

    @Test func `a long path is cut`() throws {
        let name = String(repeating: "n", count: ExpressionTrial.maximumTextBytes)
        let node = try answer("$..*", "{\"a\": {\"\(name)\": 1}}")["dialects"]?["rfc9535"]?["nodes"]?.array?.last
        #expect(
            node?["path"] == .string("$['a']") && node?["path_cut"] == .bool(true) && node?["value"] == .string("1"))
    }

    @Test func `an address has half of the places, and a network of IPv6 counts as one`() throws {
        var places = TrialPlaces()
        let half = TrialPlaces.count / 2
        let first = (0..<half).compactMap { places.take(for: "2001:db8::\($0)") }
        #expect(first.count == half && places.take(for: "2001:db8::ffff") == nil)
        let second = (0..<half).compactMap { _ in places.take(for: "192.0.2.1") }
        #expect(second.count == half && places.take(for: "192.0.2.2") == nil && places.take(for: nil) == nil)
        places.giveBack(try #require(first.first))
        #expect(places.take(for: "192.0.2.1") == nil && places.take(for: nil) != nil)
        for place in first.dropFirst() + second { places.giveBack(place) }
        #expect((0..<half).allSatisfy { _ in places.take(for: "192.0.2.2") != nil })
    }

    @Test func `an evaluation without end does not match`() throws {
        let list = Array(repeating: "0", count: 20_000).joined(separator: ", ")
        let answer = try answer("$.a[?count($.a[*]) == 0]", "{\"a\": [\(list)]}")
        #expect(answer["matches"] == .bool(false) && answer["dialect"] == .string("rfc9535"))
        let entry = try #require(answer["dialects"]?["rfc9535"])
        #expect(entry["complete"] == .bool(false) && entry["count"]?.integer == 0)
    }

    // MARK: Wrong requests

    @Test(
        arguments: [
            ("", "The body is not JSON: line 1, column 1: expected a value, but the text ends."),
            ("[]", "The body must be an object."), ("{}", "expression: is required."),
            (#"{"expression": 1, "event": {}}"#, "expression: must be a string."),
            (#"{"expression": "$"}"#, "event: is required."),
            (#"{"expression": "$", "event": [1]}"#, "event: must be a JSON object, or the text of one."),
            (#"{"expression": "$", "event": null}"#, "event: must be a JSON object, or the text of one."),
            (#"{"expression": "$", "event": "[1]"}"#, "event: must be a JSON object."),
            (
                #"{"expression": "$", "event": "{\n1}"}"#,
                "event: is not JSON: line 2, column 1: expected a member name in double quotes."
            ),
            (#"{"expression": "$", "event": {}, "dialect": "jsonpath2"}"#, #"dialect: must be "legacy" or "rfc9535"."#),
            (#"{"expression": "$", "event": {}, "dialect": 1}"#, #"dialect: must be "legacy" or "rfc9535"."#),
            (#"{"expression": "$", "event": {}, "other": 1}"#, "other: unknown member."),
        ])
    func `a wrong request is refused with the reason`(text: String, message: String) {
        let error = #expect(throws: EventError.self) { try ExpressionTrial(parsing: Array(text.utf8)) }
        #expect(error?.status == .badRequest && error?.message == message)
    }

    @Test func `an expression is as long as that of a subscription at most`() throws {
        let longest = "$" + String(repeating: " ", count: SubscriptionInput.maximumExpressionBytes - 2) + "."
        #expect(try answer(longest, "{}")["dialect"] == .null)
        let error = #expect(throws: EventError.self) { try answer(longest + "a", "{}") }
        #expect(error?.message == "expression: must have at most 16384 bytes.")
    }
}
