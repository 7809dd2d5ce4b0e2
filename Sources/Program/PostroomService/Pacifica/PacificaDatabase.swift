internal import Encodings
internal import HTTP
internal import PostgreSQL
internal import SQLite

/// The URL of the database of pacifica-notifications, in the form of peewee's `playhouse.db_url`.
package enum PacificaDatabaseURL: Equatable {
    package struct Parameter: Equatable {
        let name: String
        let value: String
    }

    /// The path of a file; `:memory:` is refused.
    case sqlite(path: String)
    /// The parameters of a connection, by libpq's names.
    case postgreSQL([Parameter])

    private static let sqliteSchemes: Set = ["sqlite", "sqliteext"]
    private static let postgreSQLSchemes: Set = ["postgres", "postgresql", "postgresext"]
    /// The parameters of the URL's query that are passed to libpq. The others are for peewee and its pools, and are ignored.
    private static let taken: Set = [
        "application_name", "channel_binding", "connect_timeout", "gssencmode", "host", "hostaddr", "keepalives",
        "options",
        "port", "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert", "target_session_attrs",
    ]

    package init?(_ text: String) {
        guard let colon = text.firstRange(of: "://") else { return nil }
        var scheme = text[..<colon.lowerBound].lowercased()
        if scheme.hasSuffix("+pool") { scheme.removeLast(5) }
        let rest = text[colon.upperBound...].prefix { $0 != "#" }
        let address = rest.prefix { $0 != "?" }
        let query = rest[address.endIndex...].dropFirst()
        let host = address.prefix { $0 != "/" }
        let path = String(address[host.endIndex...].dropFirst())
        if Self.sqliteSchemes.contains(scheme) {
            guard host.isEmpty, !path.isEmpty, path != ":memory:" else { return nil }
            self = .sqlite(path: path)
            return
        }
        guard Self.postgreSQLSchemes.contains(scheme), !path.isEmpty,
            var parameters = Self.parameters(authority: host)
        else { return nil }
        parameters.append(Parameter(name: "dbname", value: path))
        for pair in query.split(separator: "&") {
            let name = String(pair.prefix { $0 != "=" })
            guard Self.taken.contains(name) else { continue }
            guard let value = percentDecoded(Array(pair.dropFirst(name.count + 1).utf8)[...]) else { return nil }
            parameters.removeAll { $0.name == name }
            parameters.append(Parameter(name: name, value: value))
        }
        self = .postgreSQL(parameters)
    }

    /// The parameters that the URL's authority gives, or `nil` if it is not valid. User and password are not
    /// percent-decoded, because peewee does not decode them either.
    private static func parameters(authority: Substring) -> [Parameter]? {
        var parameters: [Parameter] = []
        var host = authority
        if let at = authority.lastIndex(of: "@") {
            let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            for (name, value) in zip(["user", "password"], parts) {
                parameters.append(Parameter(name: name, value: String(value)))
            }
            host = authority[at...].dropFirst()
        }
        if host.first == "[" {
            guard let end = host.firstIndex(of: "]") else { return nil }
            parameters.append(Parameter(name: "host", value: String(host[..<end].dropFirst())))
            host = host[end...].dropFirst()
        } else {
            let name = host.prefix { $0 != ":" }
            if !name.isEmpty { parameters.append(Parameter(name: "host", value: String(name))) }
            host = host[name.endIndex...]
        }
        if host.isEmpty { return parameters }
        guard host.first == ":", let port = UInt16(host.dropFirst()) else { return nil }
        return parameters + [Parameter(name: "port", value: String(port))]
    }
}

/// A database that is read page by page in one transaction, which sees it as of one moment.
package struct PacificaDatabase {
    /// The values of a row by the names of its columns; values that are null are left out.
    typealias Row = [String: String]

    private let ask: (_ statement: String, _ parameters: [String]) throws -> [[String?]]

    package init(_ url: PacificaDatabaseURL) throws {
        switch url {
        case .sqlite(let path):
            let database = try SQLiteDatabase(reading: path)
            ask = { statement, parameters in try database.query(statement, parameters) }
            _ = try ask("BEGIN", [])
        case .postgreSQL(let parameters):
            let connection = try PostgreSQLConnection(parameters.map { ($0.name, $0.value) })
            ask = { statement, parameters in try connection.query(statement, parameters) }
            for statement in [
                "SET client_encoding TO 'UTF8'", "SET datestyle TO 'ISO, YMD'",
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            ] { _ = try ask(statement, []) }
        }
    }

    /// Calls `body` with a table's rows, up to `size` at a time: the oldest first, and rows without a time of creation last.
    func pages(
        of table: String, _ columns: [String], size: Int, _ body: ([Row]) async throws -> Void
    ) async throws {
        // A time that is null cannot be compared, so that these rows need a query of their own.
        for (condition, place) in [("created IS NOT NULL", ["created", "uuid"]), ("created IS NULL", ["uuid"])] {
            let names = place.joined(separator: ", ")
            let head = "SELECT \(Self.list(columns)), \(names) FROM \(table) WHERE \(condition)"
            let tail = "ORDER BY \(names) LIMIT \(size)"
            let parameters = place.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
            var rows = try ask("\(head) \(tail)", [])
            while let last = rows.last {
                try await body(rows.map { Self.row($0, columns) })
                let reached = last.dropFirst(columns.count).compactMap { $0 }
                guard rows.count == size, reached.count == place.count else { break }
                rows = try ask("\(head) AND (\(names)) > (\(parameters)) \(tail)", reached)
            }
        }
    }

    /// A table's rows that have a value in a column: rows without a time of creation first, then the others from the oldest
    /// on.
    func rows(of table: String, _ columns: [String], where column: String, is value: String) throws -> [Row] {
        let order = "ORDER BY created IS NOT NULL, created, uuid"
        let statement = "SELECT \(Self.list(columns)) FROM \(table) WHERE \(column) = $1 \(order)"
        return try ask(statement, [value]).map { Self.row($0, columns) }
    }

    /// The major number of the schema's version; `nil` where the database does not give it.
    package func schemaVersion() -> String? {
        (try? ask("SELECT value FROM notificationsystem WHERE part = 'major'", []))?.first?.first ?? nil
    }

    // "user" is a reserved word of PostgreSQL.
    private static func list(_ columns: [String]) -> String { columns.map { "\"\($0)\"" }.joined(separator: ", ") }

    private static func row(_ values: [String?], _ columns: [String]) -> Row {
        var row: Row = [:]
        for (name, value) in zip(columns, values) { row[name] = value }
        return row
    }
}
