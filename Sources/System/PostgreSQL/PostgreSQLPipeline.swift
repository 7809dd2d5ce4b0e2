internal import CPQ
internal import Glibc

/// A connection to a PostgreSQL server in pipeline mode (libpq's documentation, chapter 34.5): statements are sent one after the
/// other without waiting for results. For use by one thread.
///
/// Statements are gathered in groups, each of which `endGroup` ends. A group whose statements do not begin a transaction
/// themselves is a transaction. After an error the rest of the group is not carried out.
@safe package final class PostgreSQLPipeline {
    private let handle: OpaquePointer
    /// The names of the statements that the server knows by now, by their text.
    private var prepared: [String: String] = [:]
    private var preparations = 0
    /// What the server still has to answer, in order.
    private var expected: [Expected] = []
    private var next = 0
    private var rows: [[PostgreSQLRow]] = []
    private var failure: PostgreSQLError?
    private var hasUnsent = false

    private enum Expected {
        case preparation(String)
        case rows
        case groupEnd
    }

    /// Connects, and waits until the server has accepted the connection.
    /// - Parameter parameters: connection parameters by their libpq names, in which a later one overrides an earlier one.
    ///   `dbname` may be a connection URI.
    package init(_ parameters: [(name: String, value: String)]) throws(PostgreSQLError) {
        let names = parameters.map(\.name)
        let values = parameters.map(\.value)
        let created = unsafe withCStrings(names) { names in
            unsafe withCStrings(values) { values in unsafe PQconnectdbParams(names, values, 1) }
        }
        guard let created = unsafe created else { throw PostgreSQLError("PQconnectdbParams", message: "out of memory") }
        unsafe handle = created
        guard unsafe PQstatus(created) == CONNECTION_OK else {
            let error = unsafe PostgreSQLError("PQconnectdbParams", message: String(cString: PQerrorMessage(created)))
            throw error
        }
        // Notices and warnings of the server are not for this process's standard error.
        unsafe PQsetNoticeReceiver(created, { _, _ in }, nil)
        guard unsafe PQsetnonblocking(created, 1) == 0, unsafe PQenterPipelineMode(created) == 1 else {
            throw lastError("PQenterPipelineMode")
        }
    }

    deinit { unsafe PQfinish(handle) }

    /// The socket, which stays the same.
    package var descriptor: CInt { unsafe PQsocket(handle) }

    /// The version of the server: 150004 for 15.4.
    package var serverVersion: Int { unsafe Int(PQserverVersion(handle)) }

    private func lastError(_ function: String) -> PostgreSQLError {
        unsafe PostgreSQLError(
            function, message: String(cString: PQerrorMessage(handle)),
            isConnectionLost: PQstatus(handle) != CONNECTION_OK)
    }

    // MARK: Sending

    /// How many groups the server has not answered yet.
    package private(set) var groupsInFlight = 0

    /// Adds a statement to the group.
    /// - Parameters:
    ///   - text: with `$1`, `$2` and so on for the parameters. It is prepared when it is used first.
    ///   - parameters: in the binary format.
    package func send(_ text: String, _ parameters: [PostgreSQLValue] = []) throws(PostgreSQLError) {
        let name = try prepare(text, parameters)
        let lengths = parameters.map { CInt($0.bytes?.count ?? 0) }
        let formats = [CInt](repeating: 1, count: parameters.count)
        let code = unsafe Self.withPointers(parameters[...], []) { values in
            unsafe PQsendQueryPrepared(handle, name, CInt(parameters.count), values, lengths, formats, 1)
        }
        guard code == 1 else { throw lastError("PQsendQueryPrepared") }
        expected.append(.rows)
        hasUnsent = true
    }

    private func prepare(_ text: String, _ parameters: [PostgreSQLValue]) throws(PostgreSQLError) -> String {
        if let name = prepared[text] { return name }
        let name = "s\(preparations)"
        preparations += 1
        let types = parameters.map(\.type)
        guard unsafe PQsendPrepare(handle, name, text, CInt(types.count), types) == 1 else {
            throw lastError("PQsendPrepare")
        }
        prepared[text] = name
        expected.append(.preparation(text))
        return name
    }

    /// Lends pointers to the parameters; a null value is a null pointer.
    @unsafe private static func withPointers<Result>(
        _ parameters: ArraySlice<PostgreSQLValue>, _ pointers: [UnsafePointer<CChar>?],
        _ body: ([UnsafePointer<CChar>?]) -> Result
    ) -> Result {
        guard let first = parameters.first else { return unsafe body(pointers) }
        guard let bytes = first.bytes else {
            return unsafe withPointers(parameters.dropFirst(), pointers + [nil], body)
        }
        // An empty value still needs a pointer, which is not null.
        return unsafe (bytes.isEmpty ? [0] : bytes).withUnsafeBytes { buffer in
            let pointer = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            return unsafe withPointers(parameters.dropFirst(), pointers + [pointer], body)
        }
    }

    /// Ends the group: the server answers it, and commits unless a transaction was begun in it.
    package func endGroup() throws(PostgreSQLError) {
        guard unsafe PQpipelineSync(handle) == 1 else { throw lastError("PQpipelineSync") }
        expected.append(.groupEnd)
        groupsInFlight += 1
        hasUnsent = true
        try flush()
    }

    /// Sends what the socket takes.
    /// - Returns: whether bytes are left: then the socket must be watched for room too.
    @discardableResult
    package func flush() throws(PostgreSQLError) -> Bool {
        guard hasUnsent else { return false }
        let code = unsafe PQflush(handle)
        guard code >= 0 else { throw lastError("PQflush") }
        hasUnsent = code == 1
        return hasUnsent
    }

    // MARK: Receiving

    /// Takes what the server has sent, without waiting.
    /// - Returns: the groups that are complete, in order.
    package func receive() throws(PostgreSQLError) -> [PostgreSQLGroup] {
        guard unsafe PQconsumeInput(handle) == 1 else { throw lastError("PQconsumeInput") }
        try flush()
        var groups: [PostgreSQLGroup] = []
        while next < expected.count, unsafe PQisBusy(handle) == 0 {
            // Between the results of two statements libpq returns null.
            guard let result = unsafe PQgetResult(handle) else {
                guard unsafe PQstatus(handle) == CONNECTION_OK else { throw lastError("PQgetResult") }
                continue
            }
            defer { unsafe PQclear(result) }
            if let group = unsafe take(result) { groups.append(group) }
        }
        guard unsafe PQstatus(handle) == CONNECTION_OK else { throw lastError("PQgetResult") }
        return groups
    }

    /// - Returns: the group that the result completes; else `nil`.
    @unsafe private func take(_ result: OpaquePointer) -> PostgreSQLGroup? {
        switch unsafe PQresultStatus(result) {
        case PGRES_PIPELINE_SYNC:
            let group = PostgreSQLGroup(rows: rows, failure: failure)
            (rows, failure) = ([], nil)
            advance()
            groupsInFlight -= 1
            return group
        case PGRES_TUPLES_OK:
            unsafe rows.append(PostgreSQLRow.all(of: result))
            advance()
        case PGRES_COMMAND_OK:
            if case .rows = expected[next] { rows.append([]) }
            advance()
        default:
            // After a failure the others of the group are left out (PGRES_PIPELINE_ABORTED).
            if failure == nil { unsafe failure = PostgreSQLError(of: result) }
            if case .preparation(let text) = expected[next] { prepared[text] = nil }
            advance()
        }
        return nil
    }

    private func advance() {
        next += 1
        if next == expected.count {
            expected.removeAll(keepingCapacity: true)
            next = 0
        }
    }

    /// Waits until all groups are answered.
    /// - Parameter milliseconds: the longest time in which nothing arrives; `nil`: any time.
    package func waitForAll(milliseconds: CInt? = nil) throws(PostgreSQLError) -> [PostgreSQLGroup] {
        var groups: [PostgreSQLGroup] = []
        while groupsInFlight > 0 {
            let found = try receive()
            groups += found
            guard groupsInFlight > 0 else { break }
            guard found.isEmpty else { continue }
            var watched = pollfd(fd: descriptor, events: CShort(POLLIN) | (hasUnsent ? CShort(POLLOUT) : 0), revents: 0)
            let code = unsafe poll(&watched, 1, milliseconds ?? -1)
            if code == 0 {
                throw PostgreSQLError("poll", message: "the server does not answer", isConnectionLost: true)
            }
        }
        return groups
    }
}

/// The answer to a group of statements.
package struct PostgreSQLGroup {
    /// The rows of each statement; those after a failure are missing.
    package let rows: [[PostgreSQLRow]]
    package let failure: PostgreSQLError?
}

/// A row of a result, with its values in the binary format.
package struct PostgreSQLRow {
    package let values: [[UInt8]?]

    @unsafe static func all(of result: OpaquePointer) -> [PostgreSQLRow] {
        let columns = unsafe PQnfields(result)
        return unsafe (0..<PQntuples(result)).map { row in
            PostgreSQLRow(
                values: (0..<columns).map { column in
                    guard unsafe PQgetisnull(result, row, column) == 0 else { return nil }
                    let count = unsafe Int(PQgetlength(result, row, column))
                    return unsafe Array(UnsafeRawBufferPointer(start: PQgetvalue(result, row, column), count: count))
                })
        }
    }

    package func bytes(_ column: Int) -> [UInt8]? { values[column] }

    /// A value of the type `int8` or `int4`.
    package func integer(_ column: Int) -> Int64? {
        guard let bytes = values[column] else { return nil }
        var value: Int64 = (bytes.first ?? 0) & 0x80 == 0 ? 0 : -1
        for byte in bytes { value = value << 8 | Int64(byte) }
        return value
    }

    package func text(_ column: Int) -> String? { values[column].map { String(decoding: $0, as: UTF8.self) } }
}

/// A parameter in the binary format.
package struct PostgreSQLValue: Sendable {
    /// The type's number (pg_type.dat).
    let type: UInt32
    /// `nil` for null.
    let bytes: [UInt8]?

    package static func bytes(_ bytes: [UInt8]?) -> PostgreSQLValue { PostgreSQLValue(type: 17, bytes: bytes) }

    package static func text(_ text: String) -> PostgreSQLValue { PostgreSQLValue(type: 25, bytes: Array(text.utf8)) }

    package static func integer(_ value: Int64) -> PostgreSQLValue {
        var bytes: [UInt8] = []
        append(UInt64(bitPattern: value), 8, to: &bytes)
        return PostgreSQLValue(type: 20, bytes: bytes)
    }

    /// An array of the type `bytea[]` (array_recv in arrayfuncs.c): the number of dimensions, whether there are nulls, the type
    /// of the elements; for the dimension its length and first index; then each element with its length.
    package static func list(_ elements: [[UInt8]]) -> PostgreSQLValue {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(20 + elements.reduce(0) { $0 + $1.count + 4 })
        for number in [elements.isEmpty ? 0 : 1, 0, 17] { append(UInt64(number), 4, to: &bytes) }
        if !elements.isEmpty {
            append(UInt64(elements.count), 4, to: &bytes)
            append(1, 4, to: &bytes)
        }
        for element in elements {
            append(UInt64(element.count), 4, to: &bytes)
            bytes += element
        }
        return PostgreSQLValue(type: 1001, bytes: bytes)
    }

    private static func append(_ number: UInt64, _ count: Int, to bytes: inout [UInt8]) {
        for index in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * index))) }
    }
}
