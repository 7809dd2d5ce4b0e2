import Queues
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Webhooks

@testable import MappedStore

/// The records that all requests of an API share are made anew from the others if they are damaged.
@Suite struct SharedRecordTests {
    @Test(arguments: ["capture", "queues", "delivery", "events"], [false, true])
    func `a damaged record is rebuilt, and no number is given twice`(name: String, reopens: Bool) throws {
        try withTemporaryDirectory { directory in
            var (counts, next): ([String: UInt64], [String: UInt64])
            do {
                let used = UsedStore(try open(directory))
                for round in 1...3 { try used.use(round) }
                (counts, next) = try used.state()
                try used.damage(name)
                if !reopens { try check(used, counts, next) }
            }
            // Opening the store makes the record of queues anew.
            if reopens { try check(UsedStore(try open(directory)), counts, next, isNoted: name != "queues") }
        }
    }

    private func check(
        _ used: UsedStore, _ counts: [String: UInt64], _ next: [String: UInt64], isNoted: Bool = true
    ) throws {
        let rebuilt = try used.state()
        #expect(rebuilt.counts == counts)
        for (kind, number) in rebuilt.next { #expect(number >= next[kind]!, "\(kind)") }
        let damage = used.store.takeDamage()
        #expect(damage.count == (isNoted ? 1 : 0))
        #expect(damage.allSatisfy { $0.hasSuffix(" is damaged and is rebuilt from the other records") })
        // It is written with the next change.
        try used.use(4)
        for (kind, number) in try used.state().next { #expect(number > next[kind]!, "\(kind)") }
        #expect(used.store.takeDamage() == [])
        let faults = try used.store.check().faults
        #expect(faults == [])
    }

    /// What was deleted last has no records but an entry of what is to be removed.
    @Test(arguments: ["queues", "delivery"])
    func `what is left of deleted records is not taken for new ones`(name: String) throws {
        try withTemporaryDirectory { directory in
            let used = UsedStore(try open(directory))
            try used.configure(queues: [1, 2], users: [1, 2])
            let webhook = try used.makeWebhook(1)
            #expect(try used.store.webhooks.delete(webhook.id, for: nil))
            try used.configure(queues: [1], users: [1])
            try used.damage(name)
            try used.configure(queues: [1, 3], users: [1, 3])
            try used.listen(3)
            let other = try used.makeWebhook(2)
            try used.accept("kept", in: 2)
            while try used.store.removeGarbage(limit: 100) > 0 { try used.store.commit() }
            try used.store.commit()
            let user = try #require(try used.store.queues.user(named: "u3"))
            #expect(try used.store.queues.overview(of: user, after: [], limit: 10).clients.map(\.name) == ["c"])
            #expect(try used.store.webhooks.statistics(of: other.id)?.pending == 1)
            #expect(try used.store.check().faults == [])
        }
    }
}
