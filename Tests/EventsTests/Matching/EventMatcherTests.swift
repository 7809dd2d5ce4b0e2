import Delivery
import HTTP
import JSONPath
import MappedStore
import StoreSupport
import Testing
import Values

@testable import Events

/// Matching with a real store.
@Suite struct EventMatcherTests {
    @Test(arguments: EventEngine.allCases)
    func `each event reaches the subscriptions that match it, once and in order`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (a, b, all) = (try test.create("$.a"), try test.create("$.b"), try test.create("$"))
            let ids = try test.receive("{\"a\": 1}", "{\"b\": null}", "{}", "{\"a\": 1, \"b\": 2}")
            let matcher = EventMatcher(store: test.matching)
            #expect(try test.match(matcher) == 1)
            let made = try test.work()
            for (subscription, bodies) in [
                (a, ["{\"a\": 1}", "{\"a\": 1, \"b\": 2}"]), (b, ["{\"b\": null}", "{\"a\": 1, \"b\": 2}"]),
                (all, ["{\"a\": 1}", "{\"b\": null}", "{}", "{\"a\": 1, \"b\": 2}"]),
            ] {
                #expect(made.filter { $0.subscription == subscription.number }.map(\.body) == bodies)
            }
            #expect(made.allSatisfy { $0.trigger == .scheduled })
            let history = try test.history(ids[3])
            #expect(history.matches.map(\.subscription) == [a.id, b.id, all.id] && !history.isWaiting)
            #expect(try test.match(matcher) == 0 && test.work().isEmpty)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a matcher learns which subscriptions were created, changed and deleted`(engine: EventEngine) throws {
        try engine.withStore { test in
            let matcher = EventMatcher(store: test.matching)
            let a = try test.create("$.a")
            func reached(_ event: String) throws -> [UInt64] {
                try test.receive(event)
                try test.match(matcher)
                return try test.work().map(\.subscription).sorted()
            }
            let event = "{\"a\": 1, \"b\": 2}"
            #expect(try reached(event) == [a.number])
            let b = try test.create("$.b")
            #expect(try reached(event) == [a.number, b.number])
            try test.change(a) { $0.expression = "$.c" }
            #expect(try reached(event) == [b.number])
            #expect(try test.delete(b))
            #expect(try reached(event) == [])
            // A new matcher knows the same.
            try test.receive("{\"c\": 1}")
            try test.match()
            #expect(try test.work().map(\.subscription) == [a.number])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a new subscription gets an earlier event, unless that was already matched`(engine: EventEngine) throws {
        try engine.withStore { test in
            let matcher = EventMatcher(store: test.matching)
            try test.receive("{\"n\": 1}")
            try test.match(matcher)
            try test.receive("{\"n\": 2}")
            let late = try test.create()
            try test.match(matcher)
            #expect(try test.work().map(\.body) == ["{\"n\": 2}"])
            #expect(try test.lines(late).count == 1)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a disabled subscription gets no events, and no history`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (enabled, disabled) = (try test.create(), try test.create())
            try test.disable(disabled)
            let id = try test.receive("{}")[0]
            try test.match()
            #expect(try test.work().map(\.subscription) == [enabled.number])
            #expect(try test.history(id).matches.map(\.subscription) == [enabled.id])
            try test.change(disabled) { $0.destination.enable() }
            try test.match()
            #expect(try test.work().isEmpty)
            try test.receive("{}")
            try test.match()
            #expect(try test.work().count == 2)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `pending events are not sent to a subscription that was disabled or deleted`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (stays, disabled, gone) = (try test.create(), try test.create(), try test.create())
            let id = try test.receive("{}")[0]
            try test.match()
            try test.disable(disabled)
            #expect(try test.delete(gone))
            #expect(try test.work().map(\.subscription) == [stays.number])
            let history = try test.history(id)
            #expect(history.matches.map(\.state) == ["delivered", "failed"] && history.otherMatches == 1)
            #expect(history.matches.last?.attempts.map(\.outcome.failure?.kind) == [.disabled])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `thousands of matches are delivered in several steps, and another matcher can continue them`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            var numbers: [UInt64] = []
            for _ in 0..<2500 {
                numbers.append(try #require(try test.events.create(test.subscription())).number)
            }
            try test.commit()
            let id = try test.receive("{\"n\": 1}", "{\"n\": 2}")[0]
            let first = EventMatcher(store: test.matching)
            #expect(try first.step(until: .farAhead, now: { test.moment }))
            try test.commit()
            #expect(try test.history(id).isWaiting)
            #expect(try test.faults() == [])
            // Another matcher continues where the first one stopped. A subscription that is new by then does not get
            // this event.
            let deleted = try #require(try test.events.subscriptions(of: "u", after: nil, limit: 9999).last)
            #expect(try test.delete(deleted))
            try test.create()
            #expect(try test.match() >= 2)
            let made = try test.work()
            #expect(made.filter { $0.body == "{\"n\": 1}" }.map(\.subscription).sorted() == numbers.dropLast())
            #expect(made.filter { $0.body == "{\"n\": 2}" }.count == 2500)
            let history = try test.history(id)
            #expect(history.matches.count == 2499 && history.otherMatches == 1 && !history.isWaiting)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `events are matched in the order of their arrival, however many subscriptions match`(engine: EventEngine)
        throws
    {
        try engine.withStore { test in
            for _ in 0..<100 { _ = try test.events.create(test.subscription()) }
            for number in 0..<200 {
                let event = ReceivedEvent(id: test.newID(), type: "", body: Array("{\"n\": \(number)}".utf8))
                _ = try test.events.receive([event], for: nil, at: test.moment)
            }
            try test.commit()
            let matcher = EventMatcher(store: test.matching)
            var matched: [Int] = []
            while try matcher.step(until: .farAhead, now: { test.moment }) {
                try test.commit()
                let waiting = try test.matching.waitingEvents(besides: [], skipping: 0, limit: 1000, maximumBytes: .max)
                    .count
                matched.append(200 - waiting)
                let first = try test.matching.waitingEvents(besides: [], skipping: 0, limit: 1, maximumBytes: 1).first
                // The events that wait are the newest ones.
                #expect(first.map { text($0.body) == "{\"n\": \(200 - waiting)}" } ?? true)
                guard matched.count < 100 else { break }
            }
            #expect(matched.last == 200)
            #expect(try test.work().count == 20_000)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `two concurrent matchers deliver each event once`(engine: EventEngine) throws {
        try engine.withStore { test in
            try test.create("$.a")
            for number in 0..<500 {
                let event = ReceivedEvent(id: test.newID(), type: "", body: Array("{\"a\": \(number)}".utf8))
                _ = try test.events.receive([event], for: nil, at: test.moment)
            }
            try test.commit()
            // Each reads the store before the other has written.
            let slow = LateStore(test.matching)
            let (one, two) = (EventMatcher(store: test.matching), EventMatcher(store: slow))
            var steps = 0
            slow.meanwhile = {
                _ = try? one.step(until: .farAhead, now: { test.moment })
            }
            while try two.step(until: .farAhead, now: { test.moment }) {
                try test.commit()
                steps += 1
                guard steps < 100 else { break }
            }
            let bodies = try test.work().map(\.body)
            #expect(bodies.count == 500 && Set(bodies).count == 500 && steps < 100)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `an expression that takes too long is reported once on its subscription, and delays no other`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            let slow = try test.create("$" + String(repeating: "..*", count: 12) + "[?(@ = \"never\")]")
            let other = try test.create("$.a")
            let deep = String(repeating: "[", count: 60) + "1" + String(repeating: "]", count: 60)
            let event = "{\"a\": [\(deep), \(deep)]}"
            let matcher = EventMatcher(store: test.matching)
            try test.receive(event, event)
            try test.match(matcher)
            #expect(try test.work().map(\.subscription) == [other.number, other.number])
            let reported = try test.current(slow).destination
            #expect(reported.disabledReason?.contains("took too long") == true && reported.disabledAt == nil)
            // Once the report is removed, it is not repeated until the expression changes.
            try test.change(slow) { $0.destination.disabledReason = nil }
            try test.receive(event)
            try test.match(matcher)
            #expect(try test.current(slow).destination.disabledReason == nil)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a slow event lets others pass, and is matched among them`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            for number in 0..<200 { try test.create("$.list[?@.b == \(number)]") }
            let all = try test.create("$.n")
            let large = "{\"n\": 0, \"list\": [\((0..<100).map { "{\"b\": \($0)}" }.joined(separator: ","))]}"
            try test.receive(large, "{\"n\": 1}", "{\"n\": 2}")
            let clock = AdvancingClock(test.moment)
            let matcher = EventMatcher(store: test.matching)
            var order: [String] = []
            for number in 3..<100 where order.count < 8 || !order.contains(large) {
                clock.moment = test.moment
                #expect(try matcher.step(until: clock.moment.steady.adding(seconds: 0.05), now: clock.now))
                try test.commit()
                test.pass(seconds: 1)
                order += try test.work().filter { $0.subscription == all.number }.map(\.body)
                // Other events keep arriving.
                try test.receive("{\"n\": \(number)}")
            }
            let positions = [order.firstIndex(of: "{\"n\": 1}"), order.firstIndex(of: large)]
            #expect(positions.allSatisfy { $0 != nil } && positions[0] ?? 0 < positions[1] ?? 0)
            // All its matches are delivered, once.
            try test.match(matcher)
            try test.work()
            #expect(try test.matching.waitingEvents(besides: [], skipping: 0, limit: 1, maximumBytes: 1).isEmpty)
            #expect(try test.lines(all).count { $0.isFinal } == Set(try test.lines(all).map(\.eventID)).count)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `many slow events let others pass, and all are matched once`(engine: EventEngine) throws {
        try engine.withStore { test in
            for number in 0..<100 { try test.create("$.list[?@.b == \(number)]") }
            let all = try test.create("$.n")
            let list = (0..<100).map { "{\"b\": \($0)}" }.joined(separator: ",")
            for number in 0..<8 { try test.receive("{\"n\": \(number), \"list\": [\(list)]}") }
            let clock = AdvancingClock(test.moment)
            let matcher = EventMatcher(store: test.matching)
            func step() throws {
                _ = try matcher.step(until: clock.moment.steady.adding(seconds: 0.05), now: clock.now)
                try test.commit()
            }
            for _ in 0..<12 { try step() }
            try test.receive("{\"n\": 8}")
            for _ in 0..<4 { try step() }
            test.pass(seconds: 100)
            #expect(try test.work().contains { $0.body == "{\"n\": 8}" })
            #expect(try test.matching.waitingEvents(besides: [], skipping: 0, limit: 9, maximumBytes: .max).count > 4)
            try test.match(matcher)
            try test.work()
            #expect(try test.lines(all).count == 9)
        }
    }

    @Test(arguments: EventEngine.allCases, [("$.*", "$.a"), ("$.a", "$[\"a\"]")])
    func `a subscription that changes during a slow event gets it once`(
        engine: EventEngine, expressions: (before: String, after: String)
    ) throws {
        try engine.withStore { test in
            let others = try ["$.*", "$.a"].map { try test.create($0) }
            let changed = try test.create(expressions.before)
            try test.receive("{\"a\": 1}")
            let clock = AdvancingClock(test.moment, seconds: 0.03)
            let matcher = EventMatcher(store: test.matching)
            // The event is parsed, found to be slow, and compared with one expression at most.
            _ = try matcher.step(until: clock.moment.steady.adding(seconds: 0.2), now: clock.now)
            try test.commit()
            try test.change(changed) { $0.expression = expressions.after }
            try test.receive("{\"b\": 1}")
            for _ in 0..<20 {
                _ = try matcher.step(until: .farAhead, now: clock.now)
                try test.commit()
            }
            test.pass(seconds: 100)
            let reached = try test.work().filter { $0.body == "{\"a\": 1}" }.map(\.subscription)
            #expect(reached.sorted() == (others + [changed]).map(\.number))
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a step matches no more events than it can make deliveries for`(engine: EventEngine) throws {
        try engine.withStore { test in
            for _ in 0..<1000 { _ = try test.events.create(test.subscription("$.a")) }
            let none = (0..<5).map { _ in "{}" }
            for body in ["{\"a\": 1}", "{\"a\": 2}"] + none { try test.receive(body) }
            let store = LateStore(test.matching)
            try test.match(EventMatcher(store: store))
            #expect(store.delivered == [1, 1, 5])
            #expect(try test.work().count == 2000)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a large event takes several slots, and the largest are begun alone`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            let subscriptions = try (0..<3).map { _ in try test.create() }
            for subscription in subscriptions { try test.change(subscription) { $0.destination.limits.inFlight = 16 } }
            for megabytes in [20, 5, 9, 1] {
                try test.receive("{\"a\": \"\(String(repeating: "x", count: megabytes << 20))\"}")
            }
            try test.match()
            // 21 slots each; the first leaves too few for a second destination.
            let first = try test.step([], beginning: 20)
            #expect(first.map(\.slots) == [21])
            let second = try test.step([], beginning: 100, inFlight: [first[0].destination.number: 21])
            #expect(second.map(\.slots) == [21, 21])
            #expect(Set((first + second).map(\.destination.number)).count == 3)
            // Then as many as there are slots for, which the last one exceeds.
            let number = first[0].destination.number
            let others = Dictionary(uniqueKeysWithValues: second.map { ($0.destination.number, 21) })
            #expect(try test.step([], beginning: 100, inFlight: others).map(\.slots) == [6, 10])
            let store = test.store
            let version = try store.version()
            #expect(try test.step([], beginning: 100, inFlight: others.merging([number: 16]) { $1 }).isEmpty)
            #expect(try test.step([], beginning: 0).isEmpty)
            #expect(try store.version() == version)
            #expect(
                try test.step([], beginning: 100, inFlight: others.merging([number: 14]) { $1 }).map(\.slots) == [2])
        }
    }
}

/// A clock that advances each time it is read.
private final class AdvancingClock {
    var moment: Moment
    private let seconds: Double

    init(_ moment: Moment, seconds: Double = 0.001) { (self.moment, self.seconds) = (moment, seconds) }

    func now() -> Moment {
        moment = Moment(wall: moment.wall.adding(seconds: seconds), steady: moment.steady.adding(seconds: seconds))
        return moment
    }
}
