internal import CCurl
internal import Linux
internal import SystemPackage

/// What libcurl wants to be told of: sockets that become ready, and one moment (libcurl-multi(3), "MULTI_SOCKET").
final class Watch {
    let epoll: Epoll
    private var events: [curl_socket_t: Epoll.Events] = [:]
    /// When libcurl wants to look at its clocks, by `SystemClock.bootTimeMicroseconds`.
    private(set) var dueMicroseconds: Int64?
    /// Why a socket could not be watched.
    private(set) var failure: Errno?

    init() throws(Errno) { epoll = try Epoll() }

    /// - Parameter poll: CURL_POLL_IN, CURL_POLL_OUT, both, or CURL_POLL_REMOVE.
    /// - Returns: what a curl_socket_callback returns.
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
            // One that is closed is no longer watched.
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

    /// Whether the moment has come; then it is forgotten.
    func takeDue() -> Bool {
        guard let due = dueMicroseconds, due <= SystemClock.bootTimeMicroseconds() else { return false }
        dueMicroseconds = nil
        return true
    }
}
