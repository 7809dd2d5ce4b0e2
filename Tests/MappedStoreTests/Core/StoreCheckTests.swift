import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

/// What checking a store finds out about endpoints, queues and webhooks; `EventCheckTests` has subscriptions and events.
@Suite struct StoreCheckTests {
    private enum Change: CaseIterable { case missing, damaged, tooMuch }

    /// Tables of which an entry may be missing: nothing else says that it was there.
    private static let mayBeMissing = ["rights", "clients", "attempt-parcels"]
    /// Tables in which an entry may be too much: environments outlive their webhooks.
    private static let mayBeTooMuch = ["environments"]

    @Test(arguments: StoreTable.all, Change.allCases)
    private func `what is missing, damaged or too much is found`(table: StoreTable, change: Change) throws {
        if change == .missing, Self.mayBeMissing.contains(table.name) { return }
        if change == .tooMuch, Self.mayBeTooMuch.contains(table.name) { return }
        try withTemporaryDirectory { directory in
            let used = UsedStore(try open(directory))
            for round in 1...3 { try used.use(round) }
            let store = used.store
            #expect(try store.check().faults == [])
            var (key, value) = try table.entry(of: store)
            switch change {
            case .missing: try table.put(nil, at: key, of: store)
            case .damaged:
                // An entry of an index alone has nothing to be damaged.
                if value.isEmpty { return }
                try table.put([0xff], at: key, of: store)
            case .tooMuch:
                key[key.count - 1] ^= 0x40
                try table.put(value, at: key, of: store)
            }
            do throws(StoreFailure) {
                let faults = try store.check().faults
                #expect(faults != [])
            } catch {
                // What cannot be read at all ends the check.
                guard change == .damaged, case .damaged = error else { throw error }
            }
        }
    }
}
