internal import LMDB
internal import MappedStore
internal import PostgreSQL

/// The tables in the database, and the statements on them.
///
/// Each table of the store is a table of the schema `postroom`, with the columns `k` (the key) and `v` (the record). The table
/// `store` has one row: whoever writes locks it first, so that there is one writer at a time.
enum Schema {
    /// The names of the store's tables. A table's number is its index here.
    static let tables = MappedStore.tableNames
    static let indexes = Dictionary(uniqueKeysWithValues: tables.enumerated().map { ($1, $0) })

    /// Tables whose number of entries is asked for while the service runs. It is kept in `counts`.
    private static let counted: Set = [
        "endpoint-ids", "due-confirmations", "pending-forwards", "logins", "garbage", "destinations", "subscriptions",
        "waiting-events", "queues", "environments", "users", "webhooks", "receivers",
    ]
    private static let countedIndexes = Set(counted.compactMap { indexes[$0] })

    static func isCounted(_ table: Int) -> Bool { countedIndexes.contains(table) }

    /// Whether most keys that are looked for in a table are not there: only the ids of requests that are retried are.
    static func isSeldomThere(_ table: Int) -> Bool { table == requests }
    private static let requests = indexes["requests"]

    static func name(_ table: Int) -> String { "postroom." + tables[table].replacing("-", with: "_") }

    // MARK: Statements

    private static let entryStatements = statements { "select k, v from \($0) where k = any($1)" }
    private static let countStatements = statements { "select count(*) from \($0)" }
    private static let putStatements = statements {
        "insert into \($0) select * from unnest($1, $2) on conflict (k) do update set v = excluded.v"
    }
    private static let removeStatements = statements { "delete from \($0) where k = any($1)" }
    private static let scanStatements = [false, true].map { backwards in
        [false, true].map { hasEnd in statements { scan($0, backwards: backwards, hasEnd: hasEnd) } }
    }

    private static func statements(_ text: (String) -> String) -> [String] { tables.indices.map { text(name($0)) } }

    /// The first `$1` entries from `$2` on and before `$3`; backwards, the last ones before `$2` and from `$3` on. Those beyond
    /// 256 KiB are left out; `n` counts them too.
    private static func scan(_ name: String, backwards: Bool, hasEnd: Bool) -> String {
        let order = backwards ? "desc" : "asc"
        var condition = backwards ? "k < $2" : "k >= $2"
        if hasEnd { condition += backwards ? " and k >= $3" : " and k < $3" }
        return """
            select k, v, n from (
              select k, v, sum(octet_length(v)) over (order by k \(order)) - octet_length(v) as size, count(*) over () as n
              from (select k, v from \(name) where \(condition) order by k \(order) limit $1) as found) as sized
            where size < 262144 order by k \(order)
            """
    }

    /// The statement that fetches something, with its parameters.
    static func statement(for need: CachedTables.Need) -> Session.Statement {
        switch need {
        case .entry(let key, let table): return entries([key], in: table)
        case .count(let table):
            if isCounted(table) { return ("select n from postroom.counts where name = $1", [.text(tables[table])]) }
            return (countStatements[table], [])
        case .entries(let range, let table, let backwards, let limit):
            // Before the end of all keys is before a key that is longer than any.
            let first = backwards ? range.end ?? [UInt8](repeating: 0xff, count: 600) : range.start
            let last = backwards ? (range.start.isEmpty ? nil : range.start) : range.end
            let text = scanStatements[backwards ? 1 : 0][last == nil ? 0 : 1][table]
            return (text, [.integer(Int64(limit)), .bytes(first)] + (last.map { [.bytes($0)] } ?? []))
        }
    }

    static func entries(_ keys: [[UInt8]], in table: Int) -> Session.Statement {
        (entryStatements[table], [.list(keys)])
    }

    static func put(_ entries: [(key: [UInt8], value: [UInt8])], in table: Int) -> Session.Statement {
        (putStatements[table], [.list(entries.map(\.key)), .list(entries.map(\.value))])
    }

    static func remove(_ keys: [[UInt8]], in table: Int) -> Session.Statement {
        (removeStatements[table], [.list(keys)])
    }

    static func count(_ change: Int, in table: Int) -> Session.Statement {
        ("update postroom.counts set n = n + $1 where name = $2", [.integer(Int64(change)), .text(tables[table])])
    }

    /// Notes the last commit of a process, by which it learns whether a commit without an answer has taken effect.
    static func note(_ sequence: Int64, of writer: [UInt8]) -> Session.Statement {
        (
            """
            insert into postroom.writers values ($1, $2, now())
            on conflict (name) do update set last = excluded.last, at = excluded.at
            """, [.bytes(writer), .integer(sequence)]
        )
    }

    /// Forgets processes that have long ended.
    static let forgetWriters: Session.Statement = (
        "delete from postroom.writers where at < now() - interval '7 days'", []
    )

    static func lastCommit(of writer: [UInt8]) -> Session.Statement {
        ("select last from postroom.writers where name = $1", [.bytes(writer)])
    }

    // MARK: Making it

    /// Whether the tables are there, so that this process need not have the right to make them.
    static func isThere(_ session: Session) throws(LMDBError) -> Bool {
        let rows = try session.run([("select to_regclass('postroom.writers') is not null", [])], isRepeatable: true)
        return rows.last?.first?.bytes(0) == [1]
    }

    /// Makes what is missing. One process does this at a time.
    static func create(_ session: Session) throws(LMDBError) {
        _ = try session.run(
            [("select pg_advisory_xact_lock(7823551)", [])] + creation.map { ($0, []) }, isRepeatable: true)
    }

    private static let creation: [String] =
        ["create schema if not exists postroom"]
        + tables.indices.map { table in
            """
            create table if not exists \(name(table)) (k bytea primary key, v bytea not null)
              with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000)
            """
        }
        // Bodies are often compressed already.
        + tables.indices.map { "alter table \(name($0)) alter v set storage external" }
        + [
            "create table if not exists postroom.store (single boolean primary key default true check (single), version bigint not null)",
            "create table if not exists postroom.writers (name bytea primary key, last bigint not null, at timestamptz not null) with (fillfactor = 50)",
            "create table if not exists postroom.counts (name text primary key, n bigint not null)",
            "insert into postroom.store (version) values (1) on conflict do nothing",
        ]
        + counted.sorted().map { "insert into postroom.counts values ('\($0)', 0) on conflict do nothing" }
}
