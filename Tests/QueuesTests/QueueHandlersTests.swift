import Cryptography
import Encodings
import HTTP
import HTTPTypes
import JSON
import MappedStore
import StoreSupport
import Testing
import Values

@testable import Queues

/// Requests with messages and of clients, and their routes.
@Suite struct QueueHandlersTests {
    @Test func `a client can listen, read a message once, and unlisten`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.response(.get, "/listen/c/open").isEmptySuccess)
            #expect(try api.response(.post, "/q/open", .whole(Array("hällo".utf8)), login: nil).isEmptySuccess)
            let list = try api.response(.get, "/read/c")
            #expect(list.head.status == .ok)
            #expect(list.head.headerFields[.contentType] == "application/json; charset=utf-8")
            #expect(list.head.headerFields[.noSniff] == "nosniff")
            #expect(list.head.headerFields[.cacheControl] == "no-store")
            let time = String(decoding: try api.response(.get, "/time", login: nil).body, as: UTF8.self)
            #expect(
                String(decoding: list.body, as: UTF8.self)
                    == #"{"time": "\#(time)", "messages": [{"id": 1, "message": "h\u00e4llo"}], "current_message": 1}"#)
            #expect(try api.read("c") == [])
            #expect(try api.response(.get, "/unlisten/c").isEmptySuccess)
            #expect(try api.status(.get, "/read/c") == 404)
        }
    }

    // MARK: Routes

    @Test func `the time is plain text, and needs no login`() throws {
        try HandledQueues.with { api throws in
            for method in [.get, .head] as [HTTPRequest.Method] {
                let response = try api.response(method, "/time", login: nil)
                #expect(response.head.status == .ok)
                #expect(response.head.headerFields[.contentType] == "text/plain; charset=utf-8")
                #expect(response.head.headerFields[.noSniff] == "nosniff")
                #expect(response.head.headerFields[.cacheControl] == "no-store")
                #expect(response.body == Array("\(try api.test.queues.time())".utf8))
            }
        }
    }

    @Test(
        arguments: [
            (["GET", "HEAD", "PUT", "DELETE", "OPTIONS"], "/q/open", "POST"),
            (["HEAD", "PUT", "DELETE", "PATCH"], "/read/c", "GET,POST"),
            (["HEAD", "PUT"], "/listen/c/open", "GET,POST"),
            (["HEAD", "DELETE"], "/unlisten/c", "GET,POST"), (["GET", "HEAD"], "/ack/c/1", "POST"),
            (["POST"], "/queues", "GET,HEAD"),
            (["POST", "DELETE"], "/queues/open/messages", "GET,HEAD"), (["PUT"], "/queues/open/messages/1", "GET,HEAD"),
            (["GET", "HEAD", "PUT"], "/setPassword", "POST"),
            (["HEAD", "PUT"], "/reload", "GET,POST"), (["POST", "DELETE"], "/time", "GET,HEAD"),
            (["get"], "/read/c", "GET,POST"),
        ])
    func `an unsupported method gives 405 with the allowed ones, and changes nothing`(
        methods: [String], target: String, allowed: String
    ) throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            #expect(try api.status(.post, "/q/open", "a") == 200)
            api.file.text = nil
            for method in methods {
                let response = try api.response(try #require(HTTPRequest.Method(rawValue: method)), target)
                #expect(response.head.status == .methodNotAllowed)
                #expect(response.head.headerFields[.allow] == allowed)
                #expect(try response.isError())
            }
            #expect(try api.read("c") == ["1 a"])
        }
    }

    @Test(arguments: [
        "/", "/q", "/q/", "/q/open/", "/q/open/x", "//q/open", "/q//open", "/Q/open", "/read", "/read/", "/read/c/",
        "/read/c/x", "/listen/c", "/listen/c/", "/listen//open", "/listen/c/open/", "/unlisten", "/ack/c", "/ack/c/",
        "/queues/", "/queues/x", "/queues/x/", "/queues/x/other", "/queues/x/messages/", "/queues/x/messages/1/2",
        "/queues//messages", "/setPassword/", "/setpassword", "/reload/", "/time/", "/times", "/q/a%2Fb",
        "/read/a%2fb", "/listen/c/%2F", "/%2Fq/open", "/q%2Fopen", "/read/%2F%CC%81", "/webhook/x",
    ])
    func `other paths, and names with a slash, are left to other APIs`(target: String) throws {
        try HandledQueues.with { api throws in
            for method in [.get, .post, .head] as [HTTPRequest.Method] {
                let answer = try api.run(method, target).response()
                #expect(answer == nil, "\(method)")
            }
        }
    }

    @Test(arguments: ["/q/%", "/q/%zz", "/q/%4", "/q/%ff", "/read/%c3%28", "/listen/%ed%a0%80/open", "/listen/c/%"])
    func `a path with invalid escapes is refused`(target: String) throws {
        try HandledQueues.with { api throws in
            let response = try api.response(target.hasPrefix("/q") ? .post : .get, target)
            #expect(response.head.status == .badRequest)
            #expect(try response.isError())
        }
    }

    @Test(arguments: ["/q/gr%C3%B6%20%C3%9Fe", "/q/grö%20ße", "/q/%67r%c3%b6%20%C3%9Fe?x=%zz&y", "/q/grö%20ße?"])
    func `a name is decoded once, and the query of a post is ignored`(target: String) throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c+%2B%2500%00/gr%C3%B6%20%C3%9Fe") == 200)
            #expect(try api.status(.post, target, "a") == 200)
            // "+" is not a space in a path.
            #expect(try api.status(.get, "/read/c%20%2B%2500%00") == 404)
            #expect(try api.read("c%2B+%2500%00") == ["1 a"])
        }
    }

    @Test func `the API owns the paths that begin with its words`() {
        for path in [["q"], ["read", "x", "y"], ["time"]] { #expect(QueueHandlers.owns(path)) }
        for path in [[], [""], ["webhook"], ["Q"], ["q "]] { #expect(!QueueHandlers.owns(path)) }
    }

    // MARK: Messages

    private static let hash = hexadecimal(DigestAlgorithm.sha1.digest(of: Array("a".utf8)))
    private static let code = hexadecimal(
        DigestAlgorithm.sha256.authenticationCode(of: Array("a".utf8), key: Array("key".utf8)))

    @Test func `a message to an unknown queue is accepted and dropped`() throws {
        try HandledQueues.with { api throws in
            for body in [.whole([0x61]), .tooLarge, .incomplete] as [Request.Body] {
                #expect(try api.response(.post, "/q/nowhere", body, login: nil).isEmptySuccess)
            }
        }
    }

    /// The body is "a"; a signature that is `nil` is not sent.
    @Test(
        arguments: [
            ("open", nil, nil, 200), ("open", "nonsense", "1.2.3.4", 200),
            ("signed", code, nil, 200), ("signed", nil, nil, 403), ("signed", "", nil, 403),
            ("signed", code.uppercased(), nil, 403), ("signed", "sha256=" + code, nil, 403), ("signed", hash, nil, 403),
            ("signed", "ü", nil, 403),
            ("hashed", hash, nil, 200), ("hashed", code, nil, 403), ("keyless", code, nil, 403),
            ("keyless", hash, nil, 403),
            ("near", hash, "10.255.0.1", 200), ("near", hash, "::ffff:10.0.0.1", 200), ("near", hash, "11.0.0.1", 403),
            ("near", hash, nil, 403), ("near", nil, "10.0.0.1", 403), ("near", nil, "11.0.0.1", 403),
        ] as [(String, String?, String?, Int)])
    func `a message is accepted only from an allowed address and with the right signature`(
        queue: String, signature: String?, address: String?, status: Int
    ) throws {
        try HandledQueues.with { api throws in
            let fields: KeyValuePairs = signature.map { ["x_SIGNATURE": $0] } ?? [:]
            let response = try api.response(
                .post, "/q/\(queue)", .whole([0x61]), login: nil, fields: fields, from: address)
            #expect(response.head.status.code == status)
            #expect(try status == 200 ? response.isEmptySuccess : response.isError())
            let log = try api.test.queue(queue)
            let entries = try api.test.overview(of: "anna").queues.filter { $0.name == log.settings.name }
            #expect(entries.allSatisfy { $0.log.current == (status == 200 ? 1 : 0) })
        }
    }

    @Test func `the headers of a client do not change its address`() throws {
        try HandledQueues.with { api throws in
            let fields: KeyValuePairs = [
                "X-Forwarded-For": "10.0.0.1", "X-Real-IP": "10.0.0.1", "X-Signature": Self.hash,
            ]
            #expect(try api.status(.post, "/q/near", "a", fields: fields, from: "1.2.3.4") == 403)
        }
    }

    @Test func `two signatures are refused`() throws {
        try HandledQueues.with { api throws in
            let fields: KeyValuePairs = ["X-Signature": Self.code, "x-signature": Self.code]
            #expect(try api.status(.post, "/q/signed", "a", fields: fields) == 403)
        }
    }

    @Test(
        arguments: [
            ("small", .whole([UInt8](repeating: 0xff, count: 11)), 413, 1), ("small", .tooLarge, 413, 1),
            ("small", .incomplete, 400, 0), ("small", .whole([UInt8](repeating: 0xff, count: 10)), 200, 1),
            // A message without a valid signature does not report a loss to readers.
            ("signed", .tooLarge, 403, 0), ("signed", .whole([UInt8](repeating: 0x61, count: 11)), 403, 0),
            ("signed", .incomplete, 400, 0),
        ] as [(String, Request.Body, Int, UInt64)])
    func `a body that is too long uses an id, and an incomplete one does not`(
        queue: String, body: Request.Body, status: Int, current: UInt64
    ) throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/\(queue)") == 200)
            let response = try api.response(.post, "/q/\(queue)", body, login: nil)
            #expect(response.head.status.code == status)
            #expect(try status == 200 ? response.isEmptySuccess : response.isError())
            #expect(try api.test.overview(of: "anna").queues.first { $0.name == queue }?.log.current == current)
            let read = try api.response(.get, "/read/c")
            #expect(read.head.status.code == (status == 413 ? 410 : 200))
            #expect(try status != 413 || read.isError(refresh: true))
        }
    }

    @Test
    func `a signed body that is too long uses an id only if its signature could be checked`()
        throws
    {
        try HandledQueues.with { api throws in
            let body = [UInt8](repeating: 0x61, count: 11)
            let code = hexadecimal(DigestAlgorithm.sha256.authenticationCode(of: body, key: Array("key".utf8)))
            func current() throws -> UInt64? {
                try api.test.overview(of: "anna").queues.first { $0.name == "signed" }?.log.current
            }
            // The body was not stored, so its signature cannot be checked.
            #expect(
                try api.response(.post, "/q/signed", .tooLarge, fields: ["X-Signature": code]).head.status.code == 413)
            #expect(try current() == 0)
            #expect(
                try api.response(.post, "/q/signed", .whole(body), fields: ["X-Signature": code]).head.status.code
                    == 413)
            #expect(try current() == 1)
        }
    }

    @Test func `a message that is not text has its bytes in Base64 beside it`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            #expect(try api.response(.post, "/q/open", .whole([0xff, 0x61])).isEmptySuccess)
            let body = String(decoding: try api.response(.get, "/read/c").body, as: UTF8.self)
            #expect(body.contains(#"[{"id": 1, "message": "\ufffda", "messageBase64": "/2E="}]"#))
        }
    }

    @Test func `a retry of a request has no further effect`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open", id: 1) == 200)
            #expect(try api.status(.get, "/listen/c/open", id: 1) == 200)
            for _ in 0..<3 { #expect(try api.status(.post, "/q/open", "a", id: 2) == 200) }
            for _ in 0..<3 { #expect(try api.read("c", id: 3) == ["1 a"]) }
            #expect(try api.read("c", id: 4) == [])
            for _ in 0..<3 { #expect(try api.status(.get, "/unlisten/c", id: 5) == 200) }
            #expect(try api.status(.get, "/unlisten/c", id: 6) == 404)
        }
    }

    // MARK: Clients

    @Test(arguments: [HTTPRequest.Method.get, .post])
    func `listen, read and unlisten accept GET and POST`(method: HTTPRequest.Method) throws {
        try HandledQueues.with { api throws in
            #expect(try api.response(method, "/listen/c/open").isEmptySuccess)
            #expect(try api.status(method, "/listen/c/open") == 400)
            #expect(try api.status(method, "/listen/c/hidden") == 404)
            #expect(try api.status(method, "/listen/d/nowhere") == 404)
            #expect(try api.status(.post, "/q/open", "a") == 200)
            #expect(try api.response(method, "/read/c").head.status == .ok)
            #expect(try api.read("c") == [])
            #expect(try api.status(method, "/read/c", login: HandledQueues.bert) == 404)
            #expect(try api.status(method, "/read/d") == 404)
            #expect(try api.response(method, "/unlisten/c").isEmptySuccess)
            #expect(try api.status(method, "/unlisten/c") == 404)
        }
    }

    @Test func `errors have the form of the original`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            for target in [
                "/listen/c/open", "/listen/d/hidden", "/read/d", "/unlisten/d", "/read/c?limit=0", "/read/c?wait=x",
                "/read/c?ack=x", "/queues?limit=0", "/queues?after=x",
            ] {
                let response = try api.response(.get, target)
                #expect([400, 404].contains(response.head.status.code))
                #expect(try response.isError(), "\(target)")
            }
        }
    }

    @Test func `a loss is reported once, and a disconnection each time`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/small") == 200)
            #expect(try api.status(.post, "/q/small", "longer than that") == 413)
            let lost = try api.response(.get, "/read/c")
            #expect(lost.head.status.code == 410)
            #expect(try lost.isError(refresh: true))
            #expect(try api.read("c") == [])
            api.file.text = HandledQueues.text.replacing(#"{"name": "small", "max_message_size": 10},"#, with: "")
            #expect(try api.status(.post, "/reload") == 200)
            for _ in 0..<2 {
                let gone = try api.response(.get, "/read/c")
                #expect(gone.head.status.code == 410)
                #expect(try gone.isError(refresh: false))
                #expect(try api.status(.post, "/ack/c/1") == 410)
            }
        }
    }

    // MARK: Overviews

    @Test func `queues and clients are listed, page by page`() throws {
        try HandledQueues.with { api in
            #expect(try api.status(.post, "/q/open", "abc") == 200)
            for client in ["a", "b", "c"] { #expect(try api.status(.get, "/listen/\(client)/open") == 200) }
            api.clock.seconds = 90
            let all = try JSON(parsing: try api.response(.get, "/queues").body)
            #expect(
                all["queues"]?.array?.map { $0["name"]?.string } == [
                    "grö ße", "hashed", "near", "open", "signed", "small",
                ])
            #expect(all["queues"]?.array?[3]["oldest_age_seconds"]?.integer == 90)
            #expect(all["queues"]?.array?[3]["newest_age_seconds"]?.integer == 90)
            #expect(all["clients"]?.array?.count == 3 && all["next"] == .null)
            let first = try JSON(parsing: try api.response(.get, "/queues?limit=2").body)
            #expect(first["clients"]?.array?.count == 2)
            let next = try #require(first["next"]?.string)
            let second = try JSON(parsing: try api.response(.get, "/queues?limit=2&after=\(next)").body)
            #expect(second["clients"]?.array?.count == 1 && second["next"] == .null)
            let bert = try JSON(parsing: try api.response(.get, "/queues", login: HandledQueues.bert).body)
            #expect(bert["queues"]?.array?.map { $0["name"]?.string } == ["open"])
            #expect(bert["clients"] == .array([]))
            #expect(try api.response(.head, "/queues").head.status == .ok)
        }
    }
}
