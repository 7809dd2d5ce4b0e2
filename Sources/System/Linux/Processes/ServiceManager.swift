internal import CLinux
internal import SystemPackage

/// Reports the state of this process to the service manager that started it, as sd_notify(3) does. Does nothing if
/// NOTIFY_SOCKET is not set.
package enum ServiceManager {
    package static let variable = "NOTIFY_SOCKET"

    /// Reports that the process serves requests; after `tellReloading`, that the reload is complete.
    package static func tellReady() { tell("READY=1") }

    /// Reports that the process reloads its settings while it goes on serving. `tellReady` ends this.
    package static func tellReloading() {
        tell("RELOADING=1\nMONOTONIC_USEC=\(SystemClock.monotonicMicroseconds())")
    }

    package static func tellStopping() { tell("STOPPING=1") }

    /// Sends one datagram. Errors are ignored: the process can run without a service manager.
    private static func tell(_ text: String) {
        guard var path = Machine.environment()[variable].map({ Array($0.utf8) }), let first = path.first else { return }
        // The first byte of an abstract socket name is NUL (unix(7)); the variable has an at sign for it.
        if first == UInt8(ascii: "@") { path[0] = 0 }
        var address = sockaddr_un()
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
        let socket = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        let bytes = Array(text.utf8)
        // The address has its exact length, as an abstract name may contain NULs.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = unsafe sendto(socket, bytes, bytes.count, CInt(MSG_NOSIGNAL), generic, length)
            }
        }
    }
}
