import HTTP
import MappedStore
import Queues
import StoreSupport
import Testing
import Values

/// What every engine must do for clients and their reads.
@Suite struct QueueStoreClientTests {
    // MARK: Listening

    @Test(arguments: Engine.allCases)
    func `a client begins after the newest message`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.post("a", "b")
            try test.follow("c")
            #expect(try test.read("c") == .messages([], current: 2))
            try test.post("d")
            #expect(try test.read("c") == test.found([3: "d"], current: 3))
            #expect(try test.read("c") == .messages([], current: 3))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a client can listen only to existing queues in the user's list`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q", "none"]], queues: ["q": QueueLimits(), "hidden": QueueLimits()])
            for queue in ["none", "hidden", "nowhere", "Q", "q ", ""] {
                #expect(try test.listen("c", to: queue) == .unknownQueue, "\(queue)")
            }
            #expect(try test.listen("c") == .listening)
            // The right is checked first.
            #expect(try test.listen("c", to: "hidden") == .unknownQueue)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a client that listens cannot listen again, and loses nothing by trying`(engine: Engine)
        throws
    {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q", "r"]], queues: ["q": QueueLimits(), "r": QueueLimits()])
            try test.follow("c")
            try test.post("a")
            #expect(try test.listen("c") == .inUse)
            #expect(try test.listen("c", to: "r") == .inUse)
            #expect(try test.read("c") == test.found([1: "a"], current: 1))
        }
    }

    @Test(arguments: Engine.allCases)
    func `only one of two clients of the same name in one turn can listen`(engine: Engine) throws {
        try engine.withQueue { test in
            #expect(try test.queues.listen("c", of: test.user(), to: "q", for: test.request(1)) == .listening)
            #expect(try test.queues.listen("c", of: test.user(), to: "q", for: test.request(2)) == .inUse)
            try test.commit()
            #expect(try test.read("c") == .messages([], current: 0))
        }
    }

    @Test(arguments: Engine.allCases)
    func `clients belong to their user, and names are compared byte for byte`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q"], "v": ["q"]])
            let names = ["c", "C", "c ", "\u{e9}", "e\u{301}", "c\0", String(repeating: "x", count: 8192), ""]
            for name in names { try test.follow(name) }
            #expect(try test.listen("c", of: "v") == .listening)
            #expect(try test.unlisten("C", of: "v") == false)
            #expect(try test.read("C", of: "v") == .unknownClient)
            try test.post("a")
            for name in names { #expect(try test.read(name) == test.found([1: "a"], current: 1)) }
            #expect(try test.read("c", of: "v") == test.found([1: "a"], current: 1))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a client that no longer listens is unknown, and can listen again`(engine: Engine) throws {
        try engine.withQueue { test in
            #expect(try test.unlisten("c") == false)
            try test.follow("c")
            try test.post("a")
            #expect(try test.unlisten("c"))
            #expect(try test.read("c") == .unknownClient)
            #expect(try test.unlisten("c") == false)
            #expect(try test.queues.hasNews(for: "c", of: test.user()))
            try test.follow("c")
            #expect(try test.read("c") == .messages([], current: 1))
        }
    }

    // MARK: Reading

    @Test(arguments: Engine.allCases)
    func `each client reads every message once`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q"], "v": ["q"]])
            try test.follow("c", "d")
            try test.follow("c", of: "v")
            try test.post("a", "b")
            for (client, user) in [("c", "u"), ("d", "u"), ("c", "v")] {
                #expect(try test.read(client, of: user) == test.found([1: "a", 2: "b"], current: 2))
                #expect(try test.read(client, of: user) == .messages([], current: 2))
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func `reads of one client in one turn do not get the same messages`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.post("a", "b", "c")
            let user = try test.user()
            let first = Reading(limit: 2)
            #expect(
                try test.queues.read("c", of: user, first, for: test.request(1))
                    == test.found([1: "a", 2: "b"], current: 3))
            #expect(
                try test.queues.read("c", of: user, Reading(), for: test.request(2)) == test.found([3: "c"], current: 3)
            )
            #expect(try test.queues.read("c", of: user, Reading(), for: test.request(3)) == .messages([], current: 3))
            test.rollBack()
            #expect(try test.read("c") == test.found([1: "a", 2: "b", 3: "c"], current: 3))
        }
    }

    @Test(arguments: Engine.allCases)
    func `one read returns 34 of 40 messages of a million bytes, and the next one the rest`(engine: Engine)
        throws
    {
        let limits = QueueLimits(messageBytes: 1_000_000, queueBytes: 60_000_000)
        try engine.withQueue(limits) { test in
            #expect(try test.listen("c") == .listening)
            let queue = try test.queue("q")
            let body = [UInt8](repeating: 1, count: 1_000_000)
            for _ in 0..<40 {
                _ = try test.queues.post(Message(body: body, receivedAt: test.moment.wall), to: queue, for: nil)
                try test.commit()
            }
            var ids: [[UInt64]] = []
            for _ in 0..<3 {
                guard case .messages(let messages, current: 40) = try test.read("c") else { break }
                ids.append(messages.map(\.id))
            }
            // Some 34 megabytes are 32 MiB.
            #expect(ids == [Array(1...34), Array(35...40), []])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a limited read returns the oldest messages, and the next one continues after them`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.post("a", "b", "c", "d", "e")
            #expect(try test.read("c", limit: 2) == test.found([1: "a", 2: "b"], current: 5))
            #expect(try test.queues.hasNews(for: "c", of: test.user()))
            #expect(try test.read("c", limit: 2) == test.found([3: "c", 4: "d"], current: 5))
            #expect(try test.read("c", limit: 2) == test.found([5: "e"], current: 5))
            #expect(try test.read("c", limit: 2) == .messages([], current: 5))
            try test.post("f")
            #expect(try test.read("c", limit: 1) == test.found([6: "f"], current: 6))
            #expect(try test.read("c", limit: 1_000_000) == .messages([], current: 6))
        }
    }

    @Test(arguments: Engine.allCases)
    func `with manual acknowledgement, messages come again until they are acknowledged`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.post("a", "b", "c")
            for _ in 0..<2 {
                #expect(try test.read("c", isManual: true) == test.found([1: "a", 2: "b", 3: "c"], current: 3))
                #expect(try test.read("c", limit: 1, isManual: true) == test.found([1: "a"], current: 3))
            }
            #expect(try test.acknowledge(2, by: "c") == .done)
            #expect(try test.read("c", isManual: true) == test.found([3: "c"], current: 3))
            // A late acknowledgement does not move the cursor back.
            for id in [1, 0, 2] as [UInt64] { #expect(try test.acknowledge(id, by: "c") == .done) }
            #expect(try test.acknowledge(4, by: "c") == .unknownMessage)
            #expect(try test.acknowledge(.max, by: "c") == .unknownMessage)
            #expect(try test.read("c", isManual: true) == test.found([3: "c"], current: 3))
            // Both ways of reading share the cursor.
            #expect(try test.read("c") == test.found([3: "c"], current: 3))
            #expect(try test.read("c", isManual: true) == .messages([], current: 3))
        }
    }

    @Test(arguments: Engine.allCases)
    func `with manual acknowledgement, a loss is reported until it is acknowledged`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            try test.post("a")
            try test.skip()
            try test.post("b")
            for _ in 0..<3 { #expect(try test.read("c", isManual: true) == .lost(current: 3)) }
            #expect(try test.acknowledge(1, by: "c") == .done)
            #expect(try test.read("c", isManual: true) == .lost(current: 3))
            #expect(try test.acknowledge(3, by: "c") == .done)
            #expect(try test.read("c", isManual: true) == .messages([], current: 3))
            try test.post("d")
            #expect(try test.read("c", isManual: true) == test.found([4: "d"], current: 4))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a client that does not listen cannot acknowledge`(engine: Engine) throws {
        try engine.withQueue { test in
            #expect(try test.acknowledge(0, by: "c") == .unknownClient)
            try test.follow("c")
            try test.configure(users: ["u": []])
            #expect(try test.acknowledge(0, by: "c") == .disconnected)
            #expect(try test.acknowledge(9, by: "c") == .disconnected)
        }
    }

    // MARK: Overviews

    @Test(arguments: Engine.allCases)
    func `an overview has the user's queues by name, with their contents`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(
                users: ["u": ["r", "q", "none"], "v": []],
                queues: ["r": QueueLimits(messageCount: 1), "s": QueueLimits(), "q": QueueLimits()])
            let first = Message(body: [1, 2, 3], receivedAt: Timestamp(microseconds: 5))
            #expect(try test.queues.post(first, to: test.queue("q"), for: nil))
            try test.post("x", to: "q")
            try test.post("a", "bc", to: "r")
            let overview = try test.overview()
            #expect(
                overview.queues == [
                    .init(
                        settings: QueueSettings(name: "q"), log: QueueLog(current: 2, count: 2, bytes: 4),
                        oldest: first.receivedAt, newest: test.moment.wall),
                    .init(
                        settings: QueueSettings(name: "r", limits: QueueLimits(messageCount: 1)),
                        log: QueueLog(current: 2, first: 2, count: 1, bytes: 2, lost: 1),
                        oldest: test.moment.wall, newest: test.moment.wall),
                ])
            #expect(overview.clients == [] && overview.next == nil)
            #expect(try test.overview(of: "v") == QueueOverview(queues: [], clients: [], next: nil))
        }
    }

    @Test(arguments: Engine.allCases)
    func `an overview has the user's clients, with their cursors`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(
                users: ["u": ["q", "r"], "v": ["q"]], queues: ["q": QueueLimits(), "r": QueueLimits()])
            try test.follow("behind", "done")
            try test.follow("cut off", queue: "r")
            try test.follow("other", of: "v")
            try test.post("a", "b")
            _ = try test.read("done")
            try test.configure(users: ["u": ["q"], "v": ["q"]], queues: ["q": QueueLimits(), "r": QueueLimits()])
            func clients() throws -> [QueueOverview.ClientEntry] {
                try test.overview().clients.sorted { $0.name < $1.name }
            }
            let listening = try clients().filter(\.isConnected)
            #expect(
                listening == [
                    .init(
                        name: "behind", queue: "q", isConnected: true, cursor: 0, lag: 2,
                        oldestUnread: test.moment.wall, hasLost: false),
                    .init(
                        name: "done", queue: "q", isConnected: true, cursor: 2, lag: 0, oldestUnread: nil,
                        hasLost: false),
                ])
            #expect(
                try clients()[1]
                    == .init(
                        name: "cut off", queue: "r", isConnected: false, cursor: 0, lag: nil, oldestUnread: nil,
                        hasLost: false))
            try test.configure(users: ["u": ["q"]])
            #expect(
                try clients()[1]
                    == .init(
                        name: "cut off", queue: nil, isConnected: false, cursor: 0, lag: nil, oldestUnread: nil,
                        hasLost: false))
        }
    }

    @Test(arguments: Engine.allCases, [1, 2, 3, 4, 5, 6, 1000])
    func `clients are listed page by page, each once`(engine: Engine, limit: Int) throws {
        try engine.withStore { test in
            try test.configure(users: ["t": ["q"], "u": ["q"], "v": ["q"]])
            for user in ["t", "u", "v"] { try test.follow("a", "b", "c", "d", "e", "f", of: user) }
            var names: [String] = []
            var sizes: [Int] = []
            var key: [UInt8] = []
            while true {
                let page = try test.overview(after: key, limit: limit)
                names += page.clients.map(\.name)
                sizes.append(page.clients.count)
                guard let next = page.next else { break }
                key = next
            }
            #expect(names.sorted() == ["a", "b", "c", "d", "e", "f"])
            #expect(sizes == (0..<(5 + limit) / limit).map { min(limit, 6 - $0 * limit) })
            #expect(try test.overview(after: [UInt8](repeating: 0xff, count: 40)).clients == [])
            #expect(try test.overview(after: [0]).clients.count == 6)
        }
    }
}
