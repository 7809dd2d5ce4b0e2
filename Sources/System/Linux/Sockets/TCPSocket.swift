internal import CLinux
package import SystemPackage
package import Values

/// Sockets of the Internet (ip(7), ipv6(7)).
package enum TCPSocket {
    /// Checks whether a server could listen at an address now, in the way that nginx does it: with SO_REUSEADDR, and for
    /// IPv6 with IPV6_V6ONLY. The socket is closed again at once.
    /// - Throws: the error of bind(2) or listen(2): `.addressInUse`, `.addressNotAvailable`, `.permissionDenied` and
    ///   others.
    package static func tryListening(at address: IPAddress, port: Int) throws(Errno) {
        let isSix = address.bytes.count == 16
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = FileDescriptor(
            rawValue: try systemCall { socket(isSix ? AF_INET6 : AF_INET, type, 0) })
        defer { try? descriptor.close() }
        try set(SOL_SOCKET, SO_REUSEADDR, of: descriptor)
        let number = UInt16(truncatingIfNeeded: port).bigEndian
        if isSix {
            try set(CInt(IPPROTO_IPV6), CInt(IPV6_V6ONLY), of: descriptor)
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = number
            unsafe withUnsafeMutableBytes(of: &name.sin6_addr) { unsafe $0.copyBytes(from: address.bytes) }
            try bind(descriptor, name)
        } else {
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = number
            unsafe withUnsafeMutableBytes(of: &name.sin_addr) { unsafe $0.copyBytes(from: address.bytes) }
            try bind(descriptor, name)
        }
        try systemCall { listen(descriptor.rawValue, 1) }
    }

    private static func set(_ level: CInt, _ option: CInt, of descriptor: FileDescriptor) throws(Errno) {
        var on: CInt = 1
        try systemCall {
            unsafe setsockopt(descriptor.rawValue, level, option, &on, socklen_t(MemoryLayout<CInt>.size))
        }
    }

    private static func bind<Name>(_ descriptor: FileDescriptor, _ name: Name) throws(Errno) {
        try systemCall {
            unsafe withUnsafePointer(to: name) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                    unsafe CLinux.bind(descriptor.rawValue, generic, socklen_t(MemoryLayout<Name>.size))
                }
            }
        }
    }
}
