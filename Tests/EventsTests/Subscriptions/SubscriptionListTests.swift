import Delivery
import HTTP
import JSON
import Linux
import MappedStore
import StoreSupport
import Testing
import Values

@testable import Events

@Suite struct SubscriptionListTests {
    private func list(_ test: EmptyEventStore, after: UInt64? = nil, limit: Int = .max) -> SubscriptionList {
        SubscriptionList(of: "u", after: after, limit: limit, test.events, Example.sealing)
    }

    /// The remaining parts of a list.
    private func parts(_ list: SubscriptionList) throws -> [[UInt8]] {
        var parts: [[UInt8]] = []
        try LoopExecutor.complete { () async throws(StoreFailure) in
            while let part = try await list.next() { parts.append(part) }
        }
        #expect(list.isOver)
        return parts
    }

    private func names(_ parts: [[UInt8]]) throws -> [String?] {
        let json = try JSON(parsing: Array(parts.joined()))
        return try #require(json.array).map { $0["name"]?.string }
    }

    private func create(_ count: Int, _ test: EmptyEventStore) throws -> [Subscription] {
        let made = try (0..<count).map { number in
            var subscription = test.subscription()
            subscription.name = "\(number)"
            return try #require(try test.events.create(subscription))
        }
        try test.commit()
        return made
    }

    @Test(arguments: [0, 1, 15, 16, 17, 700], [nil, 1, 16, 1000])
    func `a list has every subscription once, in parts of a limited length`(count: Int, limit: Int?) throws {
        try EventEngine.mapped.withStore { test in
            let made = try create(count, test)
            let listed = list(test, limit: limit ?? .max)
            let parts = try parts(listed)
            #expect(try names(parts) == made.prefix(limit ?? .max).map(\.name))
            #expect(listed.isEmpty == (count == 0))
            #expect(parts.allSatisfy { $0.count < 80 << 10 })
            #expect((parts.count > 2) == (count == 700 && limit != 1 && limit != 16))
            let rest = try self.parts(list(test, after: made.first?.number))
            #expect(try names(rest) == made.dropFirst().map(\.name))
        }
    }

    @Test func `a list continues after deletions, and has subscriptions created meanwhile`() throws {
        try EventEngine.mapped.withStore { test in
            let made = try create(700, test)
            let list = list(test)
            let part = try LoopExecutor.complete { () async throws(StoreFailure) in try await list.next() }
            let first = try #require(part)
            #expect(!list.isOver && !list.isEmpty)
            let shown = try JSON(parsing: first + Array("]".utf8)).array?.count ?? 0
            for subscription in made[(shown - 20)..<(shown + 20)] { #expect(try test.delete(subscription)) }
            try test.create(of: "other")
            _ = try create(1, test)
            let all = try names([first] + parts(list))
            #expect(all == (made[..<shown] + made[(shown + 20)...]).map(\.name) + ["0"])
        }
    }
}
