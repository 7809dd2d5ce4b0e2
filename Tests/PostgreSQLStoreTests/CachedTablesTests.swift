import LMDB
import TestSupport
import Testing

@testable import PostgreSQLStore

/// Tables of which a part is known, beside the same tables in a dictionary.
@Suite struct CachedTablesTests {
    /// Stands for the database: it answers needs as the statements do.
    private final class Database {
        var entries: [[UInt8]: [UInt8]] = [:]
        var fetches = 0

        func rows(for need: CachedTables.Need) -> (rows: [(key: [UInt8], value: [UInt8])], isComplete: Bool) {
            fetches += 1
            switch need {
            case .count: return ([], true)
            case .entry(let key, _): return (entries[key].map { [(key, $0)] } ?? [], true)
            case .entries(let range, _, let backwards, let limit):
                let found = entries.filter { range.contains($0.key) }.sorted {
                    backwards ? CachedTable.isBefore($1.key, $0.key) : CachedTable.isBefore($0.key, $1.key)
                }
                // The statement returns fewer entries than the limit allows where they are long.
                let count = min(limit, 3)
                return (found.prefix(count).map { ($0.key, $0.value) }, found.count <= count)
            }
        }
    }

    private func tables(on database: Database) -> CachedTables {
        var made: CachedTables?
        let tables = CachedTables { need throws(LMDBError) in
            let found = database.rows(for: need)
            made?.learn(need, found.rows, isComplete: found.isComplete, count: database.entries.count)
        }
        made = tables
        return tables
    }

    private static let table: UInt32 = 2

    private func key(_ random: inout some RandomNumberGenerator) -> [UInt8] {
        (0..<Int.random(in: 1...2, using: &random)).map { _ in UInt8.random(in: 0...4, using: &random) }
    }

    @Test(arguments: 0..<200) func `what is read is what is stored, with the changes`(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let database = Database()
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            database.entries[key(&random)] = [UInt8.random(in: 0...255, using: &random)]
        }
        var expected = database.entries
        let tables = tables(on: database)
        for _ in 0..<60 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0, 1:
                let (key, value) = (key(&random), [UInt8.random(in: 0...255, using: &random)])
                try tables.put(value, at: key, in: Self.table)
                expected[key] = value
            case 2:
                let key = key(&random)
                #expect(try tables.remove(key, in: Self.table) == (expected.removeValue(forKey: key) != nil))
            case 3:
                let key = key(&random)
                #expect(try tables.value(at: key, in: Self.table) == expected[key])
            case 4:
                tables.forget()
            case 5:
                // The changes reach the database, as before a long transaction goes on.
                for change in tables.takeChanges(of: Int(Self.table)).entries {
                    database.entries[change.key] = change.value
                }
                #expect(database.entries == expected)
                tables.forget()
            default:
                let range = KeyRange(
                    from: Bool.random(using: &random) ? [] : key(&random),
                    before: Bool.random(using: &random) ? nil : key(&random))
                let backwards = Bool.random(using: &random)
                let most = Int.random(in: 1...30, using: &random)
                var found: [[UInt8]] = []
                try tables.scan(range, in: Self.table, backwards: backwards) { key, value in
                    #expect(value == expected[key])
                    found.append(key)
                    return found.count < most
                }
                let keys = expected.keys.filter { range.contains($0) }.sorted { CachedTable.isBefore($0, $1) }
                #expect(found == Array((backwards ? keys.reversed() : keys).prefix(most)))
            }
        }
    }

    @Test func `what is known is not fetched again`() throws {
        let database = Database()
        for number: UInt8 in 1...3 { database.entries[[number]] = [number] }
        let tables = tables(on: database)
        for _ in 0..<3 {
            #expect(try tables.value(at: [2], in: Self.table) == [2])
            #expect(try tables.value(at: [9], in: Self.table) == nil)
        }
        #expect(database.fetches == 2)
        for _ in 0..<3 {
            var count = 0
            try tables.scan(KeyRange(from: [1], before: [4]), in: Self.table, backwards: false) { _, _ in
                count += 1
                return true
            }
            #expect(count == 3)
        }
        #expect(database.fetches == 3)
        // Absent in a range that is known.
        #expect(try tables.value(at: [3, 1], in: Self.table) == nil)
        #expect(database.fetches == 3)
    }
}
