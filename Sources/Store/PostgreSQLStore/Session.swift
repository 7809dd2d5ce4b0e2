internal import LMDB
internal import Linux
internal import PostgreSQL

/// A connection that is made again after it was lost. Its calls wait for the server.
final class Session {
    private let parameters: [(name: String, value: String)]
    private var pipeline: PostgreSQLPipeline?
    var heartbeat: Heartbeat?
    /// The failure of the last attempt to connect, and when the next may be made, by `SystemClock.bootTimeMicroseconds`.
    private var refusal: (error: LMDBError, until: Int64)?

    typealias Statement = (text: String, parameters: [PostgreSQLValue])

    private static let refusalMicroseconds: Int64 = 250_000

    init(_ parameters: [(name: String, value: String)]) { self.parameters = parameters }

    /// Whether the last call has found the connection lost, or could not make one.
    var isLost: Bool { pipeline == nil }

    private func connected() throws(LMDBError) -> PostgreSQLPipeline {
        if let pipeline { return pipeline }
        if let refusal, SystemClock.bootTimeMicroseconds() < refusal.until { throw refusal.error }
        do throws(PostgreSQLError) {
            let made = try PostgreSQLPipeline(parameters)
            pipeline = made
            refusal = nil
            return made
        } catch {
            let failure = LMDBError.remote("PostgreSQL cannot be reached: \(error.reason)")
            refusal = (failure, SystemClock.bootTimeMicroseconds() + Self.refusalMicroseconds)
            throw failure
        }
    }

    /// Runs statements, and waits for them.
    /// - Parameter isRepeatable: whether they may be run on a new connection: they begin a transaction, or are one. Others go on
    ///   with a transaction, and fail if its connection was lost.
    /// - Returns: the rows of each statement.
    func run(_ statements: [Statement], isRepeatable: Bool = false) throws(LMDBError) -> [[PostgreSQLRow]] {
        guard isRepeatable || pipeline != nil else { throw .remote("PostgreSQL: the connection was lost") }
        heartbeat?.setWaiting(true)
        defer { heartbeat?.setWaiting(false) }
        // A connection that was idle may have been lost long ago.
        var mayRepeat = isRepeatable && pipeline != nil
        while true {
            let connection = try connected()
            do throws(PostgreSQLError) { return try rows(of: statements, on: connection) } catch {
                if error.isConnectionLost || error.endsConnection { pipeline = nil }
                // The transaction takes no more statements.
                sendOnly([("rollback", [])])
                guard mayRepeat, pipeline == nil else { throw LMDBError(error) }
                mayRepeat = false
            }
        }
    }

    private func rows(
        of statements: [Statement], on connection: PostgreSQLPipeline
    ) throws(PostgreSQLError) -> [[PostgreSQLRow]] {
        for statement in statements { try connection.send(statement.text, statement.parameters) }
        try connection.endGroup()
        guard let group = try connection.waitForAll().last else { return [] }
        if let failure = group.failure { throw failure }
        return group.rows
    }

    /// Sends statements whose results nobody needs.
    func sendOnly(_ statements: [Statement]) {
        guard let connection = pipeline else { return }
        do throws(PostgreSQLError) {
            for statement in statements { try connection.send(statement.text, statement.parameters) }
            try connection.endGroup()
        } catch {
            pipeline = nil
        }
    }
}

extension PostgreSQLError {
    /// Whether another connection is needed: the server stops or has been stopped (class 57P), or takes no writes, because
    /// another one is the primary now (25006), or has ended the session (25P03).
    fileprivate var endsConnection: Bool {
        guard let state else { return false }
        return state.hasPrefix("57P") || state == "25006" || state == "25P03"
    }
}

extension LMDBError {
    init(_ error: PostgreSQLError) {
        // disk_full
        self = error.state == "53100" ? .full : .remote("PostgreSQL: \(error.reason)")
    }
}
