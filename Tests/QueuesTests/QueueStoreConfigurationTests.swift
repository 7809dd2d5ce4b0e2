import Cryptography
import HTTP
import Linux
import MappedStore
import Queues
import StoreSupport
import Testing
import Values

/// What every engine must do for reloads and passwords: contract, section 10, row by row.
@Suite struct QueueStoreConfigurationTests {
    @Test(arguments: Engine.allCases)
    func `a configuration is applied with all its settings`(engine: Engine) throws {
        try engine.withStore { test in
            let settings = QueueSettings(
                name: "größe", limits: QueueLimits(messageCount: 1, messageBytes: 2, queueBytes: 3),
                allowedNetworks: try ["1.2.3.4", "10.0.0.0/8", "2001:db8::/32"].map { try #require(IPNetwork($0)) },
                authentication: SenderAuthentication(
                    process: .hmac, algorithm: .blake2b, key: Array("schlüssel".utf8), headerName: "X-Sig"))
            let open = QueueSettings(
                name: "",
                authentication: SenderAuthentication(process: .hash, algorithm: .sha1, key: nil, headerName: nil))
            let hash = try #require(PasswordHash("plain;;a;b"))
            let user = QueueConfiguration.User(name: "ü", hash: hash, mayReload: true, queues: [""])
            let configuration = QueueConfiguration(users: [user], queues: [settings, open])
            try test.configure(configuration)
            #expect(try test.queue("größe").settings == settings)
            #expect(try test.queue("").settings == open)
            let found = try test.user("ü")
            #expect(found.name == "ü" && found.hash == hash && found.mayReload)
            #expect(try test.listen("c", of: "ü", to: "größe") == .unknownQueue)
            #expect(try test.listen("c", of: "ü", to: "") == .listening)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a queue in the old and the new configuration keeps its messages, ids and clients`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.post("a", "b")
            let before = try test.queue()
            try test.configure(users: ["v": [], "u": ["r", "q"]], queues: ["r": QueueLimits(), "q": QueueLimits()])
            #expect(try test.queue() == before)
            try test.post("c")
            #expect(try test.read("c") == test.found([1: "a", 2: "b", 3: "c"], current: 3))
        }
    }

    @Test(arguments: Engine.allCases)
    func `lower limits remove messages at the next post, not at once`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c", "d")
            try test.post("a", "b", "c", "d")
            try test.configure(queues: ["q": QueueLimits(messageCount: 2)])
            #expect(try test.queue().settings.limits.messageCount == 2)
            #expect(try test.overview().queues.map(\.log.count) == [4])
            #expect(try test.read("c") == test.found([1: "a", 2: "b", 3: "c", 4: "d"], current: 4))
            try test.post("e")
            #expect(try test.overview().queues.map(\.log.count) == [2])
            #expect(try test.read("c") == test.found([5: "e"], current: 5))
            #expect(try test.read("d") == .lost(current: 5))
        }
    }

    @Test(arguments: Engine.allCases)
    func `removing a queue disconnects its clients, and adding it again makes a new queue`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c", "d", "e")
            try test.post("a", "b")
            let before = try test.queue()
            try test.configure(queues: [:])
            for _ in 0..<2 { #expect(try test.read("c") == .disconnected) }
            #expect(try test.queues.hasNews(for: "c", of: test.user()))
            #expect(try test.listen("c") == .unknownQueue)
            #expect(try test.read("c") == .disconnected)
            #expect(try test.unlisten("e"))

            try test.configure()
            #expect(try test.queue().number != before.number)
            #expect(try test.read("c") == .disconnected)
            #expect(try test.listen("c") == .listening)
            try test.post("c")
            #expect(try test.read("c") == test.found([1: "c"], current: 1))
            #expect(try test.read("d") == .disconnected)
            #expect(try test.read("e") == .unknownClient)
        }
    }

    @Test(arguments: Engine.allCases, [false, true])
    func `removing a right disconnects the user's clients, even if it is given back`(
        engine: Engine, isCommitted: Bool
    ) throws {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q"], "v": ["q"]])
            try test.follow("c", "d")
            try test.follow("c", of: "v")
            for users in [["u": [], "v": ["q"]], ["u": ["q"], "v": ["q"]]] as [KeyValuePairs<String, [String]>] {
                let configuration = try EmptyStore.configuration(users: users)
                #expect(try test.queues.configure(configuration, since: nil, for: nil))
                if isCommitted {
                    try test.commit()
                    #expect(try test.read("c") == .disconnected)
                }
            }
            try test.post("a")
            #expect(try test.read("c") == .disconnected)
            #expect(try test.read("c", isManual: true) == .disconnected)
            #expect(try test.read("c", of: "v") == test.found([1: "a"], current: 1))
            #expect(try test.listen("c") == .listening)
            #expect(try test.read("c") == .messages([], current: 1))
            #expect(try test.read("d") == .disconnected)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a disconnected client may listen to another queue`(engine: Engine) throws {
        try engine.withStore { test in
            let queues: KeyValuePairs = ["q": QueueLimits(), "r": QueueLimits()]
            try test.configure(users: ["u": ["q"]], queues: queues)
            try test.follow("c")
            try test.configure(users: ["u": ["r"]], queues: queues)
            #expect(try test.listen("c", to: "q") == .unknownQueue)
            #expect(try test.read("c") == .disconnected)
            #expect(try test.listen("c", to: "r") == .listening)
            try test.configure(users: ["u": ["q", "r"]], queues: queues)
            try test.post("a", to: "r")
            #expect(try test.read("c") == test.found([1: "a"], current: 1))
        }
    }

    @Test(arguments: Engine.allCases)
    func `removing a user removes the clients, and adding it again makes a new user`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            let before = try test.user()
            try test.configure(users: [:])
            #expect(try test.queues.user(named: "u") == nil)
            #expect(try test.queues.read("c", of: before, Reading(), for: nil) == .disconnected)
            try test.configure()
            #expect(try test.user().number != before.number)
            #expect(try test.read("c") == .unknownClient)
            #expect(try test.overview().clients == [])
            try test.follow("c")
        }
    }

    @Test(arguments: Engine.allCases)
    func `a user in the old and the new configuration keeps the clients, with a new hash and rights`(engine: Engine)
        throws
    {
        try engine.withQueue { test in
            try test.follow("c")
            let before = try test.user()
            let hash = try #require(PasswordHash("plain;;other"))
            var configuration = try EmptyStore.configuration()
            configuration.users = [.init(name: "u", hash: hash, mayReload: true, queues: ["q", "q"])]
            try test.configure(configuration)
            #expect(try test.user() == User(number: before.number, name: "u", hash: hash, mayReload: true))
            #expect(try test.read("c") == .messages([], current: 0))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a right to a missing queue applies once the queue is there`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(queues: [:])
            #expect(try test.listen("c") == .unknownQueue)
            try test.configure()
            #expect(try test.listen("c") == .listening)
        }
    }

    @Test(arguments: Engine.allCases)
    func `the order of users and queues does not matter`(engine: Engine) throws {
        try engine.withStore { test in
            let (some, other) = (QueueLimits(messageCount: 1), QueueLimits(messageCount: 2))
            try test.configure(users: ["u": ["q", "r"], "v": ["r"]], queues: ["q": some, "r": other])
            try test.follow("c")
            let before = try (test.queue("q"), test.queue("r"), test.user("u"), test.user("v"), test.overview())
            try test.configure(users: ["v": ["r"], "u": ["r", "q"]], queues: ["r": other, "q": some])
            #expect(try test.queue("q") == before.0)
            #expect(try test.queue("r") == before.1)
            #expect(try test.user("u") == before.2)
            #expect(try test.user("v") == before.3)
            #expect(try test.overview() == before.4)
        }
    }

    @Test(arguments: Engine.allCases)
    func `names that only look the same are different queues and users`(engine: Engine) throws {
        try engine.withStore { test in
            let (composed, decomposed) = ("\u{e9}", "e\u{301}")
            try test.configure(
                users: [composed: [decomposed], decomposed: [composed]],
                queues: [composed: QueueLimits(), decomposed: QueueLimits()])
            #expect(try test.queue(composed).number != test.queue(decomposed).number)
            #expect(try test.user(composed).number != test.user(decomposed).number)
            #expect(try test.listen("c", of: composed, to: composed) == .unknownQueue)
            #expect(try test.listen("c", of: composed, to: decomposed) == .listening)
            try test.post("a", to: decomposed)
            #expect(try test.read("c", of: composed) == test.found([1: "a"], current: 1))
            try test.configure(users: [composed: [decomposed]], queues: [decomposed: QueueLimits()])
            #expect(try test.queues.queue(named: composed) == nil)
            #expect(try test.queues.user(named: decomposed) == nil)
            #expect(try test.read("c", of: composed) == .messages([], current: 1))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a configuration that was read before a later change is not applied`(engine: Engine) throws {
        try engine.withQueue { test in
            let revision = try test.queues.configurationRevision()
            let older = try EmptyStore.configuration(users: ["u": ["q"]], queues: ["q": QueueLimits()])
            try test.configure(users: ["u": ["q"]], queues: ["q": QueueLimits(), "r": QueueLimits()])
            #expect(try test.queues.configurationRevision() != revision)
            #expect(try !test.queues.configure(older, since: revision, for: test.request(1)))
            #expect(try !test.queues.hasConfigured(test.request(1)))
            try test.commit()
            #expect(try test.queues.queue(named: "r") != nil)
            // A new password is a change too: the file may have been read before it.
            let later = try test.queues.configurationRevision()
            #expect(try test.queues.setPassword(of: "u", to: try #require(PasswordHash("plain;;new")), for: nil))
            #expect(try !test.queues.configure(older, since: later, for: nil))
            try test.commit()
            let current = try test.queues.configurationRevision()
            #expect(try test.queues.configure(older, since: current, for: nil))
            try test.commit()
            #expect(try test.queues.queue(named: "r") == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func `very many queues and as many rights can be applied and removed`(engine: Engine) throws {
        // A database is asked for each of them, which takes some milliseconds.
        let count = engine == .mapped ? 10_000 : 500
        try engine.withStore { test in
            var configuration = try EmptyStore.configuration(users: ["u": []], queues: [:])
            let names = (0..<count).map { "queue \($0)" }
            let hash = try #require(PasswordHash("plain;;x"))
            configuration.queues = names.map { QueueSettings(name: $0) }
            configuration.users = [.init(name: "u", hash: hash, queues: names)]
            try test.configure(configuration)
            #expect(try test.overview().queues.count == count)
            try test.configure()
            #expect(try test.overview().queues.map(\.name) == ["q"])
        }
    }

    // MARK: Passwords

    @Test(arguments: Engine.allCases)
    func `a new password replaces the hash, and nothing else`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q"], "v": ["q"]])
            try test.follow("c")
            var wanted = try (test.user(), test.user("v"))
            wanted.0.hash = try #require(PasswordHash("plain;;new"))
            #expect(try test.queues.setPassword(of: "u", to: wanted.0.hash, for: test.request(1)))
            try test.commit()
            #expect(try test.user() == wanted.0)
            #expect(try test.user("v") == wanted.1)
            #expect(try test.queues.hasConfigured(test.request(1)))
            #expect(try test.read("c") == .messages([], current: 0))
        }
    }

    @Test(arguments: Engine.allCases)
    func `setting the password of a user that is not applied creates no user`(engine: Engine) throws {
        try engine.withQueue { test in
            let hash = try #require(PasswordHash("plain;;new"))
            #expect(try test.queues.setPassword(of: "new", to: hash, for: nil))
            try test.commit()
            #expect(try test.queues.user(named: "new") == nil)
        }
    }
}
