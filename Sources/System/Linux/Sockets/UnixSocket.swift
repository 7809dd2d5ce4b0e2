internal import CLinux
package import SystemPackage

/// Stream sockets in the file system (unix(7)).
package enum UnixSocket {
    /// The longest path a socket can have, in bytes: `sun_path` without its closing zero.
    package static var maximumPathBytes: Int { 107 }

    /// Listens at `path`, readable and writable only by its owner and group. A file that was there is replaced.
    ///
    /// The descriptor is not inherited by programs started later.
    /// - Parameter backlog: connections that may wait to be accepted; the system's `somaxconn` caps it.
    package static func listen(at path: FilePath, backlog: Int) throws(Errno) -> FileDescriptor {
        let descriptor = try make()
        do throws(Errno) {
            _ = unsafe unlink(path.string)
            let old = umask(0o117)
            defer { umask(old) }
            unsafe try withAddress(path) { address, length in unsafe bind(descriptor.rawValue, address, length) }
            try systemCall { CLinux.listen(descriptor.rawValue, CInt(clamping: backlog)) }
            return descriptor
        } catch {
            try? descriptor.close()
            throw error
        }
    }

    /// Connects to a socket; reading from the connection fails after the timeout.
    package static func connect(to path: FilePath, timeoutSeconds: Int) throws(Errno) -> FileDescriptor {
        let descriptor = try make()
        do throws(Errno) {
            var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
            try systemCall {
                unsafe setsockopt(
                    descriptor.rawValue, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            }
            unsafe try withAddress(path) { address, length in
                unsafe CLinux.connect(descriptor.rawValue, address, length)
            }
            return descriptor
        } catch {
            try? descriptor.close()
            throw error
        }
    }

    private static func make() throws(Errno) -> FileDescriptor {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        return FileDescriptor(rawValue: try systemCall { socket(AF_UNIX, type, 0) })
    }

    private static func withAddress(
        _ path: FilePath, _ call: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) throws(Errno) {
        let bytes = Array(path.string.utf8)
        guard bytes.count <= maximumPathBytes else { throw .fileNameTooLong }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        try systemCall {
            unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                    unsafe call(generic, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
    }

    /// Whether the descriptor is a socket that listens, as FastCGI expects of descriptor 0.
    package static func isListening(_ descriptor: FileDescriptor) -> Bool {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        let result = unsafe getsockopt(descriptor.rawValue, SOL_SOCKET, SO_ACCEPTCONN, &value, &length)
        return result == 0 && value != 0
    }

    /// The next connection that waits at a listening socket; `nil` if none waits.
    package static func accept(_ listener: FileDescriptor) throws(Errno) -> FileDescriptor? {
        do throws(Errno) {
            let flags = CInt(SOCK_CLOEXEC.rawValue)
            return FileDescriptor(rawValue: try systemCall { accept4(listener.rawValue, nil, nil, flags) })
        } catch Errno.wouldBlock, Errno.connectionAbort {
            return nil
        }
    }

    /// Makes reading and accepting return at once instead of waiting.
    package static func makeNonBlocking(_ descriptor: FileDescriptor) throws(Errno) {
        try systemCall { postroom_set_nonblocking(descriptor.rawValue) }
    }

    /// Copies the bytes that have arrived without removing them from the socket.
    /// - Returns: how many bytes; 0 when the other side has closed.
    package static func peek(_ descriptor: FileDescriptor, into buffer: inout [UInt8]) throws(Errno) -> Int {
        try receive(descriptor, into: &buffer, flags: CInt(MSG_PEEK))
    }

    /// Reads the bytes that have arrived, as many as fit.
    /// - Returns: how many bytes; 0 when the other side has closed.
    package static func receive(
        _ descriptor: FileDescriptor, into buffer: inout [UInt8], atMost limit: Int = .max
    ) throws(Errno) -> Int {
        try receive(descriptor, into: &buffer, flags: 0, atMost: limit)
    }

    private static func receive(
        _ descriptor: FileDescriptor, into buffer: inout [UInt8], flags: CInt, atMost limit: Int = .max
    ) throws(Errno) -> Int {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe recv(
                    descriptor.rawValue, bytes.baseAddress, min(bytes.count, limit), flags | CInt(MSG_DONTWAIT))
            }
            if count >= 0 { return count }
            let code = lastError()
            if code != .interrupted { throw code }
        }
    }

    /// Sends as many of the bytes from `start` on as the socket takes without waiting, and returns how many.
    package static func send(_ bytes: [UInt8], from start: Int, to descriptor: FileDescriptor) throws(Errno) -> Int {
        while true {
            let count = unsafe bytes.withUnsafeBytes { all in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: all[start...])
                let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
                return unsafe CLinux.send(descriptor.rawValue, rest.baseAddress, rest.count, flags)
            }
            if count >= 0 { return count }
            let code = lastError()
            if code == .wouldBlock { return 0 }
            if code != .interrupted { throw code }
        }
    }
}
