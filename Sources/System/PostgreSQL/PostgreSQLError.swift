internal import CPQ

/// A failure of a libpq function.
package struct PostgreSQLError: Error, Equatable, Sendable, CustomStringConvertible {
    package let function: String
    /// The server's error code (PostgreSQL's documentation, appendix A); `nil` if the error did not come from the
    /// server.
    package let state: String?
    package let reason: String
    /// Whether the connection can be used no longer.
    package let isConnectionLost: Bool

    package var description: String { "\(function): \(reason)" }

    /// - Parameter message: one or more lines, which are joined.
    init(_ function: String, state: String? = nil, message: String, isConnectionLost: Bool = false) {
        self.isConnectionLost = isConnectionLost
        self.function = function
        self.state = state
        reason = message.split(separator: "\n").map { $0.drop(while: \.isWhitespace) }.joined(separator: " ")
    }

    /// The error of a statement.
    @unsafe init(of result: OpaquePointer) {
        // PG_DIAG_SQLSTATE (postgres_ext.h)
        let state = unsafe PQresultErrorField(result, CInt(UInt8(ascii: "C"))).map { unsafe String(cString: $0) }
        unsafe self.init("PQgetResult", state: state, message: String(cString: PQresultErrorMessage(result)))
    }
}
