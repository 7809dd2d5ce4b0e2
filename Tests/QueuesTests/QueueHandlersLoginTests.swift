import Cryptography
import HTTP
import HTTPTypes
import JSON
import MappedStore
import StoreSupport
import Testing
import Values

@testable import Queues

/// Requests to log in, set a password and reload.
@Suite struct QueueHandlersLoginTests {
    private static let targets: [(HTTPRequest.Method, String)] = [
        (.get, "/read/c"), (.post, "/read/c"), (.get, "/listen/c/open"), (.get, "/unlisten/c"), (.post, "/ack/c/1"),
        (.get, "/queues"), (.head, "/queues"), (.post, "/setPassword"), (.get, "/reload"), (.post, "/reload"),
    ]

    @Test(arguments: targets)
    func `a request without a login gives 401`(method: HTTPRequest.Method, target: String) throws {
        try HandledQueues.with { api throws in
            let fields: [KeyValuePairs<String, String>] = [
                [:], ["Authorization": "Bearer x"], ["Authorization": "Basic !"], ["Authorization": "Basic Zm9v"],
                ["Authorization": "Basic /zo="],
            ]
            for fields in fields {
                let response = try api.response(method, target, login: nil, fields: fields)
                #expect(response.head.status == .unauthorized)
                #expect(response.head.headerFields[.wwwAuthenticate] == "Basic realm=\"Postroom\", charset=\"UTF-8\"")
                #expect(try response.isError())
            }
        }
    }

    @Test(arguments: targets)
    func `a wrong login gives 403, for a known and an unknown user`(method: HTTPRequest.Method, target: String) throws {
        try HandledQueues.with { api throws in
            for login in [
                "anna:Secret", "anna:", "Anna:secret", "nobody:secret", ":", "anna:secret ", "anna:geheim", "anna:ü",
            ] {
                let response = try api.response(method, target, login: login)
                #expect(response.head.status == .forbidden)
                #expect(response.head.headerFields[.wwwAuthenticate] == nil)
                #expect(try response.isError())
            }
        }
    }

    @Test(arguments: [PasswordHash.Kind.plain, .digest(.sha1), .digest(.sha512), .digest(.blake2s), .argon2id])
    func `a user can log in with a hash of each type, several times`(kind: PasswordHash.Kind) throws {
        var random = SystemRandomNumberGenerator()
        let hash = try #require(PasswordHash(Array("pass:wörd;".utf8), kind, random: &random))
        let users = #"{"name": "ü", "pass_hash": "\#(hash.text)"}"#
        try HandledQueues.with(configurationText(users: users), hashKind: kind) { api throws in
            for _ in 0..<3 { #expect(try api.status(.get, "/queues", login: "ü:pass:wörd;") == 200) }
            #expect(try api.status(.get, "/queues", login: "ü:pass:wörd") == 403)
            #expect(try api.status(.get, "/queues", login: "x:pass:wörd;") == 403)
        }
    }

    // MARK: Slowing down

    @Test func `after twenty failures every login of the user gives 429 with the delay`() throws {
        try HandledQueues.with { api throws in
            for index in 0..<20 {
                #expect(try api.status(.get, "/queues", login: "anna:x\(index)", from: "1.1.1.1") == 403)
            }
            for login in ["anna:x", HandledQueues.anna] {
                let response = try api.response(.get, "/queues", login: login, from: "1.1.1.2")
                #expect(response.head.status == .tooManyRequests)
                #expect(response.head.headerFields[.retryAfter] == "3")
                #expect(try response.isError())
            }
            // Other users are not affected.
            #expect(try api.status(.get, "/queues", login: HandledQueues.bert, from: "1.1.1.1") == 200)
            api.clock.seconds = 1.5
            #expect(try api.response(.get, "/queues", from: "1.1.1.2").head.headerFields[.retryAfter] == "2")
            api.clock.seconds = 3
            #expect(try api.status(.get, "/queues", from: "1.1.1.2") == 200)
        }
    }

    @Test func `failures elsewhere do not lock a user out at an address of an earlier login`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/queues", from: "1.1.1.1") == 200)
            for index in 0..<25 { _ = try api.status(.get, "/queues", login: "anna:x\(index)", from: "2.2.2.2") }
            #expect(try api.status(.get, "/queues", from: "2.2.2.2") == 429)
            #expect(try api.status(.get, "/queues", from: "3.3.3.3") == 429)
            #expect(try api.status(.get, "/queues", from: "1.1.1.1") == 200)
            for index in 0..<20 {
                #expect(try api.status(.get, "/queues", login: "anna:x\(index)", from: "1.1.1.1") == 403)
            }
            #expect(try api.status(.get, "/queues", from: "1.1.1.1") == 429)
        }
    }

    @Test func `an address that tries many users is slowed down`() throws {
        try HandledQueues.with { api throws in
            for index in 0..<100 {
                #expect(try api.status(.get, "/queues", login: "user \(index):x", from: "2001:db8::\(index)") == 403)
            }
            #expect(try api.status(.get, "/queues", from: "2001:db8::ffff:1") == 429)
            #expect(try api.status(.get, "/queues", from: "2001:db8:0:1::1") == 200)
        }
    }

    @Test func `unknown users are slowed down like known ones`() throws {
        try HandledQueues.with { api throws in
            for index in 0..<20 { #expect(try api.status(.get, "/queues", login: "nobody:x\(index)") == 403) }
            #expect(try api.status(.get, "/queues", login: "nobody:x") == 429)
        }
    }

    @Test func `posting and the time need no login, and are never slowed down`() throws {
        try HandledQueues.with { api throws in
            for index in 0..<200 { _ = try api.status(.get, "/queues", login: "anna:x\(index)", from: "1.1.1.1") }
            #expect(try api.status(.post, "/q/open", "a", from: "1.1.1.1") == 200)
            #expect(try api.status(.get, "/time", from: "1.1.1.1") == 200)
        }
    }

    // MARK: Passwords

    private func object(_ password: String) -> String { #"{"password": "\#(password)"}"# }

    @Test func `a new password is valid at once and in the file, and the old one is not`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            let unloaded = HandledQueues.text.replacing("plain;;geheim", with: "plain;;edited") + "// the end"
            api.file.text = unloaded
            #expect(try api.response(.post, "/setPassword", .whole(Array(object("sésame;").utf8))).isEmptySuccess)
            #expect(try api.status(.get, "/queues") == 403)
            #expect(try api.status(.get, "/queues", login: "anna:sésame;") == 200)
            #expect(try api.status(.get, "/read/c", login: "anna:sésame;") == 200)
            // Other edits of the file are kept, and not yet applied.
            #expect(try api.status(.get, "/queues", login: HandledQueues.bert) == 200)
            let hash = try #require(api.file.text?.firstMatch(of: /sha512;[0-9a-f]{32};[0-9a-f]{128}/)).output
            #expect(api.file.text?.replacing(hash, with: "plain;;secret") == unloaded)
            #expect(try api.status(.post, "/reload", login: "anna:sésame;") == 200)
            #expect(try api.status(.get, "/queues", login: "bert:edited") == 200)
        }
    }

    @Test(arguments: ["äöüßé€", "\\ud83d\\ude00aaaaa", "e\u{301}e\u{301}e\u{301}", "123456", "      ", ";;;;;;"])
    func `a password of six characters is accepted`(password: String) throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.post, "/setPassword", object(password)) == 200)
            #expect(try api.status(.get, "/queues") == 403)
        }
    }

    @Test(arguments: [
        "", "secret", "{}", "[]", "null", #"{"password": null}"#, #"{"password": 123456}"#,
        #"{"password": ["secret"]}"#,
        #"{"Password": "secret7"}"#, #"{"password": "secret7""#, #"{"password": "12345"}"#, #"{"password": ""}"#,
        #"{"password": "äöüßé"}"#, #"{"password": "\ud83d\ude00aaaa"}"#, #"["password"]"#,
    ])
    func `an invalid password is refused, and nothing changes`(body: String) throws {
        try HandledQueues.with { api throws in
            let response = try api.response(.post, "/setPassword", .whole(Array(body.utf8)))
            #expect(response.head.status == .badRequest)
            #expect(try response.isError())
            #expect(try api.status(.get, "/queues") == 200)
            #expect(api.file.text == HandledQueues.text)
        }
    }

    @Test(arguments: [
        Request.Body.tooLarge, .incomplete, .whole([0xff]),
        .whole(Array("{\"password\": \"secre\u{7f}\"".utf8) + [0xff]),
    ])
    func `a body that is incomplete, too large or not text is refused`(body: Request.Body) throws {
        try HandledQueues.with { api throws in
            #expect(try api.response(.post, "/setPassword", body).head.status == .badRequest)
            #expect(try api.status(.get, "/queues") == 200)
        }
    }

    @Test func `a password may be sent in UTF-16, and with other members`() throws {
        try HandledQueues.with { api throws in
            let text = #"{"x": [], "password": "sésame"}"#
            let body: [UInt8] = [0xff, 0xfe] + text.utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
            #expect(try api.response(.post, "/setPassword", .whole(body)).isEmptySuccess)
            #expect(try api.status(.get, "/queues", login: "anna:sésame") == 200)
        }
    }

    @Test func `a retried request sets the password once`() throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.post, "/setPassword", object("sesame"), id: 1) == 200)
            let text = api.file.text
            // By then the login of the request is wrong.
            #expect(try api.status(.post, "/setPassword", object("sesame"), id: 1) == 200)
            #expect(api.file.text == text)
            #expect(try api.status(.post, "/setPassword", object("sesame"), id: 2) == 403)
        }
    }

    @Test(
        arguments: [
            (.missing, nil, 409), (.unreadable("it is a directory"), nil, 409), (nil, .unwritable("no room"), 503),
            (nil, nil, 409),
        ] as [(ConfigurationFailure?, ConfigurationFailure?, Int)])
    func `a password that cannot be written to the file is not set`(
        reading: ConfigurationFailure?, writing: ConfigurationFailure?, status: Int
    ) throws {
        try HandledQueues.with { api throws in
            (api.file.readFailure, api.file.writeFailure) = (reading, writing)
            if reading == nil, writing == nil { api.file.text = configurationText() }
            let response = try api.response(.post, "/setPassword", .whole(Array(object("sesame").utf8)))
            #expect(response.head.status.code == status)
            #expect(try response.isError())
            #expect(try api.status(.get, "/queues") == 200)
            #expect(try api.status(.get, "/queues", login: "anna:sesame") == 403)
        }
    }

    @Test func `a password can be set for a user of the file that is not yet applied`() throws {
        try HandledQueues.with { api throws in
            api.file.text = configurationText(users: #"{"name": "new", "pass_hash": "plain;;*"}"#)
            #expect(try api.setPassword(of: "new", to: "12345") == .tooShort)
            #expect(try api.setPassword(of: "old", to: "123456") == .failed(.unknownUser("old")))
            #expect(try api.setPassword(of: "new", to: "123456") == .changed)
            try api.test.commit()
            #expect(try api.status(.get, "/queues", login: "new:123456") == 403)
            #expect(try api.status(.post, "/reload") == 200)
            #expect(try api.status(.get, "/queues", login: "new:123456") == 200)
        }
    }

    // MARK: Reloads

    @Test(arguments: [HTTPRequest.Method.get, .post])
    func `a reload applies the file`(method: HTTPRequest.Method) throws {
        try HandledQueues.with { api throws in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            api.file.text = HandledQueues.text.replacing(
                #"{"name": "open"}"#, with: #"{"name": "open", "max_message_size": 1}"#)
            #expect(try api.status(.post, "/q/open", "ab") == 200)
            #expect(try api.response(method, "/reload").isEmptySuccess)
            #expect(try api.status(.post, "/q/open", "ab") == 413)
            #expect(try api.response(method, "/reload", login: HandledQueues.bert).head.status == .forbidden)
        }
    }

    @Test func `a reload that removes the user's own right succeeds, and so does its retry`()
        throws
    {
        try HandledQueues.with { api throws in
            api.file.text = configurationText()
            #expect(try api.status(.post, "/reload", id: 1) == 200)
            #expect(try api.status(.post, "/reload", id: 1) == 200)
            #expect(try api.status(.post, "/reload", id: 2) == 403)
        }
    }

    @Test func `a file that cannot be applied is refused with the reason, and changes nothing`() throws {
        try HandledQueues.with { api in
            #expect(try api.status(.get, "/listen/c/open") == 200)
            #expect(try api.status(.post, "/q/open", "a") == 200)
            func refusal(_ code: Int) throws -> String {
                let response = try api.response(.post, "/reload")
                #expect(response.head.status.code == code)
                #expect(try response.isError())
                return try #require(try JSON(parsing: response.body)["message"]?.string)
            }
            api.file.text = "{\n oops"
            #expect(
                try refusal(422).hasSuffix("is invalid: line 2, column 2: expected a member name in double quotes."))
            api.file.text = configurationText(users: [String](repeating: "1", count: 30).joined(separator: ", "))
            let faults = try refusal(422)
            #expect(faults.contains("line 4, column 5, users[0]: must be an object. line 4, column 8, users[1]: "))
            #expect(faults.contains("users[19]") && !faults.contains("users[20]") && faults.hasSuffix(" And 10 more."))
            api.file.text = configurationText(users: #"{"name": "anna", "pass_hash": "plain;;x", "queues": 5}"#)
            #expect(try refusal(422).contains("users[0].queues: must be an array"))
            api.file.text = configurationText(", \"max_message_size\": \(HandledQueues.maximumMessageBytes + 1)")
            #expect(try refusal(422).contains("max_message_size: must be at most 1000000, the value of"))
            api.file.changes = 4
            #expect(try refusal(409).hasSuffix("is being changed. Try again."))
            api.file.changes = 0
            api.file.text = nil
            #expect(try refusal(409).hasSuffix("does not exist."))
            api.file.readFailure = .unreadable("it kept changing while it was read")
            #expect(try refusal(409).hasSuffix("cannot be read: it kept changing while it was read."))
            #expect(try api.read("c") == ["1 a"])
        }
    }

    @Test func `a failure of the store has the form of this API, and Retry-After`() throws {
        for (failure, status) in [(StoreFailure.full, 507), (.unavailable("x"), 503), (.lost("x"), 503)] {
            let response = queueResponse(to: failure)
            #expect(response.head.status.code == status)
            #expect(response.head.headerFields[.retryAfter] == "5")
            #expect(try response.isError())
        }
    }

    @Test(arguments: [0, 1, 2])
    func `a password change succeeds, even if the file changes during it`(changesOfFile: Int) throws {
        let later = Later()
        try HandledQueues.with(background: later) { api throws in
            later.isPrompt = false
            let run = try api.run(.post, "/setPassword", .whole(Array(object("sesame").utf8)), id: 1)
            #expect(run.isWaiting && !later.work.isEmpty)
            api.file.changes = changesOfFile
            while !later.work.isEmpty {
                later.work.removeFirst()()
                run.resume()
            }
            #expect(try run.response()?.isEmptySuccess == true)
            let hash = try #require(try api.test.queues.current(userNamed: "anna")).hash
            #expect(hash.accepts(Array("sesame".utf8)))
            #expect(api.file.text?.contains(hash.text) == true)
            // A retry of the same request.
            #expect(try api.status(.post, "/setPassword", object("sesame"), id: 1) == 200)
        }
    }

    @Test func `a password change that loses to another one leaves the file as in the store`() throws {
        let later = Later()
        try HandledQueues.with(background: later) { api throws in
            later.isPrompt = false
            let run = try api.run(.post, "/setPassword", .whole(Array(object("sesame").utf8)), id: 1)
            let first = later.work.removeFirst()
            later.isPrompt = true
            #expect(try api.setPassword(of: "anna", to: "by an operator") == .changed)
            try api.test.commit()
            first()
            run.resume()
            #expect(try run.response()?.head.status == .forbidden)
            let hash = try #require(try api.test.queues.current(userNamed: "anna")).hash
            #expect(hash.accepts(Array("by an operator".utf8)))
            #expect(api.file.text?.contains(hash.text) == true)
        }
    }

    @Test func `a password change whose commit fails leaves the file as it was`() throws {
        try HandledQueues.with { api throws in
            let before = api.file.text
            api.commitFailure = .full
            let run = try api.run(.post, "/setPassword", .whole(Array(object("sesame").utf8)))
            #expect(throws: StoreFailure.full) { _ = try run.response() }
            #expect(api.file.text == before)
        }
    }

    @Test func `a reload starts over if another one was faster`() throws {
        let later = Later()
        try HandledQueues.with(background: later) { api throws in
            later.isPrompt = false
            let run = try api.run(.post, "/reload", id: 1)
            // It has read the file. Then the file changes, and another reload applies that.
            later.work.removeFirst()()
            later.isPrompt = true
            api.file.text = configurationText(
                users: #"{"name": "anna", "pass_hash": "plain;;secret", "can_reload": true}"#,
                queues: #"{"name": "new"}"#)
            #expect(try api.configure() == .done)
            try api.test.commit()
            run.resume()
            #expect(try run.response()?.isEmptySuccess == true)
            #expect(try api.test.queues.queue(named: "new") != nil && api.test.queues.queue(named: "open") == nil)
        }
    }
}

/// Runs work at once, or when the test does it.
private final class Later: Background {
    var work: [() -> Void] = []
    var takesMore = true
    /// Whether work is run at once.
    var isPrompt = true

    func run<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value, done: @escaping (Value) -> Void
    ) -> Bool {
        if isPrompt {
            done(work())
        } else if takesMore {
            self.work.append { done(work()) }
        }
        return takesMore
    }
}
