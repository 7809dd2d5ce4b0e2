import HTTP
import HTTPTypes
import Testing
import Values

@testable import Capture

@Suite struct NotificationTests {
    private func take(
        _ body: [UInt8], type: String? = nil, coding: String? = nil, target: String = "/webhook/id", limit: Int = 1000
    ) throws(BodyRefusal) -> Notification {
        var fields = FieldList()
        if let type { fields.append(name: "Content-Type".utf8, value: type.utf8) }
        if let coding { fields.append(name: "content-encoding".utf8, value: coding.utf8) }
        let request = Request(
            method: .put, target: Target(raw: Array(target.utf8)[...], mountPoint: []), fields: fields,
            body: .whole(body),
            remoteAddress: "127.0.0.1")
        return try Notification(request, segments: 2, bodyLimit: limit, receivedAt: Timestamp(microseconds: 5))
    }

    /// "hello", compressed.
    private static let gzip: [UInt8] = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0,
    ]
    private static let deflate: [UInt8] = [0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0]
    /// A hundred letters, compressed.
    private static let hundred: [UInt8] = [0x4b, 0x4c, 0xa4, 0x3d, 0, 0]

    @Test func `a notification has the request as it was sent`() throws {
        let found = try take([1, 2], target: "/webhook/id/a%20b//?x=%zz")
        #expect(found.method == "PUT")
        #expect(found.path == Array("/a%20b//".utf8))
        #expect(found.query == Array("x=%zz".utf8))
        #expect(found.remote == "127.0.0.1")
        #expect(found.receivedAt == Timestamp(microseconds: 5))
        #expect(found.body == [1, 2])
        #expect(try take([]).path.isEmpty && take([]).query == nil)
    }

    @Test(
        arguments: [
            ([], nil, .text), ([], "text/plain; charset=banana", .text), ([0x68, 0], nil, .text),
            ([0xef, 0xbb, 0xbf], nil, .text),
            ([0xff], nil, .binary), ([0xe9], "text/plain; charset=latin-1", .encodedText("latin-1")),
            ([0x68], "x; charset=utf-8", .text),
            ([0x68], "x; charset=", .text), ([0x68], "x; charset=\"utf-8\"", .text),
            ([0x68], "x; charset=banana", .binary),
            ([0x68], "x; charset=utf-16le", .binary), ([0x68, 0], "x; CHARSET = UTF-16LE", .encodedText("UTF-16LE")),
            // The bytes are the same in UTF-8.
            ([0x68], "text/plain; charset=latin-1", .text),
        ] as [([UInt8], String?, BodyReading.Kind)])
    func `a body is text if it is valid in its charset, and binary otherwise`(
        body: [UInt8], type: String?, kind: BodyReading.Kind
    ) throws {
        let found = try take(body, type: type)
        #expect(found.reading.kind == kind)
        #expect(found.body == body)
        #expect((found.reading.text(body) == nil) == (kind == .binary))
    }

    @Test(arguments: [(gzip, "gzip"), (gzip, "GZIP"), (gzip, "x-gzip"), (gzip + gzip, "gzip"), (deflate, "deflate")])
    func `a compressed body is kept as sent, and read decompressed`(body: [UInt8], coding: String) throws {
        let found = try take(body, coding: coding)
        #expect(found.body == body && found.reading.fault == nil)
        #expect(String(decoding: found.decodedBody, as: UTF8.self).hasPrefix("hello"))
        #expect(found.reading.decodedBytes == found.decodedBody.count)
        #expect(found.fields.firstValue(of: "content-encoding")?.elementsEqual(coding.utf8) == true)
    }

    @Test(
        arguments: [
            ("identity", nil), ("br", .unknownCoding), ("x-compress", .unknownCoding), ("gzip, gzip", .unknownCoding),
            ("", nil),
        ] as [(String, BodyFault?)])
    func `a body in another content coding is read as it was sent`(coding: String, fault: BodyFault?) throws {
        let found = try take(Self.gzip, coding: coding)
        #expect(found.body == Self.gzip && found.decodedBody == Self.gzip)
        #expect(found.reading == BodyReading(kind: .binary, fault: fault))
    }

    @Test(
        arguments: [
            ([0x68], "x; charset=banana", .unknownCharset), ([0x68], "x; charset=utf-16le", .invalidText),
            ([0xff], "x; charset=utf-8", .invalidText), ([0xff], "image/png", nil), ([], "x; charset=banana", nil),
        ] as [([UInt8], String, BodyFault?)])
    func `a body that is not in its charset is marked`(body: [UInt8], type: String, fault: BodyFault?) throws {
        #expect(try take(body, type: type).reading.fault == fault)
    }

    @Test func `text of another charset is recognised in pieces of any length`() throws {
        // A character of two bytes is cut by each piece of 64 KiB.
        let body = [0x41] + Array(repeating: [0xe9, 0x00] as [UInt8], count: 70_000).joined() + [0x00]
        let found = try take(body, type: "text/plain; charset=utf-16be", limit: 1 << 20)
        #expect(found.reading.kind == .encodedText("utf-16be"))
        #expect(try take(body + [0], type: "text/plain; charset=utf-16be", limit: 1 << 20).reading.kind == .binary)
    }

    @Test(
        arguments: [
            (Array(gzip.dropLast()), "hello", .incompleteData), (Array(gzip.prefix(5)), "", .incompleteData),
            ([1, 2, 3, 4], "", .corruptData), (gzip + [1, 2], "hello", .corruptData),
        ] as [([UInt8], String, BodyFault)])
    func `a broken compressed body is marked, and read up to the fault`(
        body: [UInt8], text: String, fault: BodyFault
    ) throws {
        let found = try take(body, coding: "gzip")
        #expect(found.body == body && found.reading.fault == fault)
        #expect(String(decoding: found.decodedBody, as: UTF8.self) == text)
    }

    @Test(
        arguments: [
            (false, nil, "a:8080", "http://a:8080/webhook/%69d/p?q=%zz"),
            (true, nil, "b", "https://b/webhook/%69d/p?q=%zz"),
            (true, "c", "b", "https://c/webhook/%69d/p?q=%zz"), (false, nil, nil, nil), (false, nil, "", nil),
        ] as [(Bool, String?, String?, String?)])
    func `the URL is the one that the sender called`(
        isSecure: Bool, forwarded: String?, host: String?, url: String?
    ) throws {
        var fields = FieldList()
        if let host { fields.append(name: "Host".utf8, value: host.utf8) }
        let request = Request(
            method: .post, target: Target(raw: Array("/webhook/%69d/p?q=%zz".utf8)[...], mountPoint: []),
            fields: fields, isSecure: isSecure, forwardedHost: forwarded.map { Array($0.utf8) })
        let found = try Notification(request, segments: 2, bodyLimit: 9, receivedAt: Timestamp(microseconds: 0))
        #expect(found.url.map { String(decoding: $0, as: UTF8.self) } == url)
    }

    @Test func `the limit applies to the body as it was sent, and decompressed`() throws {
        let hello = Array("hello".utf8)
        #expect(try take(hello, limit: 5).body == hello)
        #expect(throws: BodyRefusal.tooLarge) { try take(hello, limit: 4) }
        // Longer as it was sent.
        #expect(try take(Self.gzip, coding: "gzip", limit: 25).decodedBody == hello)
        #expect(throws: BodyRefusal.tooLarge) { try take(Self.gzip, coding: "gzip", limit: 24) }
        // Longer when decompressed.
        #expect(try take(Self.hundred, coding: "deflate", limit: 100).reading.decodedBytes == 100)
        #expect(throws: BodyRefusal.tooLarge) { try take(Self.hundred, coding: "deflate", limit: 99) }
    }

    @Test(
        arguments: [(.tooLarge, .tooLarge), (.incomplete, .unreadable("it is shorter than its Content-Length"))]
            as [(Request.Body, BodyRefusal)])
    func `a body that is too large or incomplete is refused`(body: Request.Body, refusal: BodyRefusal) {
        let request = Request(
            method: .post, target: Target(raw: Array("/webhook/id".utf8)[...], mountPoint: []), body: body)
        #expect(throws: refusal) {
            try Notification(request, segments: 2, bodyLimit: 10, receivedAt: Timestamp(microseconds: 0))
        }
    }
}
