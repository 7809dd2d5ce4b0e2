import HTTP
import MappedStore
import Queues
import StoreSupport
import Testing
import Values

/// What every engine must do for messages.
@Suite struct QueueStoreTests {
    @Test(arguments: Engine.allCases)
    func `an empty store has a time, but no queues and users`(engine: Engine) throws {
        try engine.withStore { test in
            let seconds = UInt64(test.moment.wall.microseconds / 1_000_000)
            let time = try test.queues.time()
            #expect(time <= seconds + 1 && time + 60 > seconds)
            #expect(try test.queues.queue(named: "q") == nil)
            #expect(try test.queues.user(named: "u") == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func `no operation on queues changes the time`(engine: Engine) throws {
        try engine.withQueue { test in
            let time = try test.queues.time()
            try test.follow("c")
            try test.post("a")
            try test.skip()
            _ = try test.read("c")
            try test.configure(queues: [:])
            try test.configure()
            #expect(try test.queues.time() == time)
        }
    }

    @Test(arguments: Engine.allCases)
    func `ids begin at 1 in each queue and go up by one`(engine: Engine) throws {
        try engine.withStore { test in
            try test.configure(users: ["u": ["q", "r"]], queues: ["q": QueueLimits(), "r": QueueLimits()])
            try test.follow("c")
            try test.follow("d", queue: "r")
            try test.post("a", "b", to: "q")
            try test.post("x", to: "r")
            try test.post("c", to: "q")
            #expect(try test.read("c") == test.found([1: "a", 2: "b", 3: "c"], current: 3))
            #expect(try test.read("d") == test.found([1: "x"], current: 1))
        }
    }

    @Test(
        arguments: Engine.allCases,
        [[], [0], [0xff, 0xfe], [0xef, 0xbb, 0xbf], [0x0d, 0x0a], [UInt8](repeating: 0xc3, count: 20_000)] as [[UInt8]])
    func `a message is read byte for byte, with the time of its arrival`(engine: Engine, body: [UInt8]) throws {
        try engine.withQueue { test in
            try test.follow("c")
            for time in [0, -1, 1_700_000_000_123_456, Int64.max] {
                let message = Message(body: body, receivedAt: Timestamp(microseconds: time))
                #expect(try test.queues.post(message, to: test.queue(), for: nil))
                try test.commit()
                guard case .messages(let found, _) = try test.read("c") else {
                    Issue.record("no messages")
                    return
                }
                #expect(found.map(\.message) == [message])
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func `messages of maximum length are stored completely`(engine: Engine) throws {
        let limits = QueueLimits(messageCount: 5, messageBytes: 2_000_000, queueBytes: 8_000_000)
        try engine.withQueue(limits) { test in
            try test.follow("c")
            let body = String(repeating: "x", count: 2_000_000)
            for _ in 0..<4 { try test.post(body) }
            #expect(try test.read("c") == test.found([1: body, 2: body, 3: body, 4: body], current: 4))
        }
    }

    @Test(
        arguments: Engine.allCases,
        [
            (3, 100, [1, 1, 1], [1, 2, 3]), (3, 100, [1, 1, 1, 1], [2, 3, 4]), (100, 30, [10, 10, 10], [1, 2, 3]),
            (100, 30, [10, 10, 10, 11], [3, 4]), (100, 30, [10, 10, 31], []), (100, 0, [0, 0], [1, 2]),
            (0, 100, [1, 0], []), (70, 100, [Int](repeating: 1, count: 200), Array(131...200)),
        ] as [(UInt64, UInt64, [Int], [UInt64])])
    func `a queue keeps messages up to its limits, which are inclusive`(
        engine: Engine, limits: (count: UInt64, bytes: UInt64, posts: [Int], kept: [UInt64])
    ) throws {
        try engine.withQueue(QueueLimits(messageCount: limits.count, queueBytes: limits.bytes)) { test in
            for size in limits.posts { try test.post(String(repeating: "x", count: size)) }
            let entry = try #require(try test.overview().queues.first)
            #expect(entry.log.count == UInt64(limits.kept.count))
            #expect(entry.log.first == limits.kept.first ?? UInt64(limits.posts.count + 1))
            #expect(entry.log.current == UInt64(limits.posts.count))
            #expect(entry.log.bytes == limits.posts.suffix(limits.kept.count).reduce(0) { $0 + UInt64($1) })
            #expect((entry.oldest == nil) == limits.kept.isEmpty)
        }
    }

    /// The original adds bytes and subtracts characters, and in the end keeps no message.
    @Test(arguments: Engine.allCases)
    func `messages that are not ASCII do not reduce the room of their queue`(engine: Engine) throws {
        try engine.withQueue(QueueLimits(queueBytes: 20)) { test in
            try test.follow("c")
            for id in UInt64(1)...50 {
                try test.post("äöüßé")
                #expect(try test.read("c") == test.found([id: "äöüßé"], current: id))
            }
            #expect(try test.overview().queues.map(\.log.bytes) == [20])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a rollback undoes every operation`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            let (queue, user) = (try test.queue(), try test.user())
            #expect(try test.queues.post(test.message("a"), to: queue, for: test.request(1)))
            try test.queues.skip(in: queue, for: test.request(2))
            #expect(try test.queues.listen("d", of: user, to: "q", for: test.request(3)) == .listening)
            #expect(try test.queues.unlisten("c", of: user, for: test.request(4)))
            let other = try EmptyStore.configuration(users: ["v": []], queues: [:])
            #expect(try test.queues.configure(other, since: nil, for: test.request(5)))
            test.rollBack()
            #expect(try test.read("c") == .messages([], current: 0))
            #expect(try test.read("d") == .unknownClient)
            #expect(try test.queues.user(named: "v") == nil)
            #expect(try !test.queues.hasConfigured(test.request(5)))
            // The requests are forgotten as well.
            try test.post("b", for: test.request(1))
            #expect(try test.read("c") == test.found([1: "b"], current: 1))
            try test.skip(for: test.request(2))
            #expect(try test.read("c") == .lost(current: 2))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a message is not read before its commit`(engine: Engine) throws {
        try engine.withQueue { test in
            try test.follow("c")
            #expect(try test.queues.post(test.message("a"), to: test.queue(), for: nil))
            #expect(try test.queues.read("c", of: test.user(), Reading(), for: nil) == .messages([], current: 0))
            #expect(try !test.queues.hasNews(for: "c", of: test.user()))
            try test.commit()
            #expect(try test.queues.hasNews(for: "c", of: test.user()))
            #expect(try test.read("c") == test.found([1: "a"], current: 1))
        }
    }

    @Test(arguments: Engine.allCases)
    func `a removed queue accepts no message, even if it was looked up before`(engine: Engine) throws {
        try engine.withQueue { test in
            let queue = try test.queue()
            try test.configure(queues: [:])
            #expect(try test.queues.queue(named: "q") == nil)
            #expect(try !test.queues.post(test.message("a"), to: queue, for: nil))
            try test.queues.skip(in: queue, for: nil)
            try test.configure()
            #expect(try !test.queues.post(test.message("b"), to: queue, for: nil))
            try test.commit()
            #expect(try test.overview().queues.map(\.log) == [QueueLog()])
        }
    }

    // MARK: The error state

    /// One thing that happens to a queue or to one of its readers.
    enum Step: Sendable {
        case post(Int)
        case skip
        case listen(String)
        /// A read that finds these messages.
        case read(String, [UInt64])
        /// A read that learns of a loss.
        case lost(String)
    }

    /// Contract, section 7, row by row.
    private static let sections: [(String, limits: QueueLimits, [Step])] = [
        (
            "rolled off by count", QueueLimits(messageCount: 2),
            [.listen("c"), .post(1), .post(1), .post(1), .lost("c"), .read("c", []), .post(1), .read("c", [4])]
        ),
        (
            "rolled off by size", QueueLimits(queueBytes: 20),
            [.listen("c"), .post(10), .post(10), .post(1), .lost("c"), .read("c", []), .post(1), .read("c", [4])]
        ),
        (
            "roll-off of what was read already", QueueLimits(messageCount: 2),
            [.listen("c"), .post(1), .post(1), .read("c", [1, 2]), .post(1), .post(1), .read("c", [3, 4])]
        ),
        (
            "oversized, queue not empty", QueueLimits(),
            [
                .listen("c"), .listen("d"), .post(1), .read("c", [1]), .skip, .lost("c"), .lost("d"), .read("c", []),
                .read("d", []), .post(1), .read("c", [3]), .read("d", [3]),
            ]
        ),
        (
            "several mishaps", QueueLimits(messageCount: 1),
            [.listen("c"), .skip, .post(1), .skip, .post(1), .post(1), .lost("c"), .read("c", []), .read("c", [])]
        ),
        (
            "listening after the loss", QueueLimits(messageCount: 1),
            [.post(1), .post(1), .skip, .listen("c"), .read("c", []), .post(1), .read("c", [4])]
        ),
        (
            "oversized, queue empty", QueueLimits(),
            [.listen("c"), .skip, .lost("c"), .read("c", []), .post(1), .read("c", [2])]
        ),
        (
            "larger than the queue", QueueLimits(queueBytes: 10),
            [.listen("c"), .post(11), .lost("c"), .read("c", []), .post(10), .read("c", [2])]
        ),
        (
            "larger than the queue, which is emptied", QueueLimits(queueBytes: 10),
            [.listen("c"), .post(1), .read("c", [1]), .post(1), .post(11), .lost("c"), .post(1), .read("c", [4])]
        ),
        (
            "cursor at a lost id after the error, older messages kept", QueueLimits(),
            [.listen("c"), .post(1), .skip, .lost("c"), .post(1), .read("c", [3])]
        ),
        (
            "cursor at a lost id after listening, older messages kept", QueueLimits(),
            [.post(1), .skip, .listen("c"), .post(1), .read("c", [3]), .post(1), .read("c", [4])]
        ),
        (
            "pending messages go with the lost ones", QueueLimits(),
            [.listen("c"), .post(1), .skip, .post(1), .lost("c"), .read("c", []), .post(1), .read("c", [4])]
        ),
        (
            "a queue that keeps nothing", QueueLimits(messageCount: 0),
            [.listen("c"), .post(0), .lost("c"), .read("c", []), .post(1), .lost("c")]
        ),
    ]

    @Test(arguments: Engine.allCases, sections)
    func `a reader is told once of lost messages, and reads all others`(
        engine: Engine, section: (name: String, limits: QueueLimits, steps: [Step])
    ) throws {
        try engine.withQueue(section.limits) { test in
            var current: UInt64 = 0
            for (index, step) in section.steps.enumerated() {
                let comment = Comment(rawValue: "\(section.name), step \(index)")
                switch step {
                case .post(let size):
                    try test.post(String(repeating: "x", count: size))
                    current += 1
                case .skip:
                    try test.skip()
                    current += 1
                case .listen(let client): try test.follow(client)
                case .lost(let client):
                    #expect(try test.queues.hasNews(for: client, of: test.user()), comment)
                    #expect(try test.read(client) == .lost(current: current), comment)
                case .read(let client, let ids):
                    #expect(try test.queues.hasNews(for: client, of: test.user()) == !ids.isEmpty, comment)
                    guard case .messages(let found, current) = try test.read(client) else {
                        Issue.record(comment)
                        return
                    }
                    #expect(found.map(\.id) == ids, comment)
                }
            }
        }
    }
}
