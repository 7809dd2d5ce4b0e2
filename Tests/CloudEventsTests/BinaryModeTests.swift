import HTTP
import JSON
import TestSupport
import Testing

@testable import CloudEvents

@Suite struct BinaryModeTests {
    private static let required = [("CE-SpecVersion", "1.0"), ("ce-id", "i"), ("Ce-Source", "/s"), ("ce-type", "t")]

    private func read(
        _ more: [(String, String)] = [], type: String? = nil, _ body: [UInt8] = []
    ) throws(CloudEventFault) -> CloudEvent {
        try BinaryMode.read(fields(Self.required + more), contentType: type, body: body)
    }

    private func value(_ header: String) throws(CloudEventFault) -> String? {
        try read([("ce-ext", header)]).attributes.first { $0.name == "ext" }?.value.string
    }

    @Test func `binary mode is recognized by ce-specversion, in any letter case`() {
        #expect(BinaryMode.isUsed(in: fields(Self.required)))
        #expect(!BinaryMode.isUsed(in: fields(Array(Self.required.dropFirst()))))
    }

    @Test func `ce- headers become attributes, and Content-Type becomes datacontenttype`() throws {
        let event = try read([("X-Other", "x"), ("cell", "x"), ("ce-ext", "5")], type: "text/plain", Array("é".utf8))
        let names = event.attributes.map(\.name)
        #expect(names == ["specversion", "id", "source", "type", "ext", "datacontenttype"])
        #expect(event.attributes.last?.value == .string("text/plain"))
        // The value of a header is always a string.
        #expect(event.attributes[4].value == .string("5"))
        #expect(event.data == .json(.string("é")))
    }

    @Test(
        arguments: [
            ("a%20b", "a b"), ("%C3%A9", "é"), ("%c3%a9", "é"), ("é", "é"), ("%F0%9F%98%80", "😀"),
            // Decoded only once; an invalid escape is kept.
            ("%2520", "%20"), ("100%", "100%"), ("%4", "%4"), ("%zz", "%zz"), ("%%41", "%A"), ("a+b", "a+b"),
            ("\"a b\"", "a b"), ("\"a\\\"b\\\\\"", "a\"b\\"), ("\"a%20b\"", "a b"), ("\"%22\"", "\""),
            ("\"", "\""), ("\"\"", ""), ("a\"b", "a\"b"), (" x\t", "x"), ("", ""), ("%22x%22", "\"x\""),
        ])
    func `a value is unquoted, then decoded once`(header: String, text: String) throws {
        #expect(try value(header) == text)
    }

    @Test(arguments: ["%FF", "%C3", "%ED%A0%80", "%00", "a%0D%0Ab", "%EF%BF%BF"])
    func `invalid UTF-8, and characters that attributes must not have, are refused`(header: String) {
        #expect(fault { () throws(CloudEventFault) in try value(header) }?.contains("ext: ") == true)
    }

    @Test func `data may be nested one level less than an event`() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        let type = "application/json"
        let most = JSON.maximumDepth - 1
        var json = JSONWriter()
        try read([], type: type, nested(most)).write(to: &json)
        #expect(throws: Never.self) { try JSON(parsing: json.bytes) }
        #expect(throws: CloudEventFault.self) { try read([], type: type, nested(most + 1)) }
    }

    @Test(arguments: ["ce-datacontenttype", "ce-data", "ce-", "ce-a-b", "ce-id", "ce-data_base64"])
    func `an invalid, reserved or repeated ce- header is refused`(name: String) {
        #expect(throws: CloudEventFault.self) { try read([(name, "x")]) }
    }

    @Test(
        arguments: [
            (nil, [], .none), ("application/json", [], .none), (nil, [0xff], .bytes([0xff])),
            (nil, Array("{\"a\":1}".utf8), .json(.object([.init("a", .number("1"))]))),
            ("a/b+json", Array("1".utf8), .json(.number("1"))), ("text/x", [0xff], .bytes([0xff])),
            ("image/png", Array("1".utf8), .bytes([49])), ("Text/Plain", Array("1".utf8), .json(.string("1"))),
        ] as [(String?, [UInt8], CloudEvent.Data)])
    func `the content type decides whether the body is JSON, text or bytes`(
        type: String?, body: [UInt8], data: CloudEvent.Data
    ) throws {
        #expect(try read(type: type, body).data == data)
    }

    @Test func `a body that is declared as JSON and is not is refused`() {
        #expect(throws: CloudEventFault.self) { try read(type: "application/json", Array("{".utf8)) }
    }

    // MARK: Sending

    @Test(
        arguments: [
            (nil, nil, #"1.50"#, "application/json", "1.50"), (nil, nil, "\"é\"", "application/json", "\"\\u00e9\""),
            ("text/plain", nil, "\"é\"", "text/plain", "é"), ("a/b+json", nil, "\"x\"", "a/b+json", "\"x\""),
            ("image/png", "AAEC", nil, "image/png", "\u{0}\u{1}\u{2}"),
            (nil, "AAEC", nil, "application/octet-stream", "\u{0}\u{1}\u{2}"), (nil, nil, nil, nil, ""),
            ("text/plain", nil, nil, "text/plain", ""),
        ])
    func `data is written as the body, with its content type`(
        type: String?, base64: String?, data: String?, contentType: String?, body: String
    ) throws {
        var members = #"{"specversion": "1.0", "id": "i", "source": "/s", "type": "t""#
        if let type { members += ", \"datacontenttype\": \"\(type)\"" }
        if let base64 { members += ", \"data_base64\": \"\(base64)\"" }
        if let data { members += ", \"data\": \(data)" }
        let (headers, bytes) = BinaryMode.write(try CloudEvent(checking: object(members + "}")))
        #expect(headers.first { $0.name == "Content-Type" }?.value == contentType)
        #expect(!headers.contains { $0.name.lowercased() == "ce-datacontenttype" })
        #expect(text(bytes) == body)
    }

    @Test(
        arguments: [
            ("a b", "a%20b"), ("é", "%C3%A9"), ("😀", "%F0%9F%98%80"), ("\"", "%22"), ("100%", "100%25"),
            ("%20", "%2520"),
            ("a!~", "a!~"), ("", ""), ("\u{a0}", "%C2%A0"),
        ])
    func `a value is percent-encoded, and read back unchanged`(written: String, header: String) throws {
        let event = CloudEvent(attributes: [.init("ext", .string(written))], data: .none)
        #expect(BinaryMode.write(event).headers.first?.value == header)
        #expect(try value(header) == written)
    }

    @Test func `numbers and Booleans are written as text`() {
        let event = CloudEvent(
            attributes: [.init("a", .number("-7")), .init("b", .bool(true)), .init("c", .bool(false))], data: .none)
        #expect(
            BinaryMode.write(event).headers.map { "\($0.name): \($0.value)" } == [
                "ce-a: -7", "ce-b: true", "ce-c: false",
            ])
    }

    @Test(arguments: 0..<200)
    func `an event with random texts is written and read back`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let scalars = (0..<Int.random(in: 1...12, using: &random)).compactMap { _ in
            Unicode.Scalar(
                UInt32.random(in: 0x20...[0x7e, 0x2ff, 0x10ffff].randomElement(using: &random)!, using: &random))
        }
        let value = String(String.UnicodeScalarView(scalars))
        guard CloudEvent.isText(value), !value.isEmpty else { return }
        let event = CloudEvent(
            attributes: [
                .init("specversion", .string("1.0")), .init("id", .string(value)), .init("source", .string("/s")),
                .init("type", .string(value)),
            ], data: .json(.string(value)))
        let (headers, body) = BinaryMode.write(event)
        #expect(headers.allSatisfy { $0.value.utf8.allSatisfy { (0x20...0x7e).contains($0) } })
        let type = headers.first { $0.name == "Content-Type" }?.value
        let read = try BinaryMode.read(fields(headers), contentType: type, body: body)
        #expect(read.attributes.dropLast() == event.attributes[...])
        #expect(read.data == event.data)
    }
}
