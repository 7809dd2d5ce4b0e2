/// How a database is reached and used.
package struct PostgreSQLSettings: Sendable {
    /// libpq's connection parameters.
    private let address: [(name: String, value: String)]
    /// Whether an answer waits until what it tells is on the disk of the server, and of its synchronous standby if it has one
    /// (synchronous_commit).
    private let isDurable: Bool
    /// Whether a transaction may be idle for any time, as where it takes in a file.
    package var mayIdle = false

    package init(address: [(name: String, value: String)], isDurable: Bool) {
        self.address = address
        self.isDurable = isDurable
    }

    /// A process that is stopped while it writes keeps others from writing for so long.
    private static let idleMilliseconds = 5000
    private static let lockMilliseconds = 20_000

    /// The parameters of each connection.
    ///
    /// Plans that are made while tables are empty would read whole tables later. Statements that must do so all the same look
    /// so costly then that they would be compiled.
    var parameters: [(name: String, value: String)] {
        let settings = [
            "plan_cache_mode=force_generic_plan", "enable_seqscan=off", "jit=off", "client_min_messages=warning",
            "synchronous_commit=\(isDurable ? "on" : "off")", "lock_timeout=\(Self.lockMilliseconds)",
            "idle_in_transaction_session_timeout=\(mayIdle ? 0 : Self.idleMilliseconds)",
        ]
        return address + [
            ("options", settings.map { "-c \($0)" }.joined(separator: " ")), ("application_name", "postroom"),
        ]
    }
}

/// Why a store in a database cannot be opened, for its operator.
package struct PostgreSQLStoreError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
