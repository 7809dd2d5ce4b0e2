internal import CSQLite

/// A failure of an SQLite function.
package struct SQLiteError: Error, Equatable, Sendable, CustomStringConvertible {
    package let function: String
    /// A result code (sqlite.org/rescode.html).
    package let code: CInt
    package let reason: String

    package var description: String { "\(function): \(reason)" }

    /// - Parameter database: the source of a more detailed message; `nil` if there is none.
    init(_ code: CInt, _ function: String, _ database: OpaquePointer?) {
        self.function = function
        self.code = code
        reason = unsafe String(cString: database.map { unsafe sqlite3_errmsg($0) } ?? sqlite3_errstr(code))
    }
}
