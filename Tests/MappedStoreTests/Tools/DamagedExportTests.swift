import Capture
import HTTP
import StoreSupport
import TestSupport
import Testing
import Values

@testable import MappedStore

/// The export of a store in which a record is damaged.
@Suite struct DamagedExportTests {
    /// The export of a store, and what was left out of it; `nil`: a damaged record is an error.
    private func lines(_ used: UsedStore, leavingOut leaveOut: ((String) -> Void)?) throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        try used.store.export(at: used.now, leavingOut: leaveOut) { lines.append($0) }
        return lines
    }

    @Test(arguments: StoreTable.all)
    func `what can be read is exported, and can be imported`(table: StoreTable) throws {
        try withTemporaryDirectory { directory in
            let used = UsedStore(try open(directory))
            for round in 1...3 { try used.use(round) }
            let whole = try lines(used, leavingOut: nil)
            try table.put([0xff], at: try table.entry(of: used.store).key, of: used.store)
            var notes: [String] = []
            let rest = try lines(used) { notes.append($0) }
            #expect(rest.count > whole.count / 2)
            try withImport(rest, at: used.now) { _, _ in }
            do throws(StoreFailure) {
                try used.store.export(at: used.now) { _ in }
                // The export does not read this table, or finds the same without it.
                #expect(notes == [] && rest == whole)
            } catch {
                guard case .damaged = error else { throw error }
                #expect(notes != [])
            }
        }
    }

    @Test(arguments: [nil, [0xff]] as [[UInt8]?])
    func `an endpoint whose record is lost or damaged is rebuilt with its id and its notifications`(
        record: [UInt8]?
    ) throws {
        try withTemporaryDirectory { directory in
            let used = UsedStore(try open(directory))
            for round in 1...3 { try used.use(round) }
            let table = try #require(StoreTable.all.first { $0.name == "endpoints" })
            try table.put(record, at: key(2), of: used.store)
            var notes: [String] = []
            let rest = try lines(used) { notes.append($0) }
            #expect(notes.contains { $0.hasPrefix("endpoint \(endpointID(2)), which is rebuilt") })
            try withImport(rest, at: used.now) { store, _ in
                let total = try store.capture.overview(newest: 9).total
                let found = try store.looked(at: 2, after: 0)
                #expect(total == 3 && found == [1])
            }
        }
    }
}
