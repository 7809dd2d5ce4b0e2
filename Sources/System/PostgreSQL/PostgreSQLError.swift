/// What a libpq function reported instead of success.
package struct PostgreSQLError: Error, Equatable, Sendable, CustomStringConvertible {
    package let function: String
    /// The server's code for it (PostgreSQL's documentation, appendix A); `nil` where it did not come from there.
    package let state: String?
    package let reason: String

    package var description: String { "\(function): \(reason)" }

    /// - Parameter message: of one or more lines.
    init(_ function: String, state: String? = nil, message: String) {
        self.function = function
        self.state = state
        reason = message.split(separator: "\n").joined(separator: " ")
    }
}
