internal import CPQ

/// A connection to a PostgreSQL server (libpq, libpq-fe.h). For use by one thread; its calls block until the server
/// responds.
@safe package final class PostgreSQLConnection {
    private let handle: OpaquePointer

    /// - Parameter parameters: connection parameters by their libpq names. libpq takes those left out from its
    ///   environment variables and its defaults.
    package init(_ parameters: [(name: String, value: String)]) throws(PostgreSQLError) {
        let text = parameters.map { "\($0.name)='\(Self.escaped($0.value))'" }.joined(separator: " ")
        guard let handle = unsafe PQconnectdb(text) else {
            throw PostgreSQLError("PQconnectdb", message: "out of memory")
        }
        unsafe self.handle = handle
        guard unsafe PQstatus(handle) == CONNECTION_OK else {
            throw unsafe PostgreSQLError("PQconnectdb", message: String(cString: PQerrorMessage(handle)))
        }
    }

    deinit { unsafe PQfinish(handle) }

    /// Escapes a value of a connection string (libpq's documentation, section 34.1.1.1).
    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
    }

    /// Runs one statement and returns all its rows.
    /// - Parameter parameters: the values for `$1`, `$2` and so on; without null bytes.
    package func query(_ text: String, _ parameters: [String] = []) throws(PostgreSQLError) -> [[String?]] {
        let result = unsafe withCStrings(parameters) { values in
            unsafe PQexecParams(handle, text, CInt(parameters.count), nil, values, nil, nil, 0)
        }
        defer { unsafe PQclear(result) }
        let status = unsafe PQresultStatus(result)
        guard status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK else {
            // PG_DIAG_SQLSTATE
            let state = unsafe PQresultErrorField(result, CInt(UInt8(ascii: "C"))).map { unsafe String(cString: $0) }
            throw unsafe PostgreSQLError("PQexecParams", state: state, message: String(cString: PQerrorMessage(handle)))
        }
        let columns = unsafe PQnfields(result)
        let rows = unsafe PQntuples(result)
        return (0..<rows).map { row in
            (0..<columns).map { column in
                guard unsafe PQgetisnull(result, row, column) == 0 else { return nil }
                return unsafe String(cString: PQgetvalue(result, row, column))
            }
        }
    }
}

/// Passes the texts as a C array of C strings, which is valid during the call and ends with a null pointer.
func withCStrings<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
    var starts: [Int] = []
    var bytes: [CChar] = []
    for text in texts {
        starts.append(bytes.count)
        bytes += text.utf8CString
    }
    return unsafe bytes.withUnsafeBufferPointer { buffer in
        let pointers = unsafe starts.map { start in unsafe buffer.baseAddress.map { unsafe $0 + start } } + [nil]
        return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
    }
}
