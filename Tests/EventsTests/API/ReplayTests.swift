import Delivery
import HTTP
import JSONPath
import MappedStore
import StoreSupport
import Testing
import Values

@testable import Events

/// Replays of past events to a subscription, with a real store.
@Suite struct ReplayTests {
    /// Five events, a second apart, of which the first two were delivered, the third was given up, and the others came
    /// while the subscription was disabled.
    private func fill(_ test: EmptyEventStore) throws -> (Subscription, Timestamp) {
        let (subscription, start) = (try test.create("$.n"), test.moment.wall)
        for number in 1...5 {
            if number == 4 { try test.disable(subscription) }
            try test.receive("{\"n\": \(number)}", "{\"other\": \(number)}")
            try test.match()
            try test.work { $0 == "{\"n\": 3}" ? 410 : 200 }
            test.pass(seconds: 1)
        }
        try test.change(subscription) { $0.destination.enable() }
        return (subscription, start)
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay goes on while new events arrive`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            #expect(try test.replay(subscription, since: start, all: true))
            let matcher = EventMatcher(store: test.matching)
            for _ in 0..<12 {
                try test.receive("{\"other\": 0}", "{\"other\": 1}")
                #expect(try matcher.step(until: .farAhead, now: { test.moment }))
                try test.commit()
            }
            #expect(try test.work().count == 5)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay delivers the events that were not delivered, or all`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            func replayed(_ since: Double, _ until: Double, all: Bool) throws -> [String] {
                #expect(
                    try test.replay(
                        subscription, since: start.adding(seconds: since), until: start.adding(seconds: until), all: all
                    )
                )
                try test.match()
                let made = try test.work { _ in 503 }
                #expect(made.allSatisfy { $0.trigger == .recover })
                test.pass(seconds: 10)
                try test.work()
                return made.map { String($0.body.dropFirst(6).dropLast()) }
            }
            #expect(try replayed(1, 3, all: false) == ["3", "4"])
            // Now those are delivered too.
            #expect(try replayed(0, 100, all: false) == ["5"])
            #expect(try replayed(0, 100, all: false) == [])
            #expect(try replayed(0.5, 2, all: true) == ["2", "3"])
            #expect(try replayed(-100, -50, all: true) == [] && replayed(50, 60, all: true) == [])
            #expect(try replayed(0, 100, all: true) == ["1", "2", "3", "4", "5"])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a pending event is not replayed`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create()
            let start = test.moment.wall
            try test.receive("{}")
            try test.match()
            try test.work { _ in 503 }
            #expect(try test.replay(subscription, since: start))
            try test.match()
            test.pass(seconds: 10)
            #expect(try test.work().map(\.trigger) == [.scheduled])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay of many events takes several steps, and uses the new expression`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            let subscription = try test.create("$.never")
            let start = test.moment.wall
            for number in 0..<200 {
                let body = "{\"\(number % 2 == 0 ? "even" : "odd")\": \(number)}"
                let event = ReceivedEvent(id: test.newID(), type: "", body: Array(body.utf8))
                _ = try test.events.receive([event], for: nil, at: test.moment)
            }
            try test.commit()
            try test.match()
            try test.change(subscription) { $0.expression = "$.even" }
            #expect(try test.replay(subscription, since: start))
            // Events after the request are not replayed.
            try test.receive("{\"even\": 1000}")
            #expect(try test.match() > 3)
            let made = try test.work()
            #expect(made.count == 101 && made.count { $0.trigger == .recover } == 100)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay looks at a limited number of delivered events in a step`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create("$.n")
            let start = test.moment.wall
            let events = (0..<300).map { number in
                ReceivedEvent(id: test.newID(), type: "", body: Array("{\"n\": \(number)}".utf8))
            }
            _ = try test.events.receive(events, for: nil, at: test.moment)
            try test.commit()
            try test.match()
            #expect(try test.work { $0 == "{\"n\": 299}" ? 410 : 200 }.count == 300)
            try test.change(subscription) { $0.destination.enable() }
            #expect(try test.replay(subscription, since: start))
            #expect(try test.match() == 2)
            #expect(try test.work().map(\.body) == ["{\"n\": 299}"])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay ends if its subscription or its events are deleted`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            let other = try test.create("$.n")
            #expect(try test.replay(subscription, since: start, all: true) && test.replay(other, since: start))
            #expect(try test.delete(subscription))
            #expect(try test.faults() == [])
            try test.match()
            #expect(try test.work().map(\.subscription) == Array(repeating: other.number, count: 5))
            #expect(try test.replay(other, since: start, all: true))
            while try test.dropOld(test.moment.wall.adding(seconds: 1), 100) > 0 { try test.commit() }
            try test.match()
            #expect(try test.work().isEmpty)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a retried request replays once`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            for _ in 0..<2 {
                #expect(try test.replay(subscription, since: start, all: true, for: test.request(1)))
                try test.match()
            }
            #expect(try test.work().count == 5)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay that is requested during another one is not lost`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            #expect(try test.replay(subscription, since: start, until: start.adding(seconds: 2.5)))
            let late = LateStore(test.matching)
            late.meanwhile = {
                late.meanwhile = {}
                _ = try? test.replay(subscription, since: start, all: true)
            }
            try test.match(EventMatcher(store: late))
            let bodies = Set(try test.work().map(\.body))
            #expect(bodies == Set((1...5).map { "{\"n\": \($0)}" }))
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `replays of a subscription are made one after the other, and none is lost`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            for second in [3, 1, 2] as [Double] {
                let time = start.adding(seconds: second)
                #expect(try test.replay(subscription, since: time, until: time, all: true))
            }
            try test.match()
            #expect(try test.work().map(\.body) == ["{\"n\": 4}", "{\"n\": 2}", "{\"n\": 3}"])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `sixteen replays of a subscription may wait`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            for _ in 0..<16 { #expect(try test.replay(subscription, since: start)) }
            #expect(try !test.replay(subscription, since: start, for: test.request(1)))
            // Another subscription has its own limit.
            let other = try test.create("$.n")
            #expect(try test.replay(other, since: start))
            try test.match()
            // Each event once: the next replays find it pending.
            #expect(try test.work().count == 3 + 5)
            #expect(try test.replay(subscription, since: start, all: true, for: test.request(1)))
            try test.match()
            #expect(try test.work().count == 5)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `the replays of two subscriptions take alternate steps`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (first, second) = (try test.create("$.n"), try test.create("$.n"))
            let start = test.moment.wall
            for number in 0..<100 { try test.receive("{\"n\": \(number)}") }
            try test.match()
            try test.work()
            for subscription in [first, second] { #expect(try test.replay(subscription, since: start, all: true)) }
            let matcher = EventMatcher(store: test.matching)
            for _ in 0..<4 {
                #expect(try matcher.step(at: test.moment))
                try test.commit()
            }
            let made = try test.work().map(\.subscription)
            #expect(made.count { $0 == first.number } == 32 && made.count { $0 == second.number } == 32)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a step of a replay ends at its deadline, and the next one continues there`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create("$.n")
            let start = test.moment.wall
            for number in 0..<10 { try test.receive("{\"n\": \(number)}") }
            try test.match()
            try test.work()
            #expect(try test.replay(subscription, since: start, all: true))
            let matcher = EventMatcher(store: test.matching)
            var made: [String] = []
            for _ in 0..<10 {
                // The deadline has passed already: one event is replayed in any case.
                #expect(try matcher.step(until: test.moment.steady, now: { test.moment }))
                try test.commit()
                made += try test.work().map(\.body)
            }
            #expect(made == (0..<10).map { "{\"n\": \($0)}" })
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay leaves out events that wait to be matched`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create("$.n")
            let start = test.moment.wall
            try test.receive("{\"n\": 1}")
            #expect(try test.replay(subscription, since: start))
            // The event is matched, and not replayed.
            let replay = try #require(try test.matching.waitingReplay(after: nil, limit: 9, maximumBytes: 999))
            #expect(replay.events == [])
            try test.match()
            #expect(try test.work().map(\.trigger) == [.scheduled])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `two concurrent matchers replay each event once`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            #expect(try test.replay(subscription, since: start, all: true))
            let other = EventMatcher(store: test.matching)
            let late = LateStore(test.matching)
            late.meanwhile = { _ = try? other.step(until: .farAhead, now: { test.moment }) }
            try test.match(EventMatcher(store: late))
            #expect(try test.work().count == 5)
        }
    }
}
