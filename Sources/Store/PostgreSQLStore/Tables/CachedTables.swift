internal import LMDB

/// The tables as a transaction sees them: what was read from the database, and the changes.
///
/// What is not known yet is fetched at once, if that is possible. Otherwise the call fails with `LMDBError.notFetched`, and the
/// operation must be made again once the needs were fetched.
final class CachedTables: RemoteTables {
    /// What has to be fetched.
    enum Need: Hashable {
        case entry([UInt8], table: Int)
        /// - Parameter limit: the most entries.
        case entries(KeyRange, table: Int, backwards: Bool, limit: Int)
        case count(table: Int)
    }

    private var tables = [CachedTable](repeating: CachedTable(), count: Schema.tables.count)
    private var needs: Set<Need> = []
    /// Whether something was missing since this was set to false.
    var isMissing = false
    private let fetch: ((Need) throws(LMDBError) -> Void)?
    /// Whether what is missing is fetched at once.
    var fetchesAtOnce: Bool
    /// The changes that can be undone.
    private var changes: [Change] = []
    /// Bytes of the entries that were learnt, and those that were changed, since they were last forgotten.
    private(set) var learntBytes = 0
    private(set) var changedBytes = 0

    /// How many entries of a scan are fetched first.
    private static let firstEntries = 16
    private static let mostEntries = 1024

    private struct Change {
        let table: Int
        let key: [UInt8]
        let before: CachedTable.Entry?
        /// By how much it has changed the number of entries.
        let counting: Int
    }

    /// - Parameter fetch: fetches something; `nil`: it cannot be fetched at once.
    init(fetch: ((Need) throws(LMDBError) -> Void)? = nil) {
        self.fetch = fetch
        fetchesAtOnce = fetch != nil
    }

    /// Takes what was missing.
    func takeNeeds() -> [Need] {
        defer { needs = [] }
        return Array(needs)
    }

    private func miss(_ need: Need) throws(LMDBError) {
        guard fetchesAtOnce, let fetch else {
            note(need)
            throw .notFetched
        }
        try fetch(need)
    }

    private func note(_ need: Need) {
        needs.insert(need)
        isMissing = true
    }

    // MARK: Looking

    func index(of name: String) throws(LMDBError) -> UInt32 {
        guard let index = Schema.indexes[name] else { throw LMDBError(code: -1, function: "no table \(name)") }
        return UInt32(index)
    }

    func value(at key: [UInt8], in table: UInt32) throws(LMDBError) -> [UInt8]? {
        let table = Int(table)
        while true {
            if let known = tables[table].value(at: key) { return known }
            if !fetchesAtOnce, Schema.isSeldomThere(table) {
                // The operation goes on, to find out what else it lacks, and is made again all the same.
                note(.entry(key, table: table))
                return nil
            }
            try miss(.entry(key, table: table))
        }
    }

    func count(in table: UInt32) throws(LMDBError) -> Int {
        let table = Int(table)
        while true {
            if let count = tables[table].count { return count }
            try miss(.count(table: table))
        }
    }

    func scan(
        _ range: KeyRange, in table: UInt32, backwards: Bool, _ body: ([UInt8], [UInt8]) -> Bool
    ) throws(LMDBError) {
        var left = range
        var limit = Self.firstEntries
        let table = Int(table)
        while !left.isEmpty {
            let known =
                backwards ? tables[table].range(endingAt: left.end) : tables[table].range(containing: left.start)
            guard let known else {
                try miss(.entries(left, table: table, backwards: backwards, limit: limit))
                limit = min(4 * limit, Self.mostEntries)
                continue
            }
            guard lend(left.intersection(known), of: table, backwards: backwards, body) else { return }
            if backwards {
                left.end = known.start
            } else {
                guard let end = known.end else { return }
                left.start = end
            }
        }
    }

    /// Lends the entries of a known range.
    private func lend(
        _ range: KeyRange, of table: Int, backwards: Bool, _ body: ([UInt8], [UInt8]) -> Bool
    ) -> Bool {
        let first = tables[table].firstIndex(from: range.start)
        let end = range.end.map { tables[table].firstIndex(from: $0) } ?? tables[table].entries.count
        guard first < end else { return true }
        let slice = tables[table].entries[first..<end]
        for entry in backwards ? AnyCollection(slice.reversed()) : AnyCollection(slice) {
            guard let value = entry.value else { continue }
            guard body(entry.key, value) else { return false }
        }
        return true
    }

    // MARK: Changing

    func put(_ value: [UInt8], at key: [UInt8], in table: UInt32) throws(LMDBError) {
        // The number of entries must stay known where it is asked for.
        let isNew = Schema.isCounted(Int(table)) ? try self.value(at: key, in: table) == nil : false
        change(value, at: key, in: Int(table), counting: isNew ? 1 : 0)
    }

    func remove(_ key: [UInt8], in table: UInt32) throws(LMDBError) -> Bool {
        guard try value(at: key, in: table) != nil else { return false }
        change(nil, at: key, in: Int(table), counting: -1)
        return true
    }

    private func change(_ value: [UInt8]?, at key: [UInt8], in table: Int, counting: Int) {
        let before = tables[table].change(value, at: key)
        if !fetchesAtOnce { changes.append(Change(table: table, key: key, before: before, counting: counting)) }
        changedBytes += key.count + (value?.count ?? 0)
        count(counting, in: table)
    }

    private func count(_ change: Int, in table: Int) {
        tables[table].count = tables[table].count.map { $0 + change }
        countChanges[table] += change
    }

    /// Identifies the changes so far.
    var mark: Int { changes.count }

    /// Undoes the changes since a mark.
    func undo(to mark: Int) {
        while changes.count > mark, let change = changes.popLast() {
            tables[change.table].undo(change.before, at: change.key)
            count(-change.counting, in: change.table)
        }
    }

    /// By how much the numbers of entries have changed, in the tables that are counted.
    private var countChanges = [Int](repeating: 0, count: Schema.tables.count)

    /// The changes of a table, which count as those of the database from now on.
    func takeChanges(of table: Int) -> (entries: [(key: [UInt8], value: [UInt8]?)], count: Int) {
        defer { countChanges[table] = 0 }
        changedBytes = 0
        return (tables[table].takeChanges(), countChanges[table])
    }

    // MARK: Learning

    /// - Parameters:
    ///   - rows: the entries that were found, in the order that was asked for.
    ///   - isComplete: whether there are no further ones.
    func learn(
        _ need: Need, _ rows: [(key: [UInt8], value: [UInt8])], isComplete: Bool = true, count: Int? = nil
    ) {
        switch need {
        case .entry(let key, let table):
            learn(rows.first { $0.key == key }?.value, at: key, in: table)
        case .count(let table):
            tables[table].count = (count ?? 0) + countChanges[table]
        case .entries(let range, let table, let backwards, _):
            for row in rows { learn(row.value, at: row.key, in: table) }
            var known = range
            if let last = rows.last?.key, !isComplete {
                if backwards { known.start = last } else { known.end = last + [0] }
            }
            tables[table].learn(known)
        }
    }

    private func learn(_ value: [UInt8]?, at key: [UInt8], in table: Int) {
        tables[table].learn(value, at: key)
        learntBytes += key.count + (value?.count ?? 0)
    }

    /// Forgets what the database has and can be asked for again.
    func forget() {
        for index in tables.indices { tables[index].forget() }
        learntBytes = 0
    }
}

extension KeyRange {
    func contains(_ key: [UInt8]) -> Bool {
        !CachedTable.isBefore(key, start) && CachedTable.isBefore(key, beforeEnd: end)
    }

    var isEmpty: Bool { end.map { !CachedTable.isBefore(start, $0) } ?? false }

    func intersection(_ other: KeyRange) -> KeyRange {
        var common = self
        if CachedTable.isBefore(start, other.start) { common.start = other.start }
        if let end = other.end, common.end.map({ CachedTable.isBefore(end, $0) }) ?? true { common.end = end }
        return common
    }
}
