import HTTP
import LMDB
import Linux
import Queues
import Storage
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

extension MappedStore {
    /// Configures queues that the users may listen to.
    func configure(
        _ limits: QueueLimits = QueueLimits(), queues names: [String] = ["q"], users: [String] = ["u"]
    ) throws {
        let hash = try #require(PasswordHash("plain;;secret"))
        let configuration = QueueConfiguration(
            users: users.map { QueueConfiguration.User(name: $0, hash: hash, queues: names) },
            queues: names.map { QueueSettings(name: $0, limits: limits) })
        #expect(try queues.configure(configuration, since: nil, for: nil))
        try commit()
    }

    func listener(_ name: String = "u") throws -> User { try #require(try queues.user(named: name)) }

    func post(_ body: [UInt8] = [0x78], to name: String = "q", for request: RequestID? = nil) throws {
        let queue = try #require(try queues.queue(named: name))
        #expect(try queues.post(Message(body: body, receivedAt: Timestamp(microseconds: 1)), to: queue, for: request))
    }

    /// Reads as a client, and returns the ids of the messages.
    func read(_ client: String, limit: Int = .max, of user: String = "u") throws -> [UInt64]? {
        let outcome = try queues.read(client, of: listener(user), Reading(limit: limit), for: nil)
        try commit()
        switch outcome {
        case .messages(let messages, _): return messages.map(\.id)
        case .long(let range, _):
            return try queues.page(of: range, after: range.after, atMost: .max)?.map(\.numbered.id)
        default: return nil
        }
    }

    func listen(_ client: String, to queue: String = "q", of user: String = "u") throws -> Listening {
        let outcome = try queues.listen(client, of: listener(user), to: queue, for: nil)
        try commit()
        return outcome
    }

    func count(_ table: KeyPath<Tables, Table>) throws -> Int {
        try read { (transaction) throws(LMDBError) in try tables[keyPath: table].count(in: transaction) }
    }

    /// Adds messages to a queue's log at once.
    func fill(_ name: String = "q", with messages: Int) throws {
        let number = try #require(try queues.queue(named: name)).number
        let record = Encoded<MessageRecord>(Message(body: [0x78], receivedAt: Timestamp(microseconds: 1)))
        try write { (transaction) throws(LMDBError) in
            var log = try queues.queueLog(number, in: transaction) ?? QueueLog()
            for _ in 0..<messages {
                let id = log.append(bytes: 1)
                try tables.messages.put(record, of: number, at: id, in: &transaction)
            }
            try queues.put(log, of: number, in: &transaction)
        }
        try commit()
    }
}

@Suite struct MappedStoreQueuesTests {
    // MARK: Processes

    @Test func `queues, messages, clients and cursors are there after reopening`() throws {
        try withTemporaryDirectory { directory in
            let time: UInt64
            do {
                let store = try open(directory, isDurable: true)
                #expect(try !store.queues.isConfigured())
                try store.configure()
                #expect(try store.queues.isConfigured())
                #expect(try store.listen("c") == .listening)
                for _ in 0..<3 { try store.post() }
                try store.commit()
                #expect(try store.read("c", limit: 1) == [1])
                try store.flush()
                try store.post()
                time = try store.queues.time()
            }
            let store = try open(directory)
            #expect(try store.queues.isConfigured())
            #expect(try store.queues.time() == time)
            #expect(try store.listen("c") == .inUse)
            #expect(try store.read("c") == [2, 3])
            try store.post()
            try store.commit()
            #expect(try store.read("c") == [4])
        }
    }

    @Test func `a process that is killed while it writes leaves every committed message, and nothing more`()
        async throws
    {
        try await withTemporaryDirectory { (directory: FilePath) in
            do {
                let store = try open(directory)
                try store.configure(QueueLimits(messageCount: 1000))
                #expect(try store.listen("c") == .listening)
            }
            for round in 1...5 {
                await #expect(processExitsWith: .signal(9)) {
                    [path = directory.string as String, round = round as Int] in
                    let store = try open(FilePath(path))
                    for _ in 0..<20 {
                        try store.post([UInt8](repeating: 1, count: 3000))
                        try store.commit()
                    }
                    for _ in 0..<(round * 3) { try store.post([UInt8](repeating: 2, count: 3000)) }
                    _ = try store.queues.listen("d", of: store.listener(), to: "q", for: nil)
                    _ = try store.queues.read("c", of: store.listener(), Reading(), for: nil)
                    killThisProcess()
                }
            }
            let store = try open(directory)
            #expect(try store.read("d") == nil)
            #expect(try store.read("c") == Array(1...100))
            #expect(try store.read("c") == [])
            #expect(try store.count(\.messages.table.bytes) == 100)
        }
    }

    @Test func `processes that read as one client share its messages, and no two get the same`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            do {
                let store = try open(directory)
                try store.configure(QueueLimits(messageCount: 1000))
                #expect(try store.listen("c") == .listening)
                try store.fill(with: 300)
            }
            async let first: Void = Self.readAll(directory.string, "first")
            async let second: Void = Self.readAll(directory.string, "second")
            _ = await (first, second)
            let found = try ["first", "second"].map { name in
                try #require(Files.contents(of: directory.appending(name))).split(separator: 0x20).map {
                    UInt64(String(decoding: $0, as: UTF8.self))
                }
            }
            #expect(found.joined().compactMap(\.self).sorted() == Array(1...300))
        }
    }

    private static func readAll(_ path: String, _ name: String) async {
        await #expect(processExitsWith: .success) { [path = path as String, name = name as String] in
            let store = try open(FilePath(path))
            var ids: [UInt64] = []
            while let found = try store.read("c", limit: 3), !found.isEmpty { ids += found }
            let text = ids.map(String.init).joined(separator: " ")
            try Files.replace(FilePath(path).appending(name), with: Array(text.utf8))
        }
    }

    @Test func `only one of two processes can listen as the same client`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            do {
                let store = try open(directory)
                try store.configure()
            }
            async let first: Void = Self.listenToAll(directory.string, "first")
            async let second: Void = Self.listenToAll(directory.string, "second")
            _ = await (first, second)
            let winners = try ["first", "second"].map {
                try #require(Files.contents(of: directory.appending($0))).count
            }
            #expect(winners.reduce(0, +) == 100)
            #expect(try open(directory).count(\.clients.bytes) == 100)
        }
    }

    private static func listenToAll(_ path: String, _ name: String) async {
        await #expect(processExitsWith: .success) { [path = path as String, name = name as String] in
            let store = try open(FilePath(path))
            var wins: [UInt8] = []
            for number in 0..<100 where try store.listen("c\(number)") == .listening { wins.append(0x78) }
            try Files.replace(FilePath(path).appending(name), with: wins)
        }
    }

    @Test func `another process sees a reload and a new password at once`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            let store = try open(directory)
            try store.configure()
            #expect(try store.listen("c") == .listening)
            await #expect(processExitsWith: .success) { [path = directory.string as String] in
                let other = try open(FilePath(path))
                try other.configure(queues: ["q", "r"])
                let hash = try #require(PasswordHash("plain;;new"))
                #expect(try other.queues.setPassword(of: "u", to: hash, for: nil))
                try other.commit()
            }
            #expect(try store.queues.queue(named: "r") != nil)
            #expect(try store.listener().hash.text == "plain;;new")
            try store.post()
            try store.commit()
            #expect(try store.read("c") == [1])
        }
    }

    // MARK: Writing no more than needed

    @Test func `an operation that changes nothing is not committed`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.configure()
            #expect(try store.listen("c") == .listening)
            let version = try store.version()
            #expect(try store.read("c") == [])
            #expect(try store.read("d") == nil)
            _ = try store.queues.read("c", of: store.listener(), Reading(isManual: true), for: nil)
            #expect(try !store.queues.hasNews(for: "c", of: store.listener()))
            _ = try store.queues.overview(of: store.listener(), after: [], limit: 10)
            #expect(try store.removeGarbage(limit: 10) == 0)
            var start: [UInt8] = []
            start = try store.queues.forgetLogins(at: store.clock.now().steady, from: start, limit: 10)
            try store.commit()
            #expect(try store.version() == version)
        }
    }

    @Test func `a store without room refuses messages and clients, and loses none`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, maximumBytes: 4 << 20)
            try store.configure(QueueLimits(messageCount: 1_000_000, queueBytes: 1 << 40))
            #expect(try store.listen("c") == .listening)
            var kept: UInt64 = 0
            let failure = #expect(throws: StoreFailure.self) {
                while true {
                    try store.post([UInt8](repeating: 1, count: 20_000))
                    try store.commit()
                    kept += 1
                }
            }
            #expect(failure == .full)
            store.rollBack()
            // A client takes less room than such a message.
            #expect(throws: StoreFailure.full) {
                for number in 0..<10_000 { _ = try store.listen("d\(number)") }
            }
            store.rollBack()
            // There is no room for skipped ids or a new queue either; the current configuration needs none.
            let queue = try #require(try store.queues.queue(named: "q"))
            #expect(throws: StoreFailure.full) {
                while true { try store.queues.skip(in: queue, for: nil) }
            }
            store.rollBack()
            try store.configure(QueueLimits(messageCount: 1_000_000, queueBytes: 1 << 40))
            let many = (0..<1000).map { "q\($0)" }
            #expect(throws: StoreFailure.full) { try store.configure(queues: ["q"] + many) }
            store.rollBack()
            // Failed logins are still counted.
            let attempt = LoginAttempt(name: "u", address: "192.0.2.1")
            let now = store.clock.now().steady
            for _ in 0..<20 { try store.queues.recordFailure(attempt, at: now) }
            #expect(try LoginLimits.delay(store.queues.logins(attempt), at: now) == 3)
            store.rollBack()
            #expect(kept > 10)
            #expect(try store.read("c") == Array(1...kept))
        }
    }

    // MARK: Damage

    @Test func `a damaged record fails its request, and does not trap`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.configure(queues: ["q", "r"])
            for client in ["c", "d"] { #expect(try store.listen(client) == .listening) }
            try store.post()
            try store.commit()
            let (queue, user) = (try #require(try store.queues.queue(named: "q")), try store.listener())
            func damage(_ table: KeyPath<Tables, Table>, _ key: [UInt8], _ bytes: [UInt8] = [9]) throws {
                try store.write { (transaction) throws(LMDBError) in
                    try store.tables[keyPath: table].put(bytes, at: key, in: &transaction)
                }
                try store.commit()
            }
            try damage(\.clients.bytes, ClientKey(user.number, "d").keyBytes)
            #expect(throws: StoreFailure.self) { try store.queues.read("d", of: user, Reading(), for: nil) }
            #expect(try store.queues.overview(of: user, after: [], limit: 10).clients.map(\.name) == ["c"])
            // A cursor ahead of its queue.
            let ahead = try #require(
                try store.read { (transaction) throws(LMDBError) in
                    try store.queues.client("c", of: user.number, in: transaction)
                })
            let record = ClientRecord(name: "d", queue: ahead.queue, right: ahead.right, cursor: .max)
            try damage(\.clients.bytes, ClientKey(user.number, "d").keyBytes, record.encoded)
            #expect(try store.read("d") == [])
            #expect(
                try store.queues.overview(of: user, after: [], limit: 10).clients.contains {
                    $0.name == "d" && $0.lag == 0
                })

            try damage(\.messages.table.bytes, key(queue.number, 1))
            #expect(throws: StoreFailure.self) {
                try store.queues.read("c", of: user, Reading(isManual: true), for: nil)
            }
            try damage(\.queueLogs.bytes, key(queue.number))
            #expect(throws: StoreFailure.self) { try store.queues.read("c", of: user, Reading(), for: nil) }
            #expect(throws: StoreFailure.self) {
                try store.queues.post(Message(body: [], receivedAt: Timestamp(microseconds: 0)), to: queue, for: nil)
            }
            store.rollBack()
            try damage(\.queues.bytes, key(queue.number))
            #expect(throws: StoreFailure.self) { try store.queues.queue(named: "q") }
            try damage(\.users.bytes, NameDigest("u").keyBytes)
            #expect(throws: StoreFailure.self) { try store.queues.user(named: "u") }
            #expect(throws: StoreFailure.self) { try store.configure() }
            store.rollBack()
            #expect(try store.queues.queue(named: "r") != nil)
        }
    }

    @Test func `the answer to a retry waits for the transaction of the request that it repeats`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, isDurable: true)
            try store.configure()
            let user = try #require(try store.queues.user(named: "u"))
            let request = RequestID(milliseconds: UInt64(store.clock.now().wall.microseconds / 1000), high: 1, low: 1)
            #expect(try store.queues.listen("c", of: user, to: "q", for: request) == .listening)
            try store.commit()
            let listened = try store.version()

            let other = try open(directory, isDurable: true)
            #expect(other.ticket < listened || other.isDurable(listened))
            #expect(try other.queues.listen("c", of: user, to: "q", for: request) == .listening)
            #expect(try other.commit() == .empty)
            #expect(other.ticket >= listened)
        }
    }
}
