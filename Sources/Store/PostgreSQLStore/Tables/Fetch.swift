internal import PostgreSQL

/// The statements that fetch what tables lack: one for all entries of a table whose keys are known, one for each other need.
struct Fetch {
    private var entries: [(table: Int, keys: [[UInt8]])] = []
    private var others: [CachedTables.Need] = []

    init(_ needs: [CachedTables.Need]) {
        var keys: [Int: [[UInt8]]] = [:]
        for need in needs {
            if case .entry(let key, let table) = need {
                keys[table, default: []].append(key)
            } else {
                others.append(need)
            }
        }
        entries = keys.map { ($0, $1) }
    }

    var statements: [Session.Statement] {
        entries.map { Schema.entries($0.keys, in: $0.table) } + others.map { Schema.statement(for: $0) }
    }

    /// Takes in the rows of each of the statements.
    func take(_ results: ArraySlice<[PostgreSQLRow]>, to tables: CachedTables) {
        for ((table, keys), rows) in zip(entries, results) {
            let found = Dictionary(rows.map { ($0.bytes(0) ?? [], $0.bytes(1) ?? []) }) { first, _ in first }
            for key in keys { tables.learn(.entry(key, table: table), found[key].map { [(key, $0)] } ?? []) }
        }
        for (need, rows) in zip(others, results.dropFirst(entries.count)) {
            switch need {
            case .count: tables.learn(need, [], count: Int(rows.first?.integer(0) ?? 0))
            case .entries(_, _, _, let limit):
                let found = rows.map { (key: $0.bytes(0) ?? [], value: $0.bytes(1) ?? []) }
                let count = Int(rows.first?.integer(2) ?? 0)
                tables.learn(need, found, isComplete: found.count == count && count < limit)
            case .entry: break
            }
        }
    }
}
