/// A failure of a libpq function.
package struct PostgreSQLError: Error, Equatable, Sendable, CustomStringConvertible {
    package let function: String
    /// The server's error code (PostgreSQL's documentation, appendix A); `nil` if the error did not come from the
    /// server.
    package let state: String?
    package let reason: String

    package var description: String { "\(function): \(reason)" }

    /// - Parameter message: one or more lines, which are joined.
    init(_ function: String, state: String? = nil, message: String) {
        self.function = function
        self.state = state
        reason = message.split(separator: "\n").joined(separator: " ")
    }
}
