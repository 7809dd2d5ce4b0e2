import Cryptography
import HTTP
import HTTPTypes
import JSON
import Testing
import Values

@testable import Queues

/// The layout is that of Python's `json.dumps`, which the original uses.
@Suite struct QueueJSONTests {
    private static let now = Timestamp(microseconds: 1_700_000_000_000_000)

    private func list(_ bodies: [[UInt8]]) -> String {
        let messages = bodies.enumerated().map { index, body in
            NumberedMessage(id: UInt64(index + 3), message: Message(body: body, receivedAt: Self.now))
        }
        return String(
            decoding: messageListJSON(messages, current: UInt64(bodies.count + 2), time: 1_700_000_000), as: UTF8.self)
    }

    @Test func `a list of messages is written as Python writes it`() {
        let text = "a\"\\/\n\t\u{1}\u{7f}äö€😀"
        #expect(
            list([Array(text.utf8), []])
                == #"{"time": "1700000000", "messages": [{"id": 3, "message": "a\"\\/\n\t\u0001\u007f\u00e4\u00f6\u20ac\ud83d\ude00"}, {"id": 4, "message": ""}], "current_message": 4}"#
        )
        #expect(list([]) == #"{"time": "1700000000", "messages": [], "current_message": 2}"#)
    }

    @Test(
        arguments: [
            ([0xff], #""message": "\ufffd", "messageBase64": "/w==""#),
            ([0x61, 0xc3, 0x28, 0x00], #""message": "a\ufffd(\u0000", "messageBase64": "YcMoAA==""#),
            ([0xed, 0xa0, 0x80], #""message": "\ufffd\ufffd\ufffd", "messageBase64": "7aCA""#),
            ([0xef, 0xbb, 0xbf], #""message": "\ufeff""#),
        ] as [([UInt8], String)])
    func `only a message that is not text has its bytes in Base64`(body: [UInt8], members: String) {
        #expect(
            list([body]) == #"{"time": "1700000000", "messages": [{"id": 3, \#(members)}], "current_message": 3}"#)
    }

    @Test func `an error has two members, and a loss to acknowledge three`() {
        let error = errorResponse(.forbidden, "ä")
        #expect(error.body == Array(#"{"refresh": false, "message": "\u00e4"}"#.utf8))
        #expect(error.head.status == .forbidden)
        #expect(error.head.headerFields[.contentType] == "application/json; charset=utf-8")
        #expect(error.head.headerFields[.cacheControl] == "no-store")
        #expect(error.head.headerFields[.noSniff] == "nosniff")
        #expect(
            errorResponse(.gone, "x", refresh: true, current: 5).body
                == Array(#"{"refresh": true, "message": "x", "current_message": 5}"#.utf8))
    }

    @Test func `an overview has the contents of each queue and the cursor of each client`() {
        let log = QueueLog(current: 9, first: 8, count: 2, bytes: 30, lost: 7)
        let signed = QueueSettings(
            name: "b", limits: QueueLimits(messageCount: 1, messageBytes: 2, queueBytes: 3),
            authentication: SenderAuthentication(process: .hmac, algorithm: .sha256, key: [], headerName: nil))
        let overview = QueueOverview(
            queues: [
                .init(
                    settings: QueueSettings(name: "ä"), log: log, oldest: Self.now.adding(seconds: -90.7),
                    newest: Self.now.adding(seconds: -1)),
                .init(settings: signed, log: QueueLog(), oldest: nil, newest: nil),
                .init(
                    settings: QueueSettings(name: "c"), log: log, oldest: Self.now.adding(seconds: 5), newest: Self.now),
            ],
            clients: [
                .init(
                    name: "one", queue: "ä", isConnected: true, cursor: 7, lag: 2,
                    oldestUnread: Self.now.adding(seconds: -61), hasLost: false),
                .init(
                    name: "two", queue: nil, isConnected: false, cursor: 3, lag: nil, oldestUnread: nil, hasLost: true),
            ], next: [0xab, 0])
        let queue = #""current_message": 9, "depth": 2, "bytes": 30, "oldest_age_seconds""#
        let open =
            #""max_message_count": 100, "max_message_size": 20000, "max_queue_size": 1000000, "signed": false}, "#
        #expect(
            String(decoding: overviewJSON(overview, time: 5, at: Self.now), as: UTF8.self)
                == #"{"time": "5", "queues": [{"name": "\u00e4", \#(queue): 90, "newest_age_seconds": 1, \#(open)"#
                + #"{"name": "b", "current_message": 0, "depth": 0, "bytes": 0, "oldest_age_seconds": null, "#
                + #""newest_age_seconds": null, "max_message_count": 1, "max_message_size": 2, "max_queue_size": 3, "#
                + #""signed": true}, {"name": "c", \#(queue): 0, "newest_age_seconds": 0, \#(open.dropLast(2))], "#
                + #""clients": [{"name": "one", "queue": "\u00e4", "connected": true, "cursor": 7, "lag": 2, "#
                + #""lag_seconds": 61, "lost": false}, "#
                + #"{"name": "two", "queue": null, "connected": false, "cursor": 3, "lag": null, "lag_seconds": null, "#
                + #""lost": true}], "next": "ab00"}"#)
        let empty = QueueOverview(queues: [], clients: [], next: nil)
        #expect(
            overviewJSON(empty, time: 5, at: Self.now)
                == Array(#"{"time": "5", "queues": [], "clients": [], "next": null}"#.utf8))
    }
}

@Suite struct QueryTests {
    private func target(_ query: String) -> Target { Target(raw: Array("/x?\(query)".utf8)[...], mountPoint: []) }

    @Test(
        arguments: [
            ("", .max, false, 0), ("limit=1", 1, false, 0), ("limit=1000000", 1_000_000, false, 0),
            ("ack=manual", .max, true, 0), ("ack=auto&wait=1.5", .max, false, 1500), ("wait=60", .max, false, 60_000),
            ("wait=0", .max, false, 0), ("%6Cimit=%35&ack=manual&wait=2", 5, true, 2000), ("other=x", .max, false, 0),
            ("limit=2&limit=x", 2, false, 0),
        ] as [(String, Int, Bool, Int)])
    func `a read has the parameters limit, wait and ack`(
        query: String, limit: Int, isManual: Bool, milliseconds: Int
    ) throws {
        let read = try ReadQuery(target(query))
        #expect(read.reading == Reading(limit: limit, isManual: isManual))
        #expect(read.waitMilliseconds == milliseconds)
    }

    @Test(arguments: [
        ("limit=0", "limit"), ("limit=-1", "limit"), ("limit=1000001", "limit"), ("limit=", "limit"),
        ("limit", "limit"),
        ("limit=1.0", "limit"), ("limit=99999999999999999999", "limit"), ("wait=61", "wait"), ("wait=-0.1", "wait"),
        ("wait=nan", "wait"), ("wait=inf", "wait"), ("wait=x", "wait"), ("wait", "wait"), ("ack=no", "ack"),
        ("ack=", "ack"), ("ack=MANUAL", "ack"),
    ])
    func `an invalid parameter of a read is refused with its name`(query: String, name: String) {
        #expect {
            try ReadQuery(target(query))
        } throws: {
            ($0 as? QueryError)?.reason.hasPrefix("The query parameter \"\(name)\" must be ") == true
        }
    }

    @Test func `a page begins after a key, and has a limit`() throws {
        let first = try Page(target(""))
        #expect(first.limit == 1000 && first.after == [])
        let page = try Page(target("after=00aBFf&limit=7"))
        #expect(page.after == [0, 0xab, 0xff] && page.limit == 7)
        #expect(try Page(target("after=")).after == [])
    }

    @Test(
        arguments: [
            ("", 20, nil), ("limit=1", 1, nil), ("limit=100&before=7", 100, 7),
            ("before=18446744073709551615", 20, .max), ("newest=0&wait=x", 20, nil),
        ] as [(String, Int, UInt64?)])
    func `a peek has the parameters limit and before`(query: String, limit: Int, before: UInt64?) throws {
        let peek = try PeekQuery(target(query))
        #expect(peek.limit == limit && peek.before == before)
    }

    @Test(arguments: [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"), ("limit=", "limit"),
        ("limit", "limit"), ("limit=1.0", "limit"), ("before=0", "before"), ("before=-1", "before"),
        ("before=", "before"), ("before", "before"), ("before=x", "before"), ("before=18446744073709551616", "before"),
    ])
    func `an invalid parameter of a peek is refused with its name`(query: String, name: String) {
        #expect {
            try PeekQuery(target(query))
        } throws: {
            ($0 as? QueryError)?.reason.hasPrefix("The query parameter \"\(name)\" must be ") == true
        }
    }

    @Test(arguments: ["after=0", "after=0g", "after=%C3%A4", "limit=0", "limit=1001", "limit=x"])
    func `an invalid page is refused`(query: String) {
        #expect(throws: QueryError.self) { try Page(target(query)) }
    }
}
