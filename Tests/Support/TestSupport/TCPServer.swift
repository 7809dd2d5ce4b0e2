internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A server on 127.0.0.1 that sends given answers, whatever it receives, on one connection at a time.
///
/// @unchecked: the descriptor does not change.
package final class TCPServer: @unchecked Sendable {
    package let port: Int
    private let listener: CInt
    private let stopped = Mutex(false)
    private let accepted = Mutex(0)
    private var thread: PlainThread?

    /// - Parameters:
    ///   - answers: sent one by one, each after more bytes have arrived.
    ///   - repeating: sent after them again and again, until the client closes.
    package init(_ answers: [String], repeating: String = "") throws {
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        port = try bindAnywhere(listener)
        guard listen(listener, 64) == 0 else { throw Errno(rawValue: errno) }
        thread = PlainThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0, !stopped.withLock({ $0 }) else { return }
                accepted.withLock { $0 += 1 }
                serve(connection, answers, repeating)
                close(connection)
            }
        }
    }

    /// The number of connections accepted so far.
    package var connections: Int { accepted.withLock { $0 } }

    private func serve(_ connection: CInt, _ answers: [String], _ repeating: String) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        func send(_ text: String) -> Bool {
            let bytes = Array(text.utf8)
            return unsafe Glibc.send(connection, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count
        }
        for answer in answers {
            guard unsafe recv(connection, &buffer, buffer.count, 0) > 0, send(answer) else { return }
        }
        if repeating.isEmpty {
            while unsafe recv(connection, &buffer, buffer.count, 0) > 0 {}
        } else {
            while send(repeating) {}
        }
    }

    /// Stops the server. The clients must have closed their connections.
    package func stop() {
        stopped.withLock { $0 = true }
        shutdown(listener, CInt(SHUT_RDWR))
        thread?.join()
        close(listener)
    }
}

/// A port of 127.0.0.1 on which nothing listens.
package func freePort() throws -> Int {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    return try bindAnywhere(descriptor)
}

/// - Returns: the port.
private func bindAnywhere(_ descriptor: CInt) throws -> Int {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            unsafe bind(descriptor, generic, length) == 0 ? getsockname(descriptor, generic, &length) : -1
        }
    }
    guard code == 0 else { throw Errno(rawValue: errno) }
    return Int(UInt16(bigEndian: address.sin_port))
}
