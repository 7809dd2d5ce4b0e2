import HTTP
import LMDB
import Queues
import StoreSupport
import TestSupport
import Testing
import Values

@testable import MappedStore

@Suite struct GarbageTests {
    @Test func `the messages of a removed queue are removed in steps, and no others`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            let limits = QueueLimits(messageCount: 1000)
            try store.configure(limits, queues: ["p", "q", "r"])
            for name in ["p", "q", "r"] { try store.fill(name, with: 250) }
            try store.configure(limits, queues: ["p", "r"])
            try store.configure(limits, queues: ["p", "q", "r"])
            #expect(try store.count(\.messages.table.bytes) == 750)
            #expect(try store.listen("c", to: "p") == .listening)
            try store.fill("q", with: 10)
            for (removed, left) in [(100, 660), (100, 560), (50, 510), (0, 510)] {
                #expect(try store.removeGarbage(limit: 100) == removed)
                try store.commit()
                #expect(try store.count(\.messages.table.bytes) == left)
            }
            #expect(try store.count(\.garbage.bytes) == 0)
            let queues = try store.queues.overview(of: store.listener(), after: [], limit: 1).queues
            #expect(queues.map(\.log.count) == [250, 10, 250])
        }
    }

    @Test func `the clients of a removed user are removed in steps, and no others`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.configure(users: ["t", "u", "v"])
            for user in ["t", "u", "v"] {
                for client in 0..<25 { #expect(try store.listen("c\(client)", of: user) == .listening) }
            }
            try store.configure(users: ["t", "v"])
            try store.configure(users: ["t", "u", "v"])
            #expect(try store.listen("c0") == .listening)
            for (removed, left) in [(10, 66), (10, 56), (5, 51), (0, 51)] {
                #expect(try store.removeGarbage(limit: 10) == removed)
                try store.commit()
                #expect(try store.count(\.clients.bytes) == left)
            }
            #expect(try store.count(\.garbage.bytes) == 0)
            #expect(try store.read("c0") == [])
            #expect(try store.read("c24", of: "v") == [])
        }
    }

    @Test func `a step removes no more than its limit, however much garbage there is`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.configure(queues: ["p", "q", "r"], users: ["u", "v"])
            for name in ["p", "q", "r"] { try store.fill(name, with: 5) }
            for client in ["a", "b"] { #expect(try store.listen(client, of: "v") == .listening) }
            try store.configure(queues: [], users: ["u"])
            var steps: [Int] = []
            repeat {
                steps.append(try store.removeGarbage(limit: 7))
                try store.commit()
            } while steps.last == 7
            #expect(steps == [7, 7, 3])
            #expect(try store.count(\.garbage.bytes) == 0)
        }
    }

    @Test func `a post that rolls off a hundred thousand messages leaves their removal to the worker`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.configure(QueueLimits(messageCount: 1_000_000))
            #expect(try store.listen("c") == .listening)
            try store.fill(with: 100_000)
            try store.configure(QueueLimits(messageCount: 10))
            #expect(try store.count(\.messages.table.bytes) == 100_000)
            try store.post()
            try store.commit()
            #expect(try store.count(\.messages.table.bytes) == 100_001)
            #expect(
                try store.queues.overview(of: store.listener(), after: [], limit: 1).queues.map(\.log.count) == [10])
            #expect(try store.read("c") == nil)
            #expect(try store.listen("d") == .listening)
            var steps = 0
            while try store.removeGarbage(limit: 1000) == 1000 {
                try store.commit()
                steps += 1
                try store.post()
                try store.commit()
                #expect(try store.read("d") == [100_001 + UInt64(steps)])
            }
            try store.commit()
            // The messages that rolled off in between have been removed too.
            #expect(try store.count(\.messages.table.bytes) == 10)
            #expect(steps == 99 || steps == 100)
        }
    }

    @Test(arguments: [(64, 10), (65, 75)])
    func `up to 64 messages are removed by the post that makes them roll off`(excess: Int, kept: Int) throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.configure(QueueLimits(messageCount: 1000))
            try store.fill(with: 10 + excess - 1)
            try store.configure(QueueLimits(messageCount: 10))
            try store.post()
            try store.commit()
            #expect(try store.count(\.messages.table.bytes) == kept)
        }
    }

    @Test func `login records without effect are removed in steps, and no others`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            let now = store.clock.now().steady
            for number in 0..<30 {
                let attempt = LoginAttempt(name: "u\(number)", address: nil)
                try store.queues.recordFailure(attempt, at: number < 20 ? now : now.adding(seconds: 60))
            }
            try store.commit()
            #expect(try store.count(\.logins.bytes) == 30)
            var start: [UInt8] = []
            var left: [Int] = []
            repeat {
                start = try store.queues.forgetLogins(at: now.adding(seconds: 3), from: start, limit: 10)
                try store.commit()
                left.append(try store.count(\.logins.bytes))
            } while !start.isEmpty
            #expect(left.count == 3 && left.last == 10)
            start = try store.queues.forgetLogins(at: now.adding(seconds: 64), from: start, limit: 100)
            try store.commit()
            #expect(try store.count(\.logins.bytes) == 0 && start.isEmpty)
        }
    }
}
