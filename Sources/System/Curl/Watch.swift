internal import CCurl
internal import Linux
internal import SystemPackage

/// Watches what libcurl asks for: sockets that become ready, and one timer (libcurl-multi(3), "MULTI_SOCKET").
final class Watch {
    let epoll: Epoll
    private var events: [curl_socket_t: Epoll.Events] = [:]
    /// When libcurl's timer is due, by `SystemClock.bootTimeMicroseconds`; `nil` for never.
    private(set) var dueMicroseconds: Int64?
    /// Why a socket could not be watched.
    private(set) var failure: Errno?

    init() throws(Errno) { epoll = try Epoll() }

    /// - Parameter poll: CURL_POLL_IN, CURL_POLL_OUT, both, or CURL_POLL_REMOVE.
    /// - Returns: 0, or -1 after a failure, as a curl_socket_callback does.
    func change(_ socket: curl_socket_t, poll: CInt) -> CInt {
        let descriptor = FileDescriptor(rawValue: socket)
        let wanted: Epoll.Events? =
            switch poll {
            case CURL_POLL_IN: .readable
            case CURL_POLL_OUT: .writable
            case CURL_POLL_INOUT: [.readable, .writable]
            default: nil
            }
        do throws(Errno) {
            switch (events[socket], wanted) {
            case (nil, let wanted?): try epoll.add(descriptor, wanted, token: UInt64(socket))
            case (let old?, let wanted?):
                if old != wanted { try epoll.change(descriptor, to: wanted, token: UInt64(socket)) }
            // An error does not matter: a closed socket is no longer watched anyway.
            case (_?, nil): try? epoll.remove(descriptor)
            case (nil, nil): break
            }
        } catch {
            failure = error
            return -1
        }
        events[socket] = wanted
        return 0
    }

    /// - Parameter milliseconds: from now; -1 for never.
    func setTimer(milliseconds: Int) {
        dueMicroseconds = milliseconds < 0 ? nil : SystemClock.bootTimeMicroseconds() + Int64(milliseconds) * 1000
    }

    /// Whether the timer is due. If so, it is cleared.
    func takeDue() -> Bool {
        guard let due = dueMicroseconds, due <= SystemClock.bootTimeMicroseconds() else { return false }
        dueMicroseconds = nil
        return true
    }
}
