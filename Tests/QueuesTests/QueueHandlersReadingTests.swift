import Cryptography
import HTTP
import HTTPTypes
import JSON
import StoreSupport
import Testing

@testable import Queues

/// Reads that wait, and reads with manual acknowledgement.
@Suite struct QueueHandlersReadingTests {
    // MARK: Manual acknowledgement

    @Test func `with manual acknowledgement, messages come again until they are acknowledged`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            for body in ["a", "b", "c"] { #expect(try api.status(.post, "/q/open", body) == 200) }
            for _ in 0..<2 { #expect(try api.read("c", "?ack=manual&limit=2") == ["1 a", "2 b"]) }
            #expect(try api.response(.post, "/ack/c/2").isEmptySuccess)
            #expect(try api.response(.post, "/ack/c/1").isEmptySuccess)
            #expect(try api.read("c", "?ack=manual") == ["3 c"])
            #expect(try api.read("c", "?ack=auto") == ["3 c"])
            #expect(try api.read("c", "?ack=manual") == [])
        }
    }

    @Test(
        arguments: [
            ("c", "4", 400), ("c", "x", 400), ("c", "-1", 400), ("c", "18446744073709551616", 400), ("c", "1.0", 400),
            ("d", "1", 404), ("c", "3", 200), ("c", "0", 200),
        ])
    func `only the id of a message that was posted can be acknowledged`(client: String, id: String, status: Int) throws
    {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            for body in ["a", "b", "c"] { #expect(try api.status(.post, "/q/open", body) == 200) }
            let response = try api.response(.post, "/ack/\(client)/\(id)")
            #expect(response.head.status.code == status)
            #expect(try status == 200 ? response.isEmptySuccess : response.isError())
        }
    }

    @Test func `with manual acknowledgement, a loss says what to acknowledge`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/small") == 200)
            #expect(try api.status(.post, "/q/small", "longer than that") == 413)
            for _ in 0..<2 {
                let lost = try api.response(.get, "/read/c?ack=manual")
                #expect(lost.head.status.code == 410)
                let body = try JSON(parsing: lost.body)
                #expect(body["refresh"] == .bool(true) && body["current_message"]?.integer == 1)
            }
            #expect(try api.status(.post, "/ack/c/1") == 200)
            #expect(try api.read("c", "?ack=manual") == [])
        }
    }

    // MARK: Waiting

    private func waiting(_ api: HandledQueues, _ query: String, id: UInt64? = nil) throws -> HandlerRun {
        let run = try api.run(.get, "/read/c?\(query)", id: id)
        guard run.isWaiting else { throw DoesNotWait() }
        return run
    }

    private struct DoesNotWait: Error {}

    private func texts(_ response: Response?) throws -> [String?]? {
        guard let response else { return nil }
        return try JSON(parsing: response.body)["messages"]?.array?.map { $0["message"]?.string }
    }

    /// The answer to a request whose time is up.
    private func over(_ run: HandlerRun) throws -> Response? {
        run.wake(.over)
        return try run.response()
    }

    @Test func `a waiting read is answered by the next message, once`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            let waiting = try waiting(api, "wait=1.5")
            #expect(waiting.milliseconds == 1500)
            #expect(try api.resumeIfNews(waiting) == nil)
            #expect(try api.status(.post, "/q/hidden", "a") == 200)
            #expect(try api.resumeIfNews(waiting) == nil)
            #expect(try api.status(.post, "/q/open", "a") == 200)
            #expect(try texts(try api.resumeIfNews(waiting)) == ["a"])
            #expect(try api.read("c") == [])
        }
    }

    @Test func `a read whose time is up gets what there is, or an empty list`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            #expect(try texts(try over(try waiting(api, "wait=60"))) == [])
            // Messages have arrived between the last look and the end.
            let waiting = try waiting(api, "wait=60&limit=1")
            for body in ["a", "b"] { #expect(try api.status(.post, "/q/open", body) == 200) }
            #expect(try texts(try over(waiting)) == ["a"])
            #expect(try api.read("c") == ["2 b"])
        }
    }

    @Test func `a client that disconnects while it waits has read nothing`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            let waiting = try waiting(api, "wait=60")
            #expect(try api.status(.post, "/q/open", "a") == 200)
            waiting.wake(.gone)
            #expect(!waiting.isWaiting)
            try api.test.commit()
            #expect(try api.read("c") == ["1 a"])
        }
    }

    @Test func `a waiting read with manual acknowledgement does not move the cursor`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            let waiting = try waiting(api, "wait=5&ack=manual")
            #expect(try api.status(.post, "/q/open", "a") == 200)
            #expect(try texts(try api.resumeIfNews(waiting)) == ["a"])
            #expect(try api.read("c", "?ack=manual") == ["1 a"])
        }
    }

    @Test func `a waiting read ends when the client is removed, disconnected or loses messages`() throws {
        try HandledQueues.with { api throws in
            func status(_ waiting: HandlerRun) throws -> Int? { try api.resumeIfNews(waiting)?.head.status.code }
            #expect(try api.status(.get, "/listen/c/small") == 200)
            var waiting = try waiting(api, "wait=5")
            #expect(try api.status(.post, "/q/small", "longer than that") == 413)
            #expect(try status(waiting) == 410)
            waiting = try self.waiting(api, "wait=5")
            #expect(try api.status(.get, "/unlisten/c") == 200)
            #expect(try status(waiting) == 404)
            #expect(try api.status(.get, "/listen/c/small") == 200)
            waiting = try self.waiting(api, "wait=5")
            api.file.text = configurationText(users: #"{"name": "anna", "pass_hash": "plain;;secret"}"#)
            #expect(try api.status(.post, "/reload") == 200)
            #expect(try status(waiting) == 410)
        }
    }

    @Test func `a read that finds messages or is refused does not wait`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            #expect(try api.status(.post, "/q/open", "a") == 200)
            #expect(try api.read("c", "?wait=60") == ["1 a"])
            #expect(try api.read("c", "?wait=0") == [])
            #expect(try api.status(.get, "/read/d?wait=60") == 404)
            #expect(try api.status(.get, "/read/c?wait=61") == 400)
            #expect(try api.status(.get, "/read/c?wait=60", login: "anna:wrong") == 403)
        }
    }

    @Test func `a retry of a waiting read gets the same messages`() throws {
        try HandledQueues.with { api in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            let waiting = try waiting(api, "wait=5", id: 7)
            #expect(try api.status(.post, "/q/open", "a") == 200)
            #expect(try texts(try api.resumeIfNews(waiting)) == ["a"])
            #expect(try api.read("c", "?wait=5", id: 7) == ["1 a"])
            #expect(try api.read("c") == [])
        }
    }
}
