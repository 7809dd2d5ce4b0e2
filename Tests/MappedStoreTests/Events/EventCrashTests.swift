import Delivery
import Events
import HTTP
import Linux
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

/// Processes that are killed while they receive and match events.
@Suite struct EventCrashTests {
    private static func subscribe(_ store: MappedStore, count: Int) throws {
        var random = SystemRandomNumberGenerator()
        let now = store.clock.now().wall
        for _ in 0..<count {
            let subscription = Subscription.example(UUID(random: &random), "$.a", inFlight: 10_000, at: now)
            #expect(try store.events.create(subscription) != nil)
        }
        try store.commit()
    }

    private static func receive(_ store: MappedStore, _ bodies: [String]) throws {
        var random = SystemRandomNumberGenerator()
        let events = bodies.map { ReceivedEvent(id: UUID(random: &random), type: "", body: Array($0.utf8)) }
        _ = try store.events.receive(events, for: nil, at: store.clock.now())
    }

    @Test func `acknowledged events are matched once, whichever processes are killed`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            do { try Self.subscribe(open(directory), count: 600) }
            for round in 1...4 {
                await #expect(processExitsWith: .signal(9)) {
                    [path = directory.string as String, round = round as Int] in
                    let store = try open(FilePath(path))
                    try Self.receive(store, ["{\"a\": \(round)}", "{\"b\": \(round)}", "{\"a\": -\(round)}"])
                    try store.commit()
                    let matcher = EventMatcher(store: store.matching)
                    // A step makes 1000 deliveries; of 1200 the second is lost.
                    _ = try matcher.step(until: .farAhead, now: store.clock.now)
                    if round % 2 == 0 { try store.commit() }
                    try Self.receive(store, ["{\"a\": \"lost\"}"])
                    _ = try matcher.step(until: .farAhead, now: store.clock.now)
                    killThisProcess()
                }
            }
            let store = try open(directory)
            #expect(try store.check().faults == [])
            let matcher = EventMatcher(store: store.matching)
            while try matcher.step(until: .farAhead, now: store.clock.now) { try store.commit() }
            #expect(try store.check().faults == [])
            #expect(try store.count(\.deliveries.bytes) == 4 * 2 * 600)
            #expect(try store.count(\.routedEvents.bytes) == 12 && store.count(\.waitingEvents.bytes) == 0)
        }
    }

    @Test func `a subscription is deleted completely or not at all`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            do { try Self.subscribe(open(directory), count: 10) }
            await #expect(processExitsWith: .signal(9)) { [path = directory.string as String] in
                let store = try open(FilePath(path))
                let ids = try store.events.subscriptions(of: "u", after: nil, limit: 100).map(\.id)
                for id in ids[..<5] { #expect(try store.events.deleteSubscription(id, of: "u", for: nil)) }
                try store.commit()
                for id in ids[5...] { #expect(try store.events.deleteSubscription(id, of: "u", for: nil)) }
                killThisProcess()
            }
            let store = try open(directory)
            #expect(try store.check().faults == [])
            #expect(try store.events.subscriptions(of: "u", after: nil, limit: 100).count == 5)
            let news = try store.matching.expressions(since: 1, limit: 100)
            #expect(news.changes.count { $0.expression == nil } == 5)
        }
    }
}
