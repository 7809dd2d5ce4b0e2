import HTTP
import MappedStore
import Queues
import StoreSupport
import Testing
import Values

/// What every engine must do for retried requests and for logins.
@Suite struct QueueStoreRequestTests {
    // MARK: Retried requests

    @Test(arguments: Engine.allCases, [false, true])
    func `a retried request stores one message`(engine: Engine, isCommitted: Bool) throws {
        try engine.withQueue { test in
            try test.follow("c")
            for _ in 0..<3 {
                #expect(try test.queues.post(test.message("a"), to: test.queue(), for: test.request(1)))
                if isCommitted { try test.commit() }
            }
            #expect(try test.queues.post(test.message("a"), to: test.queue(), for: test.request(2)))
            try test.commit()
            #expect(try test.read("c") == test.found([1: "a", 2: "a"], current: 2))
        }
    }

    @Test(arguments: Engine.allCases, [false, true])
    func `a retried request uses one id`(engine: Engine, isCommitted: Bool) throws {
        try engine.withQueue { test in
            try test.follow("c")
            for _ in 0..<3 {
                try test.queues.skip(in: test.queue(), for: test.request(1))
                if isCommitted { try test.commit() }
            }
            try test.commit()
            #expect(try test.read("c") == .lost(current: 1))
            try test.skip(for: test.request(1))
            #expect(try test.read("c") == .messages([], current: 1))
        }
    }

    @Test(arguments: Engine.allCases, [false, true])
    func `a retried request to listen succeeds, and listens once`(
        engine: Engine, isCommitted: Bool
    ) throws {
        try engine.withQueue { test in
            for _ in 0..<3 {
                #expect(try test.queues.listen("c", of: test.user(), to: "q", for: test.request(1)) == .listening)
                if isCommitted { try test.commit() }
            }
            try test.commit()
            try test.post("a")
            #expect(try test.listen("c", for: test.request(1)) == .listening)
            #expect(try test.read("c") == test.found([1: "a"], current: 1))
            #expect(try test.listen("c", for: test.request(2)) == .inUse)
            #expect(try test.listen("c", for: test.request(2)) == .inUse)
        }
    }

    @Test(arguments: Engine.allCases, [false, true])
    func `a retried request to unlisten ends one client, and not a later one`(
        engine: Engine, isCommitted: Bool
    ) throws {
        try engine.withQueue { test in
            try test.follow("c")
            for _ in 0..<3 {
                #expect(try test.queues.unlisten("c", of: test.user(), for: test.request(1)))
                if isCommitted { try test.commit() }
            }
            try test.commit()
            #expect(try test.unlisten("c", for: test.request(2)) == false)
            try test.follow("c")
            #expect(try test.unlisten("c", for: test.request(1)))
            #expect(try test.read("c") == .messages([], current: 0))
        }
    }

    @Test(arguments: Engine.allCases, [false, true])
    func `a retried read gets the same messages`(engine: Engine, isCommitted: Bool) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.post("a", "b", "c")
            for _ in 0..<3 {
                let found = try test.queues.read("c", of: test.user(), Reading(limit: 2), for: test.request(1))
                #expect(found == test.found([1: "a", 2: "b"], current: 3))
                if isCommitted { try test.commit() }
            }
            try test.commit()
            try test.post("d")
            #expect(try test.read("c", for: test.request(2)) == test.found([3: "c", 4: "d"], current: 4))
            #expect(try test.read("c", limit: 2, for: test.request(1)) == test.found([1: "a", 2: "b"], current: 4))
            #expect(try test.read("c", for: test.request(2)) == test.found([3: "c", 4: "d"], current: 4))
            #expect(try test.read("c", for: test.request(3)) == .messages([], current: 4))
        }
    }

    @Test(arguments: Engine.allCases, [false, true])
    func `a retried read gets the same loss`(engine: Engine, isCommitted: Bool) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.skip()
            for _ in 0..<3 {
                let found = try test.queues.read("c", of: test.user(), Reading(), for: test.request(1))
                #expect(found == .lost(current: 1))
                if isCommitted { try test.commit() }
            }
            try test.commit()
            #expect(try test.read("c", for: test.request(2)) == .messages([], current: 1))
            try test.post("a")
            #expect(try test.read("c", for: test.request(1)) == .lost(current: 2))
            #expect(try test.read("c", for: test.request(2)) == test.found([2: "a"], current: 2))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a retried read gets a loss if its messages have rolled off`(engine: Engine) throws {
        try engine.withQueue(QueueLimits(messageCount: 2)) { test in
            try test.follow("c")
            try test.post("a", "b")
            #expect(try test.read("c", for: test.request(1)) == test.found([1: "a", 2: "b"], current: 2))
            try test.post("c")
            #expect(try test.read("c", for: test.request(1)) == .lost(current: 3))
            #expect(try test.read("c", for: test.request(2)) == test.found([3: "c"], current: 3))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a retried read that found nothing gets newer messages`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            #expect(try test.read("c", for: test.request(1)) == .messages([], current: 0))
            try test.post("a")
            #expect(try test.read("c", for: test.request(1)) == test.found([1: "a"], current: 1))
            #expect(try test.read("c", for: test.request(1)) == test.found([1: "a"], current: 1))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a retried read of a client that has ended gets none of its messages`(engine: Engine)
        throws
    {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q", "r"]], queues: ["q": QueueLimits(), "r": QueueLimits()])
            try test.follow("c")
            try test.post("a")
            #expect(try test.read("c", for: test.request(1)) == test.found([1: "a"], current: 1))
            #expect(try test.unlisten("c"))
            #expect(try test.read("c", for: test.request(1)) == .unknownClient)
            try test.follow("c", queue: "r")
            #expect(try test.read("c", for: test.request(1)) == .lost(current: 0))
            #expect(try test.read("c") == .messages([], current: 0))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a change of the configuration is recorded with its request`(engine: Engine) throws {
        try engine.withQueue { test in
            #expect(try !test.queues.hasConfigured(test.request(9)))
            #expect(try !test.queues.hasConfigured(nil))
            try test.configure(for: test.request(9))
            #expect(try test.queues.hasConfigured(test.request(9)))
            #expect(try !test.queues.hasConfigured(test.request(8)))
            let hash = try #require(PasswordHash("plain;;new"))
            #expect(try test.queues.setPassword(of: "u", to: hash, for: test.request(8)))
            #expect(try !test.queues.hasConfigured(test.request(8)))
            try test.commit()
            #expect(try test.queues.hasConfigured(test.request(8)))
        }
    }

    @Test(arguments: Engine.allCases)
    func `without a request id every attempt counts`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.post("a", "a")
            #expect(try test.read("c") == test.found([1: "a", 2: "a"], current: 2))
            #expect(try test.listen("c") == .inUse)
            #expect(try test.unlisten("c"))
            #expect(try test.unlisten("c") == false)
        }
    }

    // MARK: Logins

    private static let here = LoginAttempt(name: "u", address: "1.2.3.4")

    @Test(arguments: Engine.allCases)
    func `a login without attempts has an empty record`(engine: Engine) throws {
        try engine.withStore { test in
            let record = try test.queues.logins(Self.here)
            #expect(record == LoginRecord())
        }
    }

    @Test(arguments: Engine.allCases)
    func `failures count at once, and not if they are rolled back`(engine: Engine) throws {
        try engine.withStore { test in
            let now = test.moment.steady
            let once = LoginLimits.failed(LoginRecord(), at: now)
            let twice = LoginLimits.failed(once, at: now)
            try test.queues.recordFailure(Self.here, at: now)
            #expect(try test.queues.logins(Self.here) == once)
            test.rollBack()
            #expect(try test.queues.logins(Self.here) == LoginRecord())
            try test.queues.recordFailure(Self.here, at: now)
            try test.queues.recordFailure(Self.here, at: now)
            #expect(try test.queues.logins(Self.here) == twice)
            try test.commit()
            #expect(try test.queues.logins(Self.here) == twice)
        }
    }

    @Test(arguments: Engine.allCases)
    func `the guesses of one turn are limited as well`(engine: Engine) throws {
        try engine.withStore { test in
            var checked = 0
            for _ in 0..<1000 {
                guard try LoginLimits.delay(test.queues.logins(Self.here), at: test.moment.steady) == nil else {
                    continue
                }
                checked += 1
                try test.queues.recordFailure(Self.here, at: test.moment.steady)
            }
            #expect(checked == 20)
        }
    }

    @Test(arguments: Engine.allCases)
    func `users and addresses are counted separately`(engine: Engine) throws {
        try engine.withStore { test in
            let now = test.moment.steady
            try test.queues.recordFailure(Self.here, at: now)
            try test.commit()
            let once = LoginLimits.failed(LoginRecord(), at: now)
            func record(_ name: String, _ address: String?) throws -> LoginRecord {
                try test.queues.logins(LoginAttempt(name: name, address: address))
            }
            #expect(try record("u", "1.2.3.5") == LoginRecord(user: once.user))
            #expect(try record("v", "1.2.3.4") == LoginRecord(address: once.address))
            #expect(try record("v", "::ffff:1.2.3.4") == LoginRecord(address: once.address))
            #expect(try record("v", "1.2.3.5") == LoginRecord())
            #expect(try record("U", nil) == LoginRecord())
            #expect(try record("u", nil) == LoginRecord(user: once.user))
        }
    }

    @Test(arguments: Engine.allCases)
    func `names are compared byte for byte, whatever their length`(engine: Engine) throws {
        try engine.withStore { test in
            let names = [
                "\u{e9}", "e\u{301}", "", String(repeating: "x", count: 8192), String(repeating: "x", count: 8193),
            ]
            for name in names {
                let attempt = LoginAttempt(name: name, address: nil)
                #expect(try test.queues.logins(attempt) == LoginRecord())
                try test.queues.recordFailure(attempt, at: test.moment.steady)
                try test.commit()
                #expect(try test.queues.logins(attempt).user != nil)
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func `after a login from an address, failures there are counted separately`(engine: Engine) throws {
        try engine.withStore { test in
            let now = test.moment.steady
            let known = try #require(LoginLimits.succeeded(LoginRecord(), at: now))
            try test.queues.recordSuccess(Self.here, at: now)
            try test.commit()
            #expect(try test.queues.logins(Self.here) == known)
            try test.queues.recordSuccess(Self.here, at: now.adding(seconds: 60))
            try test.queues.recordFailure(Self.here, at: now)
            try test.commit()
            #expect(try test.queues.logins(Self.here) == LoginLimits.failed(known, at: now))
            let elsewhere = LoginAttempt(name: "u", address: "5.6.7.8")
            #expect(try test.queues.logins(elsewhere) == LoginRecord())
            for _ in 0..<30 { try test.queues.recordFailure(elsewhere, at: now) }
            try test.commit()
            #expect(try LoginLimits.delay(test.queues.logins(elsewhere), at: now) != nil)
            #expect(try LoginLimits.delay(test.queues.logins(Self.here), at: now) == nil)
        }
    }
}
