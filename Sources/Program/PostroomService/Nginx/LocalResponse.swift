internal import Linux
package import SystemPackage

/// The response of the running service to a request over nginx's local socket, to which no limits of addresses apply.
package struct LocalResponse {
    package let status: Int
    let body: [UInt8]

    package var text: String { String(decoding: body, as: UTF8.self) }

    /// - Parameters:
    ///   - target: the path and the query.
    ///   - timeoutSeconds: how long nothing may arrive.
    /// - Throws: if the service does not answer, or not completely.
    package static func get(
        _ target: String, at socket: FilePath, timeoutSeconds: Int
    ) throws(Errno) -> LocalResponse {
        let connection = try UnixSocket.connect(to: socket, timeoutSeconds: timeoutSeconds)
        defer { try? connection.close() }
        // The end of the connection is the end of a response to HTTP/1.0.
        let request = Array("GET \(target) HTTP/1.0\r\nHost: localhost\r\n\r\n".utf8)
        guard try UnixSocket.send(request, from: 0, to: connection) == request.count else { throw .noBufferSpace }
        let bytes = try readAll(connection)
        guard let response = LocalResponse(bytes) else { throw .connectionReset }
        return response
    }

    private static func readAll(_ connection: FileDescriptor) throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        do {
            while true {
                let count = unsafe try buffer.withUnsafeMutableBytes { unsafe try connection.read(into: $0) }
                guard count > 0 else { return bytes }
                bytes += buffer[..<count]
            }
        } catch {
            throw error as? Errno ?? .ioError
        }
    }

    /// - Returns: `nil` if the response is not complete.
    private init?(_ bytes: [UInt8]) {
        let separator = Array("\r\n\r\n".utf8)
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: separator) }) else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first, let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        self.status = status
        body = Array(bytes[(end + separator.count)...])
        for line in lines.dropFirst() where line.lowercased().hasPrefix("content-length:") {
            guard let length = Int(line.drop { $0 != ":" }.dropFirst().filter { $0 != " " }), length == body.count
            else {
                return nil
            }
        }
    }
}
