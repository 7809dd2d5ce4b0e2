import JSON
import Testing

@testable import CloudEvents

@Suite struct CloudEventTests {
    private static let required = #""specversion": "1.0", "id": "i", "source": "/s", "type": "t""#

    private func event(_ more: String = "") throws(CloudEventFault) -> CloudEvent {
        try CloudEvent(checking: object("{\(Self.required)\(more.isEmpty ? "" : ", ")\(more)}"))
    }

    private func written(_ event: CloudEvent) -> String {
        var json = JSONWriter()
        event.write(to: &json)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    @Test func `the required attributes are enough`() throws {
        let event = try event()
        #expect(event.attributes.map(\.name) == ["specversion", "id", "source", "type"])
        #expect(event.data == .none && event.type == "t")
        #expect(written(event) == "{\(Self.required)}")
    }

    @Test(arguments: ["specversion", "id", "source", "type"])
    func `a required attribute that is missing, null, empty or not a string is refused`(name: String) {
        let members = object("{\(Self.required)}")
        let without = members.filter { $0.name != name }
        #expect(fault { () throws(CloudEventFault) in try CloudEvent(checking: without) } == "\(name): is required.")
        for value in [JSON.null, .string(""), .number("1"), .bool(true), .array([]), .object([])] {
            let message = fault { () throws(CloudEventFault) in
                try CloudEvent(checking: without + [JSON.Member(name, value)])
            }
            #expect(message?.hasPrefix("\(name): ") == true, "\(value)")
        }
    }

    @Test(arguments: ["0.1", "0.4", "1.1", "1", "1.0 ", "v1.0"])
    func `a version other than 1.0 is refused`(version: String) {
        let members = object("{\(Self.required)}").filter { $0.name != "specversion" }
        #expect(throws: CloudEventFault.self) {
            try CloudEvent(checking: members + [JSON.Member("specversion", .string(version))])
        }
    }

    @Test(arguments: [
        #""subject": "s""#, #""time": "2026-11-22T06:05:37Z""#, #""time": "2026-11-22t06:05:37.123456789-08:00""#,
        #""dataschema": "https://a.test/s#f""#, #""dataschema": "urn:x:y""#, #""datacontenttype": "text/plain""#,
        #""datacontenttype": "Application/vnd.a+json; charset=\"utf-8\"""#, #""ext": "é""#, #""ext": """#,
        #""ext": true"#, #""ext": 2147483647"#, #""ext": -2147483648"#, #""ext1two": 0"#, #""123": "x""#,
        #""extensions": {"anything": [null]}"#, #""ext": "a\tb\u00a0""#.replacing(#"\t"#, with: " "),
    ])
    func `valid attributes are accepted, and written unchanged`(member: String) throws {
        let event = try event(member)
        let name = String(member.dropFirst().prefix { $0 != "\"" })
        #expect(event.attributes.last?.name == name)
        #expect(try parsed(written(event)) == JSON.object(object("{\(Self.required), \(member)}")))
    }

    @Test(
        arguments: [
            ("subject", #""""#), ("subject", "1"), ("time", #""2026-11-22""#), ("time", #""2026-11-22T06:05:37""#),
            ("time", #""2026-02-30T06:05:37Z""#), ("time", "1"), ("dataschema", #""/relative""#),
            ("dataschema", #""""#), ("dataschema", #""1:x""#), ("dataschema", #""http://a b""#),
            ("datacontenttype", #""""#), ("datacontenttype", #""json""#), ("datacontenttype", #""a/b/c""#),
            ("datacontenttype", #""/json""#), ("datacontenttype", #""a b/c""#), ("source", #""a b""#),
            ("source", #""a%zz""#), ("source", #""a%2""#), ("source", #""<x>""#), ("source", #""a\\b""#),
            ("ext", "2147483648"), ("ext", "-2147483649"), ("ext", "1.5"), ("ext", "1e3"), ("ext", "[]"),
            ("ext", "{}"), ("ext", #""\u0000""#), ("ext", #""a\nb""#), ("ext", #""\u007f""#), ("ext", #""\u0085""#),
            ("ext", #""\ufdd0""#), ("ext", #""\uffff""#), ("ext", #""\ud83f\udffe""#), ("Ext", #""x""#),
            ("ext_a", #""x""#), ("ext-a", #""x""#), ("", #""x""#), ("é", #""x""#), ("extensions", "1"),
            ("id", #""a\u0001""#), ("type", #""\ufffe""#),
        ])
    func `the error of an invalid attribute begins with its name`(name: String, value: String) {
        let rest = object("{\(Self.required)}").filter { $0.name != name }
        let member = object("{\"\(name)\": \(value)}")
        let message = fault { () throws(CloudEventFault) in try CloudEvent(checking: rest + member) }
        #expect(message?.hasPrefix("\(name): ") == true, "\(message ?? "accepted")")
    }

    @Test func `a name has at most 64 characters, and a longer one is cut in the error`() throws {
        let name = String(repeating: "a", count: 64)
        _ = try event("\"\(name)\": 1")
        let message = fault { () throws(CloudEventFault) in try event("\"\(name)b\": 1") }
        #expect(message?.hasPrefix("\(name)…: ") == true)
    }

    @Test func `a null attribute is treated as missing`() throws {
        let event = try event(#""subject": null, "ext": null, "data_base64": null"#)
        #expect(event.attributes.count == 4 && event.data == .none)
    }

    @Test(arguments: ["id", "ext", "data"])
    func `a duplicate member is refused`(name: String) {
        #expect(
            fault { () throws(CloudEventFault) in
                try event("\"\(name)\": \"1\", \"\(name)\": \"2\", \"\(name)\": \"3\"")
            }
                == "\(name): duplicate member.")
    }

    // MARK: Data

    @Test(
        arguments: [
            (#""data": {"a": 1e400}"#, .json(.object([.init("a", .number("1e400"))]))),
            (#""data": null"#, .json(.null)),
            (#""data": "text""#, .json(.string("text"))), (#""data_base64": "AP8=""#, .bytes([0, 0xff])),
            (#""data_base64": """#, .bytes([])),
        ] as [(String, CloudEvent.Data)])
    func `data is JSON or bytes, and written unchanged`(member: String, data: CloudEvent.Data) throws {
        let event = try event(member)
        #expect(event.data == data)
        #expect(written(event) == "{\(Self.required), \(member)}")
    }

    @Test(arguments: [
        #""data": 1, "data_base64": "AA==""#, #""data_base64": "AA==", "data": 1"#, #""data_base64": "x!""#,
        #""data_base64": 1"#, #""data_base64": "AA==", "data": null"#,
    ])
    func `both kinds of data together, or invalid Base64, are refused`(members: String) {
        #expect(
            fault { () throws(CloudEventFault) in try event(members) }?.hasPrefix("data_base64: ") == true)
    }

    @Test(
        arguments: [
            (nil, true), ("application/json", true), ("text/JSON; charset=x", true), ("a/b+json", true),
            ("application/jsonx", false), ("text/plain", false), ("application/xml;x=/json", false),
        ])
    func `a type with subtype json or suffix +json is JSON`(type: String?, isJSON: Bool) {
        #expect(CloudEvent.isJSON(type) == isJSON)
    }
}
