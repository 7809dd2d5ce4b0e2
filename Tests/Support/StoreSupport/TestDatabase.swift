internal import Linux
internal import PostgreSQL
package import PostgreSQLStore
internal import Synchronization

/// An empty database of a test, on the server that scripts/with-postgresql has started.
package struct TestDatabase {
    private let name: String
    private static let address = Machine.environment()["TEST_POSTGRESQL"]?.split(separator: ":").map(String.init)
    /// Databases that earlier tests have used. Making one takes longer than most tests.
    private static let unused = Mutex<[String]>([])

    package static var isThere: Bool { address?.count == 2 }

    package init() throws {
        if let name = Self.unused.withLock({ $0.popLast() }) {
            self.name = name
        } else {
            name = "t\(UInt64.random(in: 0 ... .max))"
            _ = try Self.connection(to: "postgres").query("create database \(name)")
        }
    }

    /// Lets another test use the database. No connection to it may be left.
    package func release() throws {
        _ = try Self.connection(to: name).query(Self.emptying)
        Self.unused.withLock { $0.append(name) }
    }

    private static let emptying = """
        do $$
        declare
          name text;
          isUsed boolean;
        begin
          for name in select format('%I.%I', schemaname, tablename) from pg_tables
            where schemaname = 'postroom' and tablename not in ('store', 'counts')
          loop
            execute 'select exists (select from ' || name || ')' into isUsed;
            if isUsed then execute 'truncate ' || name; end if;
          end loop;
          update postroom.counts set n = 0 where n <> 0;
        end $$
        """

    package var settings: PostgreSQLSettings {
        PostgreSQLSettings(address: Self.parameters(name), isDurable: true)
    }

    private static func parameters(_ database: String) -> [(name: String, value: String)] {
        [
            ("host", address?.first ?? ""), ("port", address?.last ?? ""), ("user", "postgres"), ("dbname", database),
        ]
    }

    private static func connection(to database: String) throws -> PostgreSQLConnection {
        try PostgreSQLConnection(parameters(database))
    }
}
