import Events
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values

/// Events with a source and an id of their own (CloudEvents): one that comes again is the same event.
@Suite struct EventIdentityTests {
    private func events(_ test: EmptyEventStore, _ ids: String?...) -> [ReceivedEvent] {
        ids.map { id in
            let identity = id.map { ReceivedEvent.Identity(source: "/s", id: $0) }
            return ReceivedEvent(id: test.newID(), type: "t", body: Array("{}".utf8), identity: identity)
        }
    }

    private func receive(
        _ test: EmptyEventStore, _ events: [ReceivedEvent], for request: RequestID? = nil
    ) throws -> [UUID] {
        let ids = try test.events.receive(events, for: request, at: test.moment)
        try test.commit()
        return ids
    }

    @Test func `a repeated event has the id of the first one, also within a request`() throws {
        try EventEngine.mapped.withStore { test in
            try test.create()
            let first = try receive(test, events(test, "a", "b", "a"))
            #expect(first[0] == first[2] && first[0] != first[1])
            let second = try receive(test, events(test, "b", "c", nil))
            #expect(second[0] == first[1] && Set(first + second).count == 4)
            let other = ReceivedEvent(
                id: test.newID(), type: "t", body: Array("{}".utf8),
                identity: ReceivedEvent.Identity(source: "/s/a", id: ""))
            #expect(try receive(test, [other]) == [other.id])
            try test.match()
            #expect(try test.work().count == 5)
        }
    }

    @Test func `a retried request is answered with the ids of the first time`() throws {
        try EventEngine.mapped.withStore { test in
            try test.create()
            let known = try receive(test, events(test, "a"))
            let ids = try receive(test, events(test, "b", nil, "a", "c", nil), for: test.request(1))
            #expect(ids[2] == known[0] && Set(ids).count == 5)
            #expect(try receive(test, events(test, "b", nil, "a", "c", nil), for: test.request(1)) == ids)
            try test.match()
            #expect(try test.work().count == 5)
        }
    }

    @Test func `a repeated event whose first one was dropped is new`() throws {
        try EventEngine.mapped.withStore { test in
            let first = try receive(test, events(test, "a", "b"))
            try test.match()
            test.pass(seconds: 100)
            let kept = try receive(test, events(test, "c"))
            while try test.dropOld(test.moment.wall.adding(seconds: -50), 1) > 0 { try test.commit() }
            try test.commit()
            #expect(try test.events.event(first[0]) == nil)
            let again = try receive(test, events(test, "a", "c", "b"))
            #expect(again[1] == kept[0] && Set(first + again).count == 5)
            #expect(try test.events.event(again[0]) != nil)
        }
    }

    @Test func `an event is the same in a store that it was imported into`() throws {
        try EventEngine.mapped.withStore { test in
            let first = try receive(test, events(test, "a", nil))
            try withImport(try export(test.store, at: test.moment), at: test.moment) { store, _ in
                let other = EmptyStore(store, at: test.moment)
                let again = try receive(other, events(other, "b", "a"))
                #expect(again[1] == first[0] && !first.contains(again[0]))
            }
        }
    }
}
