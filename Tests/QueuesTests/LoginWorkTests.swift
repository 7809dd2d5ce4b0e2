import Cryptography
import HTTP
import HTTPTypes
import MappedStore
import StoreSupport
import Testing
import Values

@testable import Queues

/// The work of a failed login, and how failures are counted.
@Suite struct LoginWorkTests {
    /// Cheap enough for a test. A hash of another cost is other work.
    private static let costly =
        "argon2id;;$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI"
    private static let costlier =
        "argon2id;;$argon2id$v=19$m=128,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    private static let digest = "sha512;s;\(String(repeating: "0", count: 128))"
    private static let plain = "plain;;secret"

    private func users(_ hashes: [String]) -> String {
        hashes.enumerated().map { #"{"name": "user\#($0)", "pass_hash": "\#($1)", "can_reload": true}"# }
            .joined(separator: ", ")
    }

    /// The kinds of hashes that one failed login computes.
    private func work(of name: String, _ api: HandledQueues, password: String = "wrong") throws -> [String] {
        var made: [String] = []
        api.handlers.passwords.onHash = { made.append($0.work) }
        defer { api.handlers.passwords.onHash = { _ in } }
        #expect(try api.status(.get, "/queues", login: "\(name):\(password)") == 403)
        return made.sorted()
    }

    @Test(
        arguments: [
            [plain], [digest], [costly], [plain, plain], [digest, costly], [plain, digest, costly, costlier], [],
        ], [PasswordHash.Kind.digest(.sha512), .argon2id])
    func `a failed login takes the same work for a known and an unknown user`(
        hashes: [String], newHashes: PasswordHash.Kind
    ) throws {
        try HandledQueues.with(configurationText(users: users(hashes)), hashKind: newHashes) { api throws in
            let unknown = try work(of: "nobody", api)
            // Some work is always done.
            #expect(Set(unknown).count == unknown.count && unknown.count == max(1, Set(hashes).count))
            for index in hashes.indices { #expect(try work(of: "user\(index)", api) == unknown) }
            #expect(try work(of: "", api, password: "") == unknown)
        }
    }

    @Test func `a correct login computes only its own hash`() throws {
        try HandledQueues.with(configurationText(users: users([Self.plain, Self.costly]))) { api throws in
            var made: [String] = []
            api.handlers.passwords.onHash = { made.append($0.work) }
            #expect(try api.status(.get, "/queues", login: "user0:secret") == 200)
            #expect(made == ["plain"])
        }
    }

    @Test func `failed logins compute the kinds of hashes of the reloaded file`() throws {
        try HandledQueues.with(configurationText(users: users([Self.plain]))) { api throws in
            #expect(try work(of: "nobody", api) == ["plain"])
            api.file.text = configurationText(users: users([Self.plain, Self.costly]))
            #expect(try api.status(.post, "/reload", login: "user0:secret") == 200)
            #expect(try work(of: "nobody", api, password: "other") == work(of: "user0", api, password: "other"))
            #expect(try work(of: "nobody", api, password: "third").count == 2)
        }
    }

    @Test func `the password of another user takes as much work as any wrong one`() throws {
        try HandledQueues.with(configurationText(users: users([Self.costly]))) { api throws in
            #expect(try api.status(.get, "/queues", login: "user0:password") == 200)
            // It is known only for the user for whom it was correct.
            #expect(try work(of: "nobody", api, password: "password").count == 1)
        }
    }

    @Test func `an expensive hash of the same wrong password is computed once`() throws {
        try HandledQueues.with(configurationText(users: users([Self.costly]))) { api throws in
            for name in ["user0", "nobody"] {
                #expect(try work(of: name, api).count == 1)
                for _ in 0..<30 { #expect(try work(of: name, api) == []) }
            }
            #expect(try api.status(.get, "/queues", login: "user0:password") == 200)
        }
    }

    // MARK: Counting

    @Test func `the same wrong password from the same address counts as one failure`() throws {
        try HandledQueues.with { api throws in
            for seconds in 0..<300 {
                api.clock.seconds = Double(seconds)
                #expect(try api.status(.get, "/queues", login: "anna:old", from: "1.1.1.1") == 403)
            }
            #expect(try api.status(.get, "/queues", from: "1.1.1.1") == 200)
            // Other passwords, or the same one from another address, count as well.
            for index in 0..<20 { _ = try api.status(.get, "/queues", login: "anna:old\(index)", from: "2.2.2.2") }
            #expect(try api.status(.get, "/queues", from: "2.2.2.2") == 429)
            #expect(try api.status(.get, "/queues", login: "anna:old", from: "2.2.2.2") == 429)
            #expect(try api.status(.get, "/queues", from: "1.1.1.1") == 200)
        }
    }

    @Test func `a wrong password that was not tried for ten minutes counts again`() throws {
        try Engine.mapped.withStore { test throws in
            let attempt = LoginAttempt(name: "u", address: "1.1.1.1").guessing(Array("old".utf8), key: [1])
            let other = LoginAttempt(name: "u", address: "1.1.1.1").guessing(Array("new".utf8), key: [1])
            #expect(attempt.guess != other.guess)
            func fail(_ attempt: LoginAttempt, after seconds: Double) throws -> Double {
                let now = test.moment.steady.adding(seconds: seconds)
                try test.queues.recordFailure(attempt, at: now)
                try test.commit()
                return try #require(try test.queues.logins(attempt).user).seconds(since: now)
            }
            #expect(try fail(attempt, after: 0) == 3)
            #expect(try fail(attempt, after: 299) == 3 - 299)
            #expect(try fail(attempt, after: 590) == 3 - 590)
            // It was tried again in between, and so is remembered for longer.
            #expect(try fail(attempt, after: 1100) == 3 - 1100)
            #expect(try fail(attempt, after: 1701) == 3)
            #expect(try fail(other, after: 1701) == 6)
            // Also within one turn, before the commit.
            let third = LoginAttempt(name: "v", address: nil).guessing(Array("x".utf8), key: [1])
            for _ in 0..<5 { try test.queues.recordFailure(third, at: test.moment.steady) }
            try test.commit()
            #expect(try test.queues.logins(third).user == test.moment.steady.adding(seconds: 3))
        }
    }
}

/// Writes for a queue or a user that was read before a reload or a change of the password.
@Suite struct StaleQueueTests {
    private static func text(_ limit: Int, _ hash: String = "plain;;secret") -> String {
        configurationText(
            users: #"{"name": "anna", "pass_hash": "\#(hash)", "queues": ["q"]}"#,
            queues: #"{"name": "q", "max_message_count": \#(limit)}"#)
    }

    @Test func `a message is not stored by outdated limits of its queue`() throws {
        try HandledQueues.with(Self.text(1)) { api throws in
            let stale = try #require(try api.test.queues.queue(named: "q"))
            api.file.text = Self.text(10)
            #expect(try api.configure() == .done)
            try api.test.commit()
            #expect(try api.status(.get, "/listen/c/q") == 200)
            for body in ["a", "b"] { #expect(try api.status(.post, "/q/q", body) == 200) }
            let message = Message(body: Array("c".utf8), receivedAt: api.test.moment.wall)
            #expect(try !api.test.queues.post(message, to: stale, for: nil))
            #expect(try !api.test.queues.skip(in: stale, for: nil))
            let current = try #require(try api.test.queues.current(stale))
            #expect(current.settings.limits.messageCount == 10 && current.number == stale.number)
            #expect(try api.test.queues.post(message, to: current, for: nil))
            try api.test.commit()
            #expect(try api.read("c") == ["1 a", "2 b", "3 c"])
        }
    }

    @Test func `a login with an outdated password does not change the password`() throws {
        try HandledQueues.with(Self.text(1)) { api throws in
            let stale = try #require(try api.test.queues.user(named: "anna"))
            #expect(try api.setPassword(of: "anna", to: "second", by: stale) == .changed)
            // Also in the turn of the change, before the commit.
            #expect(try api.setPassword(of: "anna", to: "third!", by: stale) == .failed(.loginChanged))
            try api.test.commit()
            #expect(try api.setPassword(of: "anna", to: "third!", by: stale) == .failed(.loginChanged))
            try api.test.commit()
            #expect(try api.status(.get, "/queues", login: "anna:second") == 200)
            #expect(try api.setPassword(of: "anna", to: "by an operator") == .changed)
        }
    }
}
