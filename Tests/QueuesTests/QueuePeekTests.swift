import HTTP
import HTTPTypes
import JSON
import MappedStore
import StoreSupport
import Testing
import Values

@testable import Queues

/// Looking at messages without reading them.
@Suite struct QueuePeekTests {
    private func ids(_ peek: QueuePeek?) -> [UInt64]? { peek?.messages.map(\.numbered.id) }

    @Test(arguments: Engine.allCases)
    func `a peek has the newest messages first, page by page, and moves no cursor`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.post("a", "b", "c", "d", "e")
            let user = try test.user()
            let first = try #require(try test.queues.peek(at: "q", for: user, before: nil, limit: 2))
            #expect(ids(first) == [5, 4] && first.next == 4)
            #expect(first.messages.map { String(decoding: $0.numbered.message.body, as: UTF8.self) } == ["e", "d"])
            #expect(first.log == QueueLog(current: 5, count: 5, bytes: 5))
            let last = try test.queues.peek(at: "q", for: user, before: 4, limit: 3)
            #expect(ids(last) == [3, 2, 1] && last?.next == nil)
            #expect(ids(try test.queues.peek(at: "q", for: user, before: 1, limit: 3)) == [])
            #expect(ids(try test.queues.peek(at: "q", for: user, before: .max, limit: 1)) == [5])
            #expect(
                try test.read("c") == test.found([1: "a", 2: "b", 3: "c", 4: "d", 5: "e"], current: 5))
        }
    }

    @Test(arguments: Engine.allCases)
    func `only messages that the queue keeps can be seen`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q"], "v": []], queues: ["q": QueueLimits(messageCount: 2)])
            let (user, other) = (try test.user(), try test.user("v"))
            #expect(ids(try test.queues.peek(at: "q", for: user, before: nil, limit: 9)) == [])
            #expect(try test.queues.message(1, of: "q", for: user) == .unknownMessage)
            try test.post("a", "b", "c")
            #expect(ids(try test.queues.peek(at: "q", for: user, before: nil, limit: 9)) == [3, 2])
            for id in [0, 1, 4, .max] as [UInt64] {
                #expect(try test.queues.message(id, of: "q", for: user) == .unknownMessage)
            }
            guard case .found(let piece, _) = try test.queues.message(2, of: "q", for: user) else {
                Issue.record("the message is not found")
                return
            }
            #expect(piece.isWhole && piece.numbered == NumberedMessage(id: 2, message: test.message("b")))
            #expect(try test.queues.peek(at: "q", for: other, before: nil, limit: 9) == nil)
            #expect(try test.queues.message(2, of: "q", for: other) == .unknownQueue)
            #expect(try test.queues.peek(at: "none", for: user, before: nil, limit: 9) == nil)
        }
    }

    @Test func `a peek shows the beginnings of long messages, and ends when they are many bytes`() throws {
        try HandledQueues.with { api in
            let long = String(repeating: "a", count: 10_000)
            for _ in 0..<20 { #expect(try api.status(.post, "/q/open", long) == 200) }
            let first = try JSON(parsing: try api.response(.get, "/queues/open/messages?limit=100").body)
            let messages = try #require(first["messages"]?.array)
            #expect(messages.count == 16 && first["next"]?.integer == 5)
            #expect(messages.allSatisfy { $0["bytes"]?.integer == 10000 && $0["truncated"] == .bool(true) })
            #expect(messages.allSatisfy { $0["message"]?.string?.utf8.count == 4096 && $0["messageBase64"] == nil })
            let rest = try JSON(parsing: try api.response(.get, "/queues/open/messages?limit=100&before=5").body)
            #expect(rest["messages"]?.array?.count == 4 && rest["next"] == .null)
        }
    }

    @Test(arguments: [[0x01], [0xff], Array("ä".utf8), Array("\u{1f600}".utf8)] as [[UInt8]])
    func `the JSON of a peek is bounded too, and the next page goes on where it ends`(character: [UInt8]) throws {
        try HandledQueues.with { api in
            let body = [UInt8]((0..<4096 / character.count).map { _ in character }.joined())
            for _ in 0..<40 { #expect(try api.response(.post, "/q/open", .whole(body), login: nil).isEmptySuccess) }
            var (ids, query): ([Int], String?) = ([], "?limit=100")
            while let page = query {
                let answer = try api.response(.get, "/queues/open/messages\(page)").body
                #expect(answer.count < QueuePeek.allBytes + 8 * QueuePeek.shownBytes)
                let peek = try JSON(parsing: answer)
                ids += try #require(peek["messages"]?.array).compactMap { $0["id"]?.integer }
                query = peek["next"]?.integer.map { "?limit=100&before=\($0)" }
            }
            #expect(ids == (1...40).reversed())
        }
    }

    /// The messages that are cut have 4097 bytes.
    @Test(
        arguments: [
            ([0xff], "\u{fffd}", "/w=="), (Array("hällo".utf8), "hällo", nil), ([], "", nil),
            // Cut within the character "ä", which is then not shown.
            ([UInt8](repeating: 0x61, count: 4095) + [0xc3, 0xa4], String(repeating: "a", count: 4095), nil),
        ] as [([UInt8], String, String?)])
    func `a peek shows text as text, and other bytes in Base64 too`(
        body: [UInt8], text: String, base64: String?
    ) throws {
        try HandledQueues.with { api in
            #expect(try api.response(.post, "/q/open", .whole(body), login: nil).isEmptySuccess)
            let peek = try JSON(
                parsing: try api.response(.get, "/queues/open/messages", login: HandledQueues.bert).body)
            #expect(peek["current_message"]?.integer == 1 && peek["depth"]?.integer == 1)
            #expect(peek["first_message"]?.integer == 1 && peek["next"] == .null)
            let message = try #require(peek["messages"]?.array?.first)
            #expect(message["message"]?.string == text && message["messageBase64"]?.string == base64)
            #expect(message["bytes"]?.integer == body.count && message["truncated"] == .bool(body.count > 4096))
            #expect(message["received_at"]?.string == api.test.moment.wall.iso8601())
        }
    }

    @Test(arguments: [0, 1, 4096, 16 << 10, (16 << 10) + 1, 20_000])
    func `all bytes of a message can be had`(count: Int) throws {
        try HandledQueues.with { api in
            let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            #expect(try api.response(.post, "/q/open", .whole(body), login: nil).isEmptySuccess)
            let run = try api.run(.get, "/queues/open/messages/1")
            let response = try #require(try run.response())
            #expect(response.head.status == .ok)
            #expect(response.head.headerFields[.contentType] == "application/octet-stream")
            #expect(response.head.headerFields[.contentDisposition] == "attachment; filename=\"message-1\"")
            #expect(response.head.headerFields[.noSniff] == "nosniff")
            #expect(response.body == body)
            #expect(
                try api.run(.get, "/queues/open/messages/1", mayBeLong: false).response()?.head.status.code
                    == (count > 16 << 10 ? 503 : 200))
        }
    }

    @Test(
        arguments: [
            ("/queues/open/messages", "bert:wrong", 403), ("/queues/open/messages/1", "bert:wrong", 403),
            ("/queues/open/messages", nil, 401), ("/queues/open/messages/1", nil, 401),
            ("/queues/small/messages", HandledQueues.bert, 404), ("/queues/small/messages/1", HandledQueues.bert, 404),
            ("/queues/hidden/messages", HandledQueues.anna, 404), ("/queues/none/messages/1", HandledQueues.anna, 404),
            ("/queues/open/messages/2", HandledQueues.anna, 404),
            ("/queues/open/messages?limit=0", HandledQueues.anna, 400),
            ("/queues/open/messages?before=x", HandledQueues.anna, 400),
            ("/queues/open/messages/0", HandledQueues.anna, 400), ("/queues/open/messages/x", HandledQueues.anna, 400),
            ("/queues/open/messages/-1", HandledQueues.anna, 400),
        ] as [(String, String?, Int)])
    func `whoever may not read a queue sees nothing of it`(target: String, login: String?, status: Int) throws {
        try HandledQueues.with { api in
            for queue in ["open", "hidden"] { #expect(try api.status(.post, "/q/\(queue)", "abc", login: nil) == 200) }
            let response = try api.response(.get, target, login: login)
            #expect(response.head.status.code == status)
            #expect(try response.isError())
        }
    }
}
