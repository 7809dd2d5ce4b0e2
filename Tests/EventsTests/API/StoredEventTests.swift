import Delivery
import Events
import HTTP
import JSONPath
import MappedStore
import StoreSupport
import Testing
import Values

/// What every engine must do for events and their history.
@Suite struct StoredEventTests {
    @Test(arguments: EventEngine.allCases)
    func `a user sees only the deliveries of an event to own subscriptions`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (u, v) = (try test.create("$", of: "u"), try test.create("$", of: "v"))
            let id = try test.receive("{}")[0]
            try test.match()
            try test.work()
            for (user, own) in [("u", [u.id]), ("v", [v.id]), ("w", [])] {
                let history = try #require(try test.events.event(id, for: user))
                #expect(history.matches.map(\.subscription) == own && history.otherMatches == 2 - own.count)
                #expect(history.matches.allSatisfy { $0.attempts.count == 1 })
            }
            #expect(try test.history(id).matches.count == 2)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `an event is found by its id, byte for byte`(engine: EventEngine) throws {
        try engine.withStore { test in
            let id = try test.receive(" {\"b\": 1,\"a\" : 1e400} ")[0]
            var history = try test.history(id)
            #expect(history.isWaiting && history.matches == [] && history.otherMatches == 0)
            #expect(history.body == Array(" {\"b\": 1,\"a\" : 1e400} ".utf8) && history.receivedAt == test.moment.wall)
            try test.match()
            history = try test.history(id)
            #expect(!history.isWaiting && history.matches == [])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a retried request gets the same ids`(engine: EventEngine) throws {
        try engine.withStore { test in
            try test.create()
            let one = try test.receive("{}", for: test.request(1))
            #expect(try test.receive("{}", for: test.request(1)) == one)
            let many = try test.receive("[1]", "[2]", "[3]", for: test.request(2))
            try test.receive("[4]")
            #expect(try test.receive("[1]", "[2]", "[3]", for: test.request(2)) == many)
            #expect(Set(one + many).count == 4)
            try test.match()
            #expect(try test.work().map(\.body) == ["{}", "[1]", "[2]", "[3]", "[4]"])
            // Also after the events have been matched.
            #expect(try test.receive("[1]", "[2]", "[3]", for: test.request(2)) == many)
            #expect(try test.match() == 0)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `an old event is dropped, with its log entries`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create()
            let old = try test.receive("{\"n\": 1}", "{\"n\": 2}")
            try test.match()
            try test.work()
            let waiting = try test.receive("{\"n\": 3}")[0]
            test.pass(seconds: 100)
            let young = try test.receive("{\"n\": 4}")[0]
            var dropped = 0
            while true {
                let count = try test.dropOld(test.moment.wall.adding(seconds: -50), 2)
                try test.commit()
                #expect(try test.faults() == [])
                if count == 0 { break }
                dropped += count
            }
            // Two events and two log entries; the event that waits to be matched stays.
            #expect(dropped == 4)
            for id in old { #expect(try test.events.event(id) == nil) }
            #expect(try test.events.event(waiting) != nil)
            #expect(try test.lines(subscription) == [])
            try test.match()
            #expect(try test.work().map(\.body) == ["{\"n\": 3}", "{\"n\": 4}"])
            #expect(try test.history(young).matches.first?.attempts.map(\.outcome.status) == [200])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `an old event is dropped without its younger log entries`(engine: EventEngine) throws {
        try engine.withStore { test in
            try test.create()
            let id = try test.receive("{}")[0]
            try test.match()
            try test.work { _ in 500 }
            test.pass(seconds: 10)
            try test.work()
            #expect(try test.history(id).matches.first?.attempts.map(\.attempt) == [1, 2])
            // The event is older than both log entries, and is dropped without them.
            #expect(try test.dropOld(test.moment.wall.adding(seconds: -5), 1) == 1)
            try test.commit()
            #expect(try test.events.event(id) == nil)
            #expect(try test.faults() == [])
            #expect(try test.dropOld(test.moment.wall.adding(seconds: 1), 10) == 2)
            try test.commit()
        }
    }

    // MARK: History

    @Test(arguments: EventEngine.allCases)
    func `the history of a subscription is read newest first, in pages, and by outcome`(engine: EventEngine) throws {
        try engine.withStore { test in
            let subscription = try test.create()
            for number in 0..<6 {
                try test.receive("{\"n\": \(number)}")
                try test.match()
                try test.work { _ in number % 2 == 0 ? 200 : 503 }
            }
            let lines = try test.lines(subscription)
            #expect(lines.map(\.outcome.status) == [503, 200, 503, 200, 503, 200])
            #expect(lines.map(\.id) == lines.map(\.id).sorted(by: >))
            #expect(try test.lines(subscription, DeliveryQuery(limit: 2)) == Array(lines[..<2]))
            #expect(try test.lines(subscription, DeliveryQuery(limit: 2, before: lines[1].id)) == Array(lines[2..<4]))
            #expect(
                try test.lines(subscription, DeliveryQuery(succeeded: true)).map(\.outcome.status) == [200, 200, 200])
            #expect(try test.lines(subscription, DeliveryQuery(succeeded: false)) == [lines[0], lines[2], lines[4]])
            #expect(lines[0].isFinal == false && lines[0].nextRetryAt == test.moment.wall.adding(seconds: 10))
            #expect(lines[1].isFinal && lines[1].event == "t")
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a log entry is delivered again once for a request, to its own subscription only`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (subscription, other) = (try test.create("$.a"), try test.create("$.b"))
            let id = try test.receive("{\"a\": 1}")[0]
            try test.match()
            try test.work { _ in 410 }
            let line = try #require(try test.lines(subscription).first)
            #expect(try test.current(subscription).destination.disabledReason == "said 410")
            func redeliver(_ line: UInt64, _ subscription: Subscription, _ request: UInt64) throws -> Redelivery {
                let outcome = try test.events.redeliver(
                    line, of: subscription, for: test.request(request), at: test.moment)
                try test.commit()
                return outcome
            }
            #expect(try redeliver(line.id, other, 1) == .unknownLine)
            #expect(try redeliver(line.id + 100, subscription, 2) == .unknownLine)
            let started = try redeliver(line.id, subscription, 3)
            #expect(try redeliver(line.id, subscription, 3) == started)
            // A delivery by hand goes to a disabled subscription too.
            #expect(
                try test.work() == [.init(subscription: subscription.number, body: "{\"a\": 1}", trigger: .manual)])
            #expect(try test.history(id).matches.first?.attempts.map(\.outcome.status) == [410, 200])
        }
    }
}
