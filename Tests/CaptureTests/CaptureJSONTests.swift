import Encodings
import HTTP
import JSON
import Testing
import Values

@testable import Capture

@Suite struct CaptureJSONTests {
    private func notification(
        _ body: [UInt8], _ kind: BodyReading.Kind = .text, fields: FieldList = FieldList(), query: [UInt8]? = nil,
        remote: String? = "127.0.0.1"
    ) -> NumberedNotification {
        NumberedNotification(
            number: 3,
            notification: Notification(
                method: "POST", path: Array("/p%20q".utf8), query: query, fields: fields, body: body,
                reading: BodyReading(kind: kind),
                receivedAt: Timestamp(microseconds: 1_500_000), remote: remote))
    }

    @Test func `a notification has the members that clients know, in their order`() {
        var fields = FieldList()
        fields.append(name: "Host".utf8, value: "a\"b".utf8)
        fields.append(name: "Host".utf8, value: [0xe9])
        let text = String(decoding: notificationsJSON([notification(Array("é\n".utf8), fields: fields)]), as: UTF8.self)
        #expect(
            text == #"{"notifications": [{"method": "POST", "headers": [{"name": "Host", "value": "a\"b"}, "#
                + #"{"name": "Host", "value": "\ufffd", "valueBase64": "6Q=="}], "body": "\u00e9\n", "#
                + #""receivedAt": "1970-01-01T00:00:01.500000Z", "remote": "127.0.0.1", "id": 3, "path": "/p%20q", "query": null, "#
                + #""url": null}]}"#
        )
    }

    @Test func `no notifications are written as an empty list`() {
        #expect(notificationsJSON([]) == Array(#"{"notifications": []}"#.utf8))
    }

    @Test(
        arguments: [
            ([0xe9], .encodedText("latin1"), "é", "6Q=="), ([0xff, 0x41], .binary, "\u{fffd}A", "/0E="),
            ([], .text, "", nil),
            ([0xff], .encodedText("no such"), "\u{fffd}", "/w=="),
        ] as [([UInt8], BodyReading.Kind, String, String?)])
    func `a body that is not UTF-8 text has its bytes in Base64 beside it`(
        body: [UInt8], kind: BodyReading.Kind, text: String, base64: String?
    ) throws {
        let json = try JSON(parsing: notificationsJSON([notification(body, kind, query: [], remote: nil)]))
        let item = try #require(json["notifications"]?.array?.first)
        #expect(item["body"]?.string == text)
        #expect(item["bodyBase64"]?.string == base64)
        #expect(item["remote"] == .null && item["query"] == .string(""))
    }
}

@Suite struct NotificationFormTests {
    private func item(_ notification: Notification) throws -> JSON {
        let bytes = notificationsJSON([NumberedNotification(number: 1, notification: notification)])
        return try #require(try JSON(parsing: bytes)["notifications"]?.array?.first)
    }

    @Test func `a compressed body is shown decompressed, with the bytes as sent beside it`() throws {
        let gzip: [UInt8] = [
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0,
        ]
        let item = try item(
            Notification(
                method: "POST", body: Array(gzip.dropLast()),
                reading: BodyReading(coding: .gzip, decodedBytes: 5, fault: .incompleteData),
                receivedAt: Timestamp(microseconds: 0)))
        #expect(item["body"]?.string == "hello" && item["bodyFault"]?.string == "incomplete-data")
        #expect(item["bodyBase64"]?.string == "H4sIAAAAAAACA8tIzcnJBwCGphA2BQAA")
    }

    @Test func `a URL that is not UTF-8 has its bytes in Base64 beside it`() throws {
        let item = try item(
            Notification(
                method: "POST", called: CalledURL(isSecure: true, host: [0x68], path: [0x2f, 0xe9]), query: [0x61],
                receivedAt: Timestamp(microseconds: 0)))
        #expect(item["url"]?.string == "https://h/\u{fffd}?a" && item["urlBase64"]?.string == "aHR0cHM6Ly9oL+k/YQ==")
    }
}

@Suite struct ConfigurationTests {
    @Test(
        arguments: [
            (#"{"enabled": true}"#, true, nil), (#"{"enabled": false}"#, false, nil),
            (#" {"ENABLED" : false, "x": [1]} "#, false, nil),
            (#"{"enabled": true, "enabled": false}"#, false, nil), (#"{"enabled": false, "Enabled": true}"#, true, nil),
            (#"{"enabled": "Yes"}"#, true, nil), (#"{"enabled": 1}"#, true, nil), (#"{"enabled": 1.0}"#, true, nil),
            (#"{"enabled": true, "subpaths": true}"#, true, true),
            (#"{"subpaths": false, "enabled": "t"}"#, true, false),
            (#"{"subpaths": null, "enabled": true}"#, true, false),
        ] as [(String, Bool, Bool?)])
    func `a configuration is read in every form that clients send`(text: String, isEnabled: Bool, takesSubpaths: Bool?)
        throws
    {
        let found = try Configuration(parsing: Array(text.utf8))
        #expect(found == Configuration(isEnabled: isEnabled, takesSubpaths: takesSubpaths))
    }

    @Test(
        arguments: [
            (#"{"enabled": true, "OVERFLOW": "drop-oldest"}"#, .dropOldest, nil, nil, nil),
            (#"{"enabled": true, "overflow": null, "cors": null}"#, .refuse, false, nil, nil),
            (#"{"enabled": true, "cors": true, "pinned": "yes"}"#, nil, true, true, nil),
            (#"{"enabled": true, "pinned": null, "expires": null}"#, nil, nil, false, .never),
            (#"{"enabled": true, "expires": 1.5}"#, nil, nil, nil, .after(1.5)),
            (
                #"{"enabled": true, "expires": "1970-01-01T00:00:01Z"}"#, nil, nil, nil,
                .at(Timestamp(microseconds: 1_000_000))
            ),
            (
                #"{"enabled": true, "expires": "1970-01-01t00:00:01z"}"#, nil, nil, nil,
                .at(Timestamp(microseconds: 1_000_000))
            ),
        ] as [(String, EndpointSettings.Overflow?, Bool?, Bool?, Configuration.Expiry?)])
    func `settings that are left out are unchanged, and null is the value of a new endpoint`(
        text: String, overflow: EndpointSettings.Overflow?, cors: Bool?, pinned: Bool?, expiry: Configuration.Expiry?
    ) throws {
        let found = try Configuration(parsing: Array(text.utf8))
        #expect(found.overflow == overflow && found.isOpenToPages == cors && found.isPinned == pinned)
        #expect(found.expiry == expiry)
    }

    @Test(
        arguments: [
            ("", "The body is not JSON"), ("{", "The body is not JSON"),
            ("\u{feff}\u{feff}{\"enabled\": true}", "The body is not JSON"),
            ("{\"enabled\": true} x", "The body is not JSON"), ("{\"enabled\": NaN}", "The body is not JSON"),
            ("[]", "must be an object"),
            ("true", "must be an object"), ("null", "must be an object"), ("{}", "\"enabled\" is missing"),
            ("{\"enable\": true}", "\"enabled\" is missing"),
            ("{\"enabled\": null}", "\"enabled\" must be"), ("{\"enabled\": 0}", "\"enabled\" must be"),
            ("{\"enabled\": \"ok\"}", "\"enabled\" must be"),
            ("{\"enabled\": \"false\"}", "\"enabled\" must be"), ("{\"enabled\": []}", "\"enabled\" must be"),
            ("{\"enabled\": 1.00}", "\"enabled\" must be"),
            ("{\"enabled\": true, \"subpaths\": 0}", "\"subpaths\" must be true or false, or null"),
            ("{\"enabled\": true, \"overflow\": \"drop\"}", "\"overflow\" must be"),
            ("{\"enabled\": true, \"cors\": 0}", "\"cors\" must be"),
            ("{\"enabled\": true, \"pinned\": \"no\"}", "\"pinned\" must be"),
            ("{\"enabled\": true, \"expires\": \"2026\"}", "\"expires\" must be"),
            ("{\"enabled\": true, \"expires\": -1}", "\"expires\" must be a number of seconds above 0"),
        ])
    func `an invalid configuration is refused with the reason`(text: String, reason: String) {
        do throws(ConfigurationError) {
            _ = try Configuration(parsing: Array(text.utf8))
            Issue.record("accepted")
        } catch {
            #expect(error.reason.contains(reason) && error.reason.hasSuffix("."))
        }
    }
}
