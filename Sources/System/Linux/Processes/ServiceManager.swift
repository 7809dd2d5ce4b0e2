internal import CLinux
internal import SystemPackage

/// Tells whoever started this process how it is doing, as sd_notify(3) does. Nothing happens where NOTIFY_SOCKET is not set.
package enum ServiceManager {
    package static let variable = "NOTIFY_SOCKET"

    /// It serves; after `reloading`, with what was reloaded.
    package static func tellReady() { tell("READY=1") }

    /// It goes on serving while it reloads, until `tellReady`.
    package static func tellReloading() {
        tell("RELOADING=1\nMONOTONIC_USEC=\(SystemClock.monotonicMicroseconds())")
    }

    package static func tellStopping() { tell("STOPPING=1") }

    /// One datagram; a service manager that has gone is nobody's trouble.
    private static func tell(_ text: String) {
        guard var path = Machine.environment()[variable].map({ Array($0.utf8) }), let first = path.first else { return }
        // A name that no file has begins with NUL (unix(7)), and is written with an at sign.
        if first == UInt8(ascii: "@") { path[0] = 0 }
        var address = sockaddr_un()
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
        let socket = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        let bytes = Array(text.utf8)
        // The length counts, as a name without a file may have NULs.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = unsafe sendto(socket, bytes, bytes.count, CInt(MSG_NOSIGNAL), generic, length)
            }
        }
    }
}
