import Delivery
import Gateway
import JSONPath
import StoreSupport
import Testing

@testable import Events

/// Matching on a real store, replays among it.
@Suite struct EventMatcherTests {
    @Test(arguments: EventEngine.allCases)
    func `each event reaches those that match it, in order, once`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (a, b, all) = (try test.create("$.a"), try test.create("$.b"), try test.create("$"))
            let ids = try test.receive("{\"a\": 1}", "{\"b\": null}", "{}", "{\"a\": 1, \"b\": 2}")
            let matcher = EventMatcher(store: test.store)
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
    func `a matcher learns what was made, changed and deleted since`(engine: EventEngine) throws {
        try engine.withStore { test in
            let matcher = EventMatcher(store: test.store)
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
            // A matcher that begins now knows the same.
            try test.receive("{\"c\": 1}")
            try test.match()
            #expect(try test.work().map(\.subscription) == [a.number])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a subscription that is made after an event gets it, unless that was matched`(engine: EventEngine) throws {
        try engine.withStore { test in
            let matcher = EventMatcher(store: test.store)
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
    func `one that is disabled gets nothing, and no history either`(engine: EventEngine) throws {
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
    func `of what waits when it is disabled or deleted nothing is sent`(engine: EventEngine) throws {
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
    func `thousands of matches are kept in several steps, and survive a matcher that vanishes`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            var numbers: [UInt64] = []
            for _ in 0..<2500 {
                numbers.append(try #require(try test.store.create(test.subscription())).number)
            }
            try test.commit()
            let id = try test.receive("{\"n\": 1}", "{\"n\": 2}")[0]
            let first = EventMatcher(store: test.store)
            #expect(try first.turn(until: .farAhead, now: { test.moment }))
            try test.commit()
            #expect(try test.history(id).isWaiting)
            #expect(try test.faults() == [])
            // Another one goes on where that one has stopped; who comes or goes meanwhile changes nothing for this event.
            let deleted = try #require(try test.store.subscriptions(of: "u", after: nil, limit: 9999).last)
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
    func `events are delivered in the order they came, however many match`(engine: EventEngine) throws {
        try engine.withStore { test in
            for _ in 0..<100 { _ = try test.store.create(test.subscription()) }
            for number in 0..<200 {
                let event = ReceivedEvent(id: test.newID(), type: "", body: Array("{\"n\": \(number)}".utf8))
                _ = try test.store.receive([event], for: nil, at: test.moment)
            }
            try test.commit()
            let matcher = EventMatcher(store: test.store)
            var matched: [Int] = []
            while try matcher.turn(until: .farAhead, now: { test.moment }) {
                try test.commit()
                let waiting = try test.store.waitingEvents(skipping: 0, limit: 1000, maximumBytes: .max).count
                matched.append(200 - waiting)
                let first = try test.store.waitingEvents(skipping: 0, limit: 1, maximumBytes: 1).first
                // What waits are the last ones.
                #expect(first.map { text($0.body) == "{\"n\": \(200 - waiting)}" } ?? true)
                guard matched.count < 100 else { break }
            }
            #expect(matched.last == 200)
            #expect(try test.work().count == 20_000)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `two matchers at once deliver each event once`(engine: EventEngine) throws {
        try engine.withStore { test in
            try test.create("$.a")
            for number in 0..<500 {
                let event = ReceivedEvent(id: test.newID(), type: "", body: Array("{\"a\": \(number)}".utf8))
                _ = try test.store.receive([event], for: nil, at: test.moment)
            }
            try test.commit()
            // Each sees the store as it is before the other has kept anything.
            let slow = Late(test.store)
            let (one, two) = (EventMatcher(store: test.store), EventMatcher(store: slow))
            var steps = 0
            slow.meanwhile = {
                _ = try? one.turn(until: .farAhead, now: { test.moment })
            }
            while try two.turn(until: .farAhead, now: { test.moment }) {
                try test.commit()
                steps += 1
                guard steps < 100 else { break }
            }
            let bodies = try test.work().map(\.body)
            #expect(bodies.count == 500 && Set(bodies).count == 500 && steps < 100)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `an expression that takes too long is told once on its subscription, and disturbs no other`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            let slow = try test.create("$" + String(repeating: "..*", count: 12) + "[?(@ = \"never\")]")
            let other = try test.create("$.a")
            let deep = String(repeating: "[", count: 60) + "1" + String(repeating: "]", count: 60)
            let event = "{\"a\": [\(deep), \(deep)]}"
            let matcher = EventMatcher(store: test.store)
            try test.receive(event, event)
            try test.match(matcher)
            #expect(try test.work().map(\.subscription) == [other.number, other.number])
            let told = try test.current(slow).destination
            #expect(told.disabledReason?.contains("takes too long") == true && told.disabledAt == nil)
            // Where somebody has taken it away, it is not told again until the expression is another one.
            try test.change(slow) { $0.destination.disabledReason = nil }
            try test.receive(event)
            try test.match(matcher)
            #expect(try test.current(slow).destination.disabledReason == nil)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `an event that takes long to be matched lets others pass, and is matched in turn with them`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            for number in 0..<200 { try test.create("$.list[?@.b == \(number)]") }
            let all = try test.create("$.n")
            let large = "{\"n\": 0, \"list\": [\((0..<100).map { "{\"b\": \($0)}" }.joined(separator: ","))]}"
            try test.receive(large, "{\"n\": 1}", "{\"n\": 2}")
            // Each look at the clock takes a millisecond.
            var moment = test.moment
            func now() -> Moment {
                moment = Moment(
                    wall: moment.wall.adding(seconds: 0.001), steady: moment.steady.adding(seconds: 0.001))
                return moment
            }
            let matcher = EventMatcher(store: test.store)
            var order: [String] = []
            for number in 3..<100 where order.count < 8 || !order.contains(large) {
                moment = test.moment
                #expect(try matcher.turn(until: moment.steady.adding(seconds: 0.05), now: now))
                try test.commit()
                test.pass(seconds: 1)
                order += try test.work().filter { $0.subscription == all.number }.map(\.body)
                // Others keep coming.
                try test.receive("{\"n\": \(number)}")
            }
            let places = [order.firstIndex(of: "{\"n\": 1}"), order.firstIndex(of: large)]
            #expect(places.allSatisfy { $0 != nil } && places[0] ?? 0 < places[1] ?? 0)
            // All matches of it, once.
            try test.match(matcher)
            try test.work()
            #expect(try test.store.waitingEvents(skipping: 0, limit: 1, maximumBytes: 1).isEmpty)
            #expect(try test.lines(all).count { $0.isFinal } == Set(try test.lines(all).map(\.event)).count)
        }
    }

    // MARK: Replays

    /// Five events, a second apart, of which the first two were delivered, the third was given up, and the others came while
    /// the subscription was disabled.
    private func fill(_ test: EmptyEventStore) throws -> (Subscription, Timestamp) {
        let (subscription, start) = (try test.create("$.n"), test.moment.wall)
        for number in 1...5 {
            if number == 4 { try test.disable(subscription) }
            try test.receive("{\"n\": \(number)}", "{\"other\": \(number)}")
            try test.match()
            try test.work { $0 == "{\"n\": 3}" ? 404 : 200 }
            test.pass(seconds: 1)
        }
        try test.change(subscription) { $0.destination.enable() }
        return (subscription, start)
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay goes on while events keep coming`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            #expect(try test.replay(subscription, since: start, all: true))
            let matcher = EventMatcher(store: test.store)
            for _ in 0..<12 {
                try test.receive("{\"other\": 0}", "{\"other\": 1}")
                #expect(try matcher.turn(until: .farAhead, now: { test.moment }))
                try test.commit()
            }
            #expect(try test.work().count == 5)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay delivers what was not delivered, or all of it`(engine: EventEngine) throws {
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
    func `what is on its way is not replayed`(engine: EventEngine) throws {
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
    func `a replay of many events goes on in steps, and a new expression counts from then on`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            let subscription = try test.create("$.never")
            let start = test.moment.wall
            for number in 0..<200 {
                let body = "{\"\(number % 2 == 0 ? "even" : "odd")\": \(number)}"
                let event = ReceivedEvent(id: test.newID(), type: "", body: Array(body.utf8))
                _ = try test.store.receive([event], for: nil, at: test.moment)
            }
            try test.commit()
            try test.match()
            try test.change(subscription) { $0.expression = "$.even" }
            #expect(try test.replay(subscription, since: start))
            // Only up to when it was asked for.
            try test.receive("{\"even\": 1000}")
            #expect(try test.match() > 3)
            let made = try test.work()
            #expect(made.count == 101 && made.count { $0.trigger == .recover } == 100)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay looks at a bounded number of delivered events in a step`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create("$.n")
            let start = test.moment.wall
            let events = (0..<300).map { number in
                ReceivedEvent(id: test.newID(), type: "", body: Array("{\"n\": \(number)}".utf8))
            }
            _ = try test.store.receive(events, for: nil, at: test.moment)
            try test.commit()
            try test.match()
            #expect(try test.work { $0 == "{\"n\": 299}" ? 404 : 200 }.count == 300)
            try test.change(subscription) { $0.destination.enable() }
            #expect(try test.replay(subscription, since: start))
            #expect(try test.match() == 2)
            #expect(try test.work().map(\.body) == ["{\"n\": 299}"])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a replay ends with its subscription, and with what it was to replay`(engine: EventEngine) throws {
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
    func `a request for a replay that is made again replays once`(engine: EventEngine) throws {
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
    func `a replay that is asked for while another one is worked on is not lost`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            #expect(try test.replay(subscription, since: start, until: start.adding(seconds: 2.5)))
            let late = Late(test.store)
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
    func `replays of a subscription are done one after the other, and none is lost`(engine: EventEngine) throws {
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
            // Another one's are counted by themselves.
            let other = try test.create("$.n")
            #expect(try test.replay(other, since: start))
            try test.match()
            // Each event once: what one replay has found is on its way for the next.
            #expect(try test.work().count == 3 + 5)
            #expect(try test.replay(subscription, since: start, all: true, for: test.request(1)))
            try test.match()
            #expect(try test.work().count == 5)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `subscriptions have their replays done by turns`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (first, second) = (try test.create("$.n"), try test.create("$.n"))
            let start = test.moment.wall
            for number in 0..<100 { try test.receive("{\"n\": \(number)}") }
            try test.match()
            try test.work()
            for subscription in [first, second] { #expect(try test.replay(subscription, since: start, all: true)) }
            let matcher = EventMatcher(store: test.store)
            for _ in 0..<4 {
                #expect(try matcher.turn(at: test.moment))
                try test.commit()
            }
            let made = try test.work().map(\.subscription)
            #expect(made.count { $0 == first.number } == 32 && made.count { $0 == second.number } == 32)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a step of a replay ends at its deadline, and the next goes on there`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create("$.n")
            let start = test.moment.wall
            for number in 0..<10 { try test.receive("{\"n\": \(number)}") }
            try test.match()
            try test.work()
            #expect(try test.replay(subscription, since: start, all: true))
            let matcher = EventMatcher(store: test.store)
            var made: [String] = []
            for _ in 0..<10 {
                // Late from the first: one event in any case.
                #expect(try matcher.turn(until: test.moment.steady, now: { test.moment }))
                try test.commit()
                made += try test.work().map(\.body)
            }
            #expect(made == (0..<10).map { "{\"n\": \($0)}" })
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `what waits to be matched is left to that by a replay`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create("$.n")
            let start = test.moment.wall
            try test.receive("{\"n\": 1}")
            #expect(try test.replay(subscription, since: start))
            // Behind the replay's turn.
            let replay = try #require(try test.store.waitingReplay(after: nil, limit: 9, maximumBytes: 999))
            #expect(replay.events == [])
            try test.match()
            #expect(try test.work().map(\.trigger) == [.scheduled])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a step matches no more events than it can make deliveries for`(engine: EventEngine) throws {
        try engine.withStore { test in
            for _ in 0..<1000 { _ = try test.store.create(test.subscription("$.a")) }
            let none = (0..<5).map { _ in "{}" }
            for body in ["{\"a\": 1}", "{\"a\": 2}"] + none { try test.receive(body) }
            let store = Late(test.store)
            try test.match(EventMatcher(store: store))
            #expect(store.kept == [1, 1, 5])
            #expect(try test.work().count == 2000)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `large events count for several attempts at a time, and the largest are begun alone`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            let subscriptions = try (0..<3).map { _ in try test.create() }
            for subscription in subscriptions { try test.change(subscription) { $0.destination.limits.inFlight = 16 } }
            for megabytes in [20, 5, 9, 1] {
                try test.receive("{\"a\": \"\(String(repeating: "x", count: megabytes << 20))\"}")
            }
            try test.match()
            // 21 places each, of which the first leave too few for a second destination.
            let first = try test.turn([], beginning: 20)
            #expect(first.map(\.places) == [21])
            let second = try test.turn([], beginning: 100, inFlight: [first[0].destination.number: 21])
            #expect(second.map(\.places) == [21, 21])
            #expect(Set((first + second).map(\.destination.number)).count == 3)
            // Then as many as there is room for, of which the last does not.
            let number = first[0].destination.number
            let others = Dictionary(uniqueKeysWithValues: second.map { ($0.destination.number, 21) })
            #expect(try test.turn([], beginning: 100, inFlight: others).map(\.places) == [6, 10])
            #expect(try test.turn([], beginning: 100, inFlight: others.merging([number: 16]) { $1 }).isEmpty)
            #expect(
                try test.turn([], beginning: 100, inFlight: others.merging([number: 14]) { $1 }).map(\.places) == [2])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `two matchers at once replay each event once`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, start) = try fill(test)
            #expect(try test.replay(subscription, since: start, all: true))
            let other = EventMatcher(store: test.store)
            let late = Late(test.store)
            late.meanwhile = { _ = try? other.turn(until: .farAhead, now: { test.moment }) }
            try test.match(EventMatcher(store: late))
            #expect(try test.work().count == 5)
        }
    }
}

/// A store in which something happens between what a matcher reads and what it writes.
private final class Late: MatchingStore {
    private let store: any MatchingStore
    var meanwhile: () -> Void = {}
    /// Of how many events each step has kept what they matched.
    private(set) var kept: [Int] = []

    init(_ store: any MatchingStore) { self.store = store }

    func expressions(since revision: UInt64, limit: Int) throws(StoreFailure) -> ExpressionChanges {
        try store.expressions(since: revision, limit: limit)
    }

    func waitingEvents(skipping: Int, limit: Int, maximumBytes: Int) throws(StoreFailure) -> [WaitingEvent] {
        try store.waitingEvents(skipping: skipping, limit: limit, maximumBytes: maximumBytes)
    }

    func keep(_ matches: [EventMatches], at moment: Moment) throws(StoreFailure) -> Int {
        meanwhile()
        kept.append(matches.count)
        return try store.keep(matches, at: moment)
    }

    func waitingReplay(
        after subscription: UInt64?, limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> WaitingReplay? {
        try store.waitingReplay(after: subscription, limit: limit, maximumBytes: maximumBytes)
    }

    func keep(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) throws(StoreFailure) {
        meanwhile()
        try store.keep(matched, of: replay, at: moment)
    }

    func reportExpression(of subscription: UInt64, _ text: String) throws(StoreFailure) {
        try store.reportExpression(of: subscription, text)
    }
}
