import Delivery
import Events
import HTTP
import JSON
import JSONPath
import MappedStore
import Storage
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

/// Export and import of subscriptions and events.
@Suite struct EventExportTests {
    /// A subscription with every member set.
    private func richest(_ test: EmptyEventStore) throws -> Subscription {
        let extensions = Array(#"{"a" : 1e3, "é": 1}"#.utf8)
        let subscription = Subscription(
            id: test.newID(), user: "é", name: "größe\u{0}", expression: "$", dialect: .rfc9535, version: "v7",
            extensions: extensions, sealedAuth: [0, 0xff], sealedTarget: [1], target: "", format: .binary,
            destination: Destination(
                number: 0, url: "https://receiver.test/ä", sealedHeaders: [0, 0xfe], policy: .events,
                limits: DestinationLimits(inFlight: 300, rate: 1000.25), disabledReason: "so",
                disabledAt: test.moment.wall, protocolKind: .event, approvalPath: "/events/%C3%A9",
                consent: Consent(url: "http://receiver.test/é", rate: 15),
                shape: [Subscription.Format.binary.rawValue] + extensions),
            created: test.moment.wall.adding(seconds: -1e9), updated: test.moment.wall.adding(seconds: 1))
        return try #require(try test.create(subscription))
    }

    /// Puts something of every kind into a store.
    private func fill(_ test: EmptyEventStore) throws -> (subscriptions: [Subscription], events: [UUID]) {
        let gone = try test.create("$")
        let made = [try test.create("$.a"), try richest(test), try test.create("$.b", of: "other")]
        for subscription in made { try test.change(subscription) { $0.destination.policy = .events } }
        var events = try test.receive("{\"a\": 1}", "{\"b\": 12345678901234567890, \"é\" : \"é\"}")
        try test.match()
        try test.work { $0.contains("a") ? 503 : 200 }
        #expect(try test.delete(gone))
        events += try test.receive("{\"a\": 2}")
        try test.match()
        events += try test.receive("{\"b\": 3}")
        try test.disable(made[2])
        #expect(try test.replay(made[0], since: test.moment.wall.adding(seconds: -1), all: true))
        return (made, events)
    }

    @Test func `an import restores everything, and its export is the same`() throws {
        try EventEngine.mapped.withStore { test in
            let (made, events) = try fill(test)
            let mapped = test.store
            #expect(try mapped.seal(ifNone: [9, 0xff]) == [9, 0xff])
            let lines = try export(mapped, at: test.moment)
            try withImport(lines, at: test.moment) { store, counts in
                let deliveries = try mapped.check().deliveries
                #expect(counts.subscriptions == 3 && counts.deliveries == deliveries && deliveries > 0)
                let again = try export(store, at: test.moment)
                #expect(again.count == lines.count)
                for (line, before) in zip(again, lines).dropFirst() {
                    #expect(String(decoding: line, as: UTF8.self) == String(decoding: before, as: UTF8.self))
                }
                #expect(try store.seal() == [9, 0xff] && store.seal(ifNone: [1]) == [9, 0xff])
                for subscription in made {
                    let before = try test.current(subscription)
                    var after = try #require(try store.events.subscription(subscription.id))
                    // Each store has its own numbers; everything else is the same.
                    #expect(after.destination.shape == before.destination.shape)
                    #expect(after.destination.consent == before.destination.consent)
                    #expect(after.destination.approvalPath == before.destination.approvalPath)
                    #expect(after.destination.disabledAt == before.destination.disabledAt)
                    #expect(after.destination.protocolKind == .event)
                    #expect(after.destination.sealedHeaders == before.destination.sealedHeaders)
                    after.destination = before.destination
                    #expect(after == before)
                    #expect(
                        try store.events.subscriptions(of: before.user, after: nil, limit: 9).map(\.id) == [before.id])
                    let history = try store.events.deliveries(of: before.id, DeliveryQuery())
                    #expect(try history == test.lines(before))
                }
                for id in events {
                    let (before, after) = (try test.history(id), try #require(try store.events.event(id)))
                    #expect(after.body == before.body && after.receivedAt == before.receivedAt)
                    #expect(after.isWaiting == before.isWaiting && after.matches == before.matches)
                }
            }
        }
    }

    @Test func `after an import, waiting events are matched, replayed and delivered`() throws {
        try EventEngine.mapped.withStore { test in
            let (made, _) = try fill(test)
            let lines = try export(test.store, at: test.moment)
            try withImport(lines, at: test.moment) { store, _ in
                let other = EmptyEventStore(store, at: test.moment)
                try other.match()
                other.pass(seconds: 1000)
                let bodies = try other.work().map(\.body)
                // The first subscription gets what was pending or replayed, and the second all that it has not got yet.
                #expect(bodies.filter { $0 == "{\"a\": 1}" }.count == 3)
                #expect(bodies.contains("{\"b\": 3}"))
                let history = try #require(try store.events.deliveries(of: made[0].id, DeliveryQuery(succeeded: true)))
                #expect(history.count == 4)
                #expect(try store.check().faults == [])
            }
        }
    }

    @Test func `an event that the original service has routed is not replayed, even after an import`() throws {
        try EventEngine.mapped.withStore { test in
            let subscription = try test.create()
            let mapped = test.store
            let former = FormerEvent(
                event: ReceivedEvent(id: test.newID(), type: "", body: Array("{}".utf8)),
                receivedAt: test.moment.wall.adding(seconds: -60))
            #expect(try mapped.events.takeOver([former]).events == 1)
            try test.commit()
            try withImport(try export(mapped, at: test.moment), at: test.moment) { store, _ in
                #expect(try store.events.event(former.event.id) != nil)
                let since = test.moment.wall.adding(seconds: -1000)
                #expect(
                    try store.events.replay(subscription, since: since, until: .farAhead, all: true, for: nil)
                        == .accepted)
                try store.commit()
                #expect(try store.matching.waitingReplay(after: nil, limit: 9, maximumBytes: 1000) == nil)
            }
        }
    }

    @Test func `sealed values are exported as they are sealed`() throws {
        try EventEngine.mapped.withStore { test in
            _ = try richest(test)
            let lines = try export(test.store, at: test.moment)
            let line = try #require(lines.first { $0.starts(with: Array("{\"kind\": \"subscription\"".utf8)) })
            let json = try JSON(parsing: line)
            #expect(json["sealedAuthBase64"]?.string == "AP8=" && json["sealedTargetBase64"]?.string == "AQ==")
            #expect(json["destination"]?["sealedHeadersBase64"]?.string == "AP4=")
            #expect(json["sealedAuth"] == nil && json["target"]?.string == "")
        }
    }

    @Test(
        arguments: [
            ("subscription", ["id", "user", "jsonpath", "destination", "shapeBase64", "state"]),
            ("parcel", ["number", "eventID"]), ("attempt", ["number", "subscription", "eventID"]),
        ])
    func `an import with a repeated entry or a missing member is refused`(kind: String, members: [String]) throws {
        try EventEngine.mapped.withStore { test in
            _ = try fill(test)
            let lines = try export(test.store, at: test.moment)
            let head = Array("{\"kind\": \"\(kind)\"".utf8)
            let index = try #require(lines.firstIndex { $0.starts(with: head) })
            #expect(throws: ImportError.self) {
                try withImport(lines + [lines[index]], at: test.moment) { _, _ in }
            }
            for member in members {
                let text = String(decoding: lines[index], as: UTF8.self)
                let other = text.replacing("\"\(member)\": ", with: "\"other\": ")
                #expect(other != text, "\(member)")
                var changed = lines
                changed[index] = Array(other.utf8)
                #expect(throws: ImportError.self, "\(member)") {
                    try withImport(changed, at: test.moment) { _, _ in }
                }
            }
        }
    }

    @Test func `a store with subscriptions refuses an import`() throws {
        try EventEngine.mapped.withStore { test in
            try test.create()
            let mapped = test.store
            var lines = try export(mapped, at: test.moment)[...]
            #expect(throws: ImportError.self) {
                try mapped.import(at: test.moment) { () throws(ImportError) in lines.popFirst() }
            }
        }
    }
}
