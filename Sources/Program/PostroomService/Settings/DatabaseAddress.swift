internal import Encodings
internal import Values

/// Where PostgreSQL is, as DB_URI says it.
package enum DatabaseAddress: Equatable, Sendable {
    /// Hosts with their ports, to be tried in order.
    case hosts([Host])
    /// A connection URI of libpq (libpq's documentation, chapter 34.1.1.2).
    case uri(String)

    package struct Host: Equatable, Sendable {
        let name: String
        let port: UInt16
    }

    static let expected = """
        HOST:PORT, several of them with commas between, or a URL that begins with postgresql:// or postgres:// and has no \
        password, which DB_AUTH_PASS has
        """
    private static let schemes = ["postgresql://", "postgres://"]

    init?(_ text: String) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        if let scheme = Self.schemes.first(where: { text.hasPrefix($0) }) {
            guard text.utf8.count > scheme.utf8.count, !Self.hasPassword(text.dropFirst(scheme.count)) else {
                return nil
            }
            self = .uri(text)
            return
        }
        var hosts: [Host] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let colon = part.lastIndex(of: ":"), let port = UInt16(part[part.index(after: colon)...]), port > 0
            else { return nil }
            var name = part[..<colon]
            if name.hasPrefix("["), name.hasSuffix("]") {
                name = name.dropFirst().dropLast()
                guard IPAddress(String(name)) != nil else { return nil }
            } else {
                guard !name.contains(":"), !name.contains("@"), !name.contains("=") else { return nil }
            }
            guard !name.isEmpty else { return nil }
            hosts.append(Host(name: String(name), port: port))
        }
        self = .hosts(hosts)
    }

    /// Whether the part of a URI behind its scheme has a password: settings are shown, and a URI is among them.
    private static func hasPassword(_ text: Substring) -> Bool {
        // A password may have any character.
        let login = text.lastIndex(of: "@").map { text[..<$0] }
        return login?.contains(":") == true || text.contains("password=")
    }

    /// What DB_URI says.
    var shown: String {
        switch self {
        case .hosts(let hosts):
            return hosts.map { $0.name.contains(":") ? "[\($0.name)]:\($0.port)" : "\($0.name):\($0.port)" }
                .joined(separator: ",")
        case .uri(let text): return text
        }
    }
}

extension Settings.Variable {
    static func address(of name: String) -> Self {
        Self(
            name: name, expected: DatabaseAddress.expected,
            set: { settings, text in
                settings.database = DatabaseAddress(text)
                return text.isEmpty || settings.database != nil
            },
            show: { $0.database?.shown ?? "" })
    }
}

extension Settings {
    /// libpq's connection parameters for the database (libpq's documentation, chapter 34.1.2); `nil`: the store is a file.
    package var databaseParameters: [(name: String, value: String)]? {
        guard let database else { return nil }
        var parameters = [(name: "user", value: databaseUser)]
        if let databasePassword { parameters.append(("password", databasePassword)) }
        // A server or a network that has gone is noticed within seconds.
        parameters += [
            ("connect_timeout", "5"), ("tcp_user_timeout", "5000"), ("keepalives_idle", "5"),
            ("keepalives_interval", "2"), ("keepalives_count", "3"), ("target_session_attrs", "read-write"),
        ]
        switch database {
        case .hosts(let hosts):
            parameters.append(("host", hosts.map(\.name).joined(separator: ",")))
            parameters.append(("port", hosts.map { "\($0.port)" }.joined(separator: ",")))
            parameters.append(("dbname", databaseName))
        case .uri(let text): parameters.append(("dbname", text))
        }
        return parameters
    }
}
