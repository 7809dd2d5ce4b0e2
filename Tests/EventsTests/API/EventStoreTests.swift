import Delivery
import Events
import HTTP
import JSONPath
import MappedStore
import StoreSupport
import Testing
import Values

/// What every engine must do for subscriptions and their expressions.
@Suite struct EventStoreTests {
    @Test(arguments: EventEngine.allCases)
    func `an empty store finds no subscription and no event`(engine: EventEngine) throws {
        try engine.withStore { test in
            let id = test.newID()
            let found = try test.events.subscriptions(of: "u", after: nil, limit: 10)
            #expect(found == [])
            #expect(try test.events.subscription(id) == nil)
            #expect(try test.events.event(id) == nil)
            let never = test.subscription()
            #expect(try test.events.replace(never, by: never) == .gone)
            #expect(try !test.events.deleteSubscription(id, of: "u", for: nil))
            #expect(try test.events.deliveries(of: id, DeliveryQuery()) == nil)
            #expect(try test.events.redeliver(1, of: never, for: nil, at: test.moment) == .unknownDestination)
            #expect(try !test.replay(test.subscription(), since: test.moment.wall))
            #expect(try test.match() == 0)
        }
    }

    // MARK: Subscriptions

    @Test(arguments: EventEngine.allCases)
    func `a subscription is found as it was created`(engine: EventEngine) throws {
        try engine.withStore { test in
            let extensions = Array(#"{"b" : 1e3}"#.utf8)
            func destination(_ number: UInt64) -> Destination {
                Destination(
                    number: number, url: "https://receiver.test/ä?b=c", sealedHeaders: [0], policy: .events,
                    limits: DestinationLimits(inFlight: 3, rate: 0.25), disabledUntil: .farAhead, disabledReason: "so",
                    disabledAt: test.moment.wall, protocolKind: .event, approvalPath: "/events/%C3%A9",
                    consent: Consent(url: "https://receiver.test/ä?b=c", rate: 15),
                    shape: [Subscription.Format.binary.rawValue] + extensions)
            }
            var subscription = Subscription(
                id: test.newID(), user: String(repeating: "é", count: 2000), name: "größe",
                expression: "$[\"e\u{301}\"]", dialect: .rfc9535, version: "v7", extensions: extensions,
                sealedAuth: [0, 0xff], sealedTarget: [], target: "", format: .binary, destination: destination(0),
                created: test.moment.wall.adding(seconds: -1e9), updated: test.moment.wall.adding(seconds: 1))
            let made = try #require(try test.create(subscription))
            #expect(made.number > 0)
            subscription.destination = destination(made.number)
            #expect(made == subscription)
            #expect(try test.current(made) == made)
            // Strings that are equal may have different bytes.
            let found = try test.current(made)
            #expect(found.expression.utf8.elementsEqual(subscription.expression.utf8))
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `subscriptions are listed by user, in the order of their creation, after a given one`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            let users = ["u", "U", "", "u ", "e\u{301}", "\u{e9}"]
            let made = try users.map { user in try (0..<3).map { _ in try test.create(of: user).id } }
            for (user, ids) in zip(users, made) {
                func list(after: UUID? = nil, limit: Int = 100) throws -> [UUID] {
                    let number = try after.map { try test.events.subscription($0)?.number ?? .max }
                    return try test.events.subscriptions(of: user, after: number, limit: limit).map(\.id)
                }
                #expect(try list() == ids)
                #expect(try list(limit: 2) == Array(ids[..<2]))
                #expect(try list(after: ids[0]) == Array(ids[1...]) && list(after: ids[2]) == [])
                #expect(try list(after: ids[0], limit: 1) == [ids[1]])
                #expect(try list(after: test.newID()) == [])
            }
            #expect(try test.delete(try #require(try test.events.subscription(made[0][1]))))
            #expect(try test.events.subscriptions(of: "u", after: nil, limit: 9).map(\.id) == [made[0][0], made[0][2]])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `an id belongs to one subscription of all users, until that is deleted`(engine: EventEngine) throws {
        try engine.withStore { test in
            let first = test.subscription()
            let made = try #require(try test.create(first))
            var second = test.subscription(of: "other")
            second = Subscription(
                id: first.id, user: "other", name: "n", expression: "$", target: "", destination: second.destination,
                created: test.moment.wall, updated: test.moment.wall)
            #expect(try test.create(second) == nil)
            #expect(try test.events.subscriptions(of: "other", after: nil, limit: 9) == [])
            #expect(try test.delete(made))
            let again = try #require(try test.create(second))
            #expect(again.number > made.number)
            #expect(try test.current(made).user == "other")
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a retried request creates or deletes one subscription`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            let subscription = test.subscription()
            let made = try test.create(subscription, for: test.request(1))
            // The retry has another id, as the client leaves it to the server.
            #expect(try test.create(test.subscription(), for: test.request(1)) == made)
            #expect(try test.events.subscriptions(of: "u", after: nil, limit: 9).count == 1)
            #expect(try test.delete(subscription, for: test.request(2)))
            #expect(try test.delete(subscription, for: test.request(2)))
            #expect(try !test.delete(subscription, for: test.request(3)))
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `the number of subscriptions of a user is limited, and deleting one makes room`(
        engine: EventEngine
    ) throws {
        try engine.withStore { test in
            func create(limit: Int, for request: RequestID? = nil) throws -> SubscriptionCreation {
                let outcome = try test.events.create(test.subscription(), for: request, limit: limit)
                try test.commit()
                return outcome
            }
            for _ in 0..<3 { try test.create(of: "other") }
            let first = try create(limit: 2, for: test.request(1))
            guard case .made(let made) = first else { return #expect(first == .idTaken) }
            try test.create()
            // However often it is tried.
            #expect(try create(limit: 2) == .tooMany && create(limit: 2) == .tooMany)
            #expect(try create(limit: 2, for: test.request(1)) == first)
            #expect(try test.delete(made) && !test.delete(made))
            #expect(try create(limit: 2) != .tooMany)
            #expect(try create(limit: 2) == .tooMany)
            // An import has no limit, and its subscriptions count.
            try test.create()
            #expect(try create(limit: 3) == .tooMany)
            let all = try test.events.subscriptions(of: "u", after: nil, limit: 9)
            #expect(all.count == 3)
            for subscription in all { #expect(try test.delete(subscription)) }
            #expect(try create(limit: 0) == .tooMany && create(limit: 1) != .tooMany)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a change is stored, unless the subscription has changed since it was read`(engine: EventEngine) throws {
        try engine.withStore { test in
            let made = try test.create("$.a")
            var wanted = made
            wanted.name = "other"
            wanted.expression = "$.b"
            wanted.destination.url = "http://elsewhere.test/"
            wanted.destination.disabledReason = "so"
            try test.change(made) { $0 = wanted }
            #expect(try test.current(made) == wanted)
            // The subscription is no longer as it was read.
            #expect(try test.events.replace(made, by: made) == .differs(wanted))
            try test.commit()
            #expect(try test.current(made) == wanted)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `deliveries and log entries of a deleted subscription are removed, and no others`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (gone, other) = (try test.create(), try test.create())
            let ids = try (0..<20).map { _ in try test.receive("{}")[0] }
            try test.match()
            try test.work { _ in 500 }
            #expect(try test.delete(gone))
            #expect(try test.faults() == [])
            let history = try test.history(ids[0])
            #expect(history.matches.map(\.subscription) == [other.id] && history.otherMatches == 1)
            var removed = 0
            while true {
                let count = try test.removeGarbage(7)
                try test.commit()
                #expect(try test.faults() == [])
                removed += count
                if count == 0 { break }
            }
            // 20 deliveries and 20 log entries.
            #expect(removed >= 40)
            #expect(try test.history(ids[0]).matches.first?.attempts.count == 1)
            #expect(try test.lines(other).count == 20)
            test.pass(seconds: 10)
            #expect(try test.work().count == 20)
        }
    }

    // MARK: Expressions

    @Test(arguments: EventEngine.allCases)
    func `changes of expressions are read once, oldest first, in batches`(engine: EventEngine) throws {
        try engine.withStore { test in
            let made = try ["$.a", "$.b", "$.c", "$.d"].map { try test.create($0) }
            let all = try test.matching.expressions(since: 0, limit: 100)
            #expect(all.changes.map(\.number) == made.map(\.number) && !all.hasMore && !all.isIncomplete)
            #expect(all.changes.map { $0.expression?.text } == ["$.a", "$.b", "$.c", "$.d"])
            let none = try test.matching.expressions(since: all.revision, limit: 100)
            #expect(none.changes == [] && none.revision == all.revision)
            // Other changes of a subscription are not listed.
            try test.change(made[0]) { $0.name = "other" }
            #expect(try test.matching.expressions(since: all.revision, limit: 100).changes == [])
            try test.change(made[1]) { $0.dialect = .legacy }
            try test.change(made[0]) { $0.expression = "$.e" }
            #expect(try test.delete(made[2]))
            let news = try test.matching.expressions(since: all.revision, limit: 100)
            #expect(news.changes.map(\.number) == [made[1].number, made[0].number, made[2].number])
            #expect(news.changes.map { $0.expression?.text } == ["$.b", "$.e", nil])
            var (revision, seen) = (all.revision, [UInt64]())
            while true {
                let part = try test.matching.expressions(since: revision, limit: 1)
                seen += part.changes.map(\.number)
                revision = part.revision
                if !part.hasMore { break }
            }
            #expect(seen == [made[1], made[0], made[2]].map(\.number) && revision == news.revision)
            // From the beginning all expressions are read at once, without the deleted ones.
            let anew = try test.matching.expressions(since: 0, limit: 1)
            #expect(anew.changes.map(\.number) == [made[3], made[1], made[0]].map(\.number) && !anew.hasMore)
            #expect(anew.revision == news.revision)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a new reader gets all expressions, however many have been deleted`(engine: EventEngine) throws {
        try engine.withStore { test in
            let stays = try ["$.a", "$.b", "$.c"].map { try test.create($0) }
            for number in 0..<10_001 {
                let made = try #require(try test.events.create(test.subscription("$.d")))
                #expect(try test.events.deleteSubscription(made.id, of: made.user, for: nil))
                if number % 100 == 0 { try test.commit() }
            }
            try test.commit()
            let part = try test.matching.expressions(since: 0, limit: 2)
            #expect(part.changes.map(\.number) == stays.map(\.number) && !part.hasMore && !part.isIncomplete)
            #expect(try !test.matching.expressions(since: part.revision, limit: 2).isIncomplete)
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `an expression that only looks like the previous one is a change`(engine: EventEngine) throws {
        try engine.withStore { test in
            let made = try test.create("$[\"\u{e9}\"]")
            let matcher = EventMatcher(store: test.matching)
            try test.receive("{\"\u{e9}\": 1}")
            try test.match(matcher)
            try test.change(made) { $0.expression = "$[\"e\u{301}\"]" }
            try test.receive("{\"e\u{301}\": 2}", "{\"\u{e9}\": 3}")
            try test.match(matcher)
            #expect(try test.work().map(\.body) == ["{\"\u{e9}\": 1}", "{\"e\u{301}\": 2}"])
        }
    }

    @Test(arguments: EventEngine.allCases)
    func `a reader that has missed forgotten deletions reads all expressions again`(engine: EventEngine) throws {
        try engine.withStore { test in
            let (stays, first) = (try test.create("$.a"), try test.create("$.b"))
            let matcher = EventMatcher(store: test.matching)
            try test.receive("{\"b\": 1}")
            try test.match(matcher)
            let revision = try test.matching.expressions(since: 0, limit: 100).revision
            #expect(try test.delete(first))
            for number in 0..<10_001 {
                let made = try #require(try test.events.create(test.subscription("$.c")))
                #expect(try test.events.deleteSubscription(made.id, of: made.user, for: nil))
                if number % 100 == 0 { try test.commit() }
            }
            try test.commit()
            let news = try test.matching.expressions(since: revision, limit: 100)
            #expect(news.isIncomplete && news.changes == [])
            try test.receive("{\"a\": 2, \"b\": 2, \"c\": 2}")
            try test.match(matcher)
            #expect(try test.work().map(\.subscription) == [stays.number])
            let all = try test.matching.expressions(since: 0, limit: 100)
            #expect(all.changes.map(\.number) == [stays.number] && !all.isIncomplete)
        }
    }
}
