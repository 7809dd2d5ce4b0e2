internal import CSQLite

/// An SQLite database (sqlite3.h) that is only read. For use by one thread.
@safe package final class SQLiteDatabase {
    private let handle: OpaquePointer

    /// The longest wait for other processes that write to the file.
    private static let busyMilliseconds: CInt = 5000

    package init(reading path: String) throws(SQLiteError) {
        var opened: OpaquePointer?
        let code = unsafe sqlite3_open_v2(path, &opened, SQLITE_OPEN_READONLY, nil)
        guard code == SQLITE_OK, let handle = unsafe opened else {
            let error = unsafe SQLiteError(code, "sqlite3_open_v2", opened)
            unsafe sqlite3_close(opened)
            throw error
        }
        unsafe self.handle = handle
        unsafe sqlite3_busy_timeout(handle, Self.busyMilliseconds)
    }

    deinit { unsafe sqlite3_close(handle) }

    /// Runs one statement and returns all its rows.
    /// - Parameter parameters: the values for `$1`, `$2` and so on, in the order in which these first appear in the
    ///   statement.
    package func query(_ text: String, _ parameters: [String] = []) throws(SQLiteError) -> [[String?]] {
        var prepared: OpaquePointer?
        unsafe try check(sqlite3_prepare_v2(handle, text, -1, &prepared, nil), "sqlite3_prepare_v2")
        guard let statement = unsafe prepared else { return [] }
        defer { unsafe sqlite3_finalize(statement) }
        for (index, parameter) in parameters.enumerated() {
            let length = CInt(parameter.utf8.count)
            unsafe try check(
                postroom_sqlite3_bind_text(statement, CInt(index + 1), parameter, length), "sqlite3_bind_text")
        }
        var rows: [[String?]] = []
        while true {
            let code = unsafe sqlite3_step(statement)
            if code == SQLITE_DONE { return rows }
            guard code == SQLITE_ROW else { throw unsafe SQLiteError(code, "sqlite3_step", handle) }
            let columns = unsafe sqlite3_column_count(statement)
            rows.append(
                (0..<columns).map { column in
                    guard let start = unsafe sqlite3_column_text(statement, column) else { return nil }
                    let length = unsafe Int(sqlite3_column_bytes(statement, column))
                    return unsafe String(decoding: UnsafeBufferPointer(start: start, count: length), as: UTF8.self)
                })
        }
    }

    private func check(_ code: CInt, _ function: String) throws(SQLiteError) {
        guard code == SQLITE_OK else { throw unsafe SQLiteError(code, function, handle) }
    }
}
