internal import CLinux
package import SystemPackage

/// Waits for many descriptors at once (epoll(7)).
@safe package final class Epoll {
    /// What happened to a descriptor, or what to wait for.
    package struct Events: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let readable = Events(rawValue: EPOLLIN.rawValue)
        package static let writable = Events(rawValue: EPOLLOUT.rawValue)
        /// The other side has closed, or closed its sending half.
        package static let hangUp = Events(
            rawValue: EPOLLHUP.rawValue | EPOLLRDHUP.rawValue | EPOLLERR.rawValue)
        /// Report each arrival once, not for as long as there is something to read.
        package static let edgeTriggered = Events(rawValue: EPOLLET.rawValue)
    }

    /// Readable when there is an event to report, so another instance can wait for it.
    package let descriptor: FileDescriptor
    private let buffer: UnsafeMutableBufferPointer<epoll_event>

    /// - Parameter batch: the most events one `wait` reports.
    package init(batch: Int = 256) throws(Errno) {
        descriptor = FileDescriptor(rawValue: try systemCall { epoll_create1(CInt(EPOLL_CLOEXEC)) })
        unsafe buffer = .allocate(capacity: batch)
        unsafe buffer.initialize(repeating: epoll_event())
    }

    deinit {
        unsafe buffer.deallocate()
        try? descriptor.close()
    }

    /// Starts watching; `token` comes back with each of the descriptor's events.
    package func add(_ watched: FileDescriptor, _ events: Events, token: UInt64) throws(Errno) {
        try control(CInt(EPOLL_CTL_ADD), watched, events, token)
    }

    package func change(_ watched: FileDescriptor, to events: Events, token: UInt64) throws(Errno) {
        try control(CInt(EPOLL_CTL_MOD), watched, events, token)
    }

    package func remove(_ watched: FileDescriptor) throws(Errno) {
        try control(CInt(EPOLL_CTL_DEL), watched, [], 0)
    }

    private func control(
        _ operation: CInt, _ watched: FileDescriptor, _ events: Events, _ token: UInt64
    ) throws(Errno) {
        var event = unsafe epoll_event(events: events.rawValue, data: epoll_data_t(u64: token))
        try systemCall { unsafe epoll_ctl(descriptor.rawValue, operation, watched.rawValue, &event) }
    }

    /// Waits until there is an event or the timeout has passed (`nil`: no timeout), then reports each event.
    ///
    /// An interrupting signal ends the wait with nothing to report.
    package func wait(milliseconds: Int?, _ report: (UInt64, Events) -> Void) throws(Errno) {
        let limit = milliseconds.map { CInt(clamping: max(0, $0)) } ?? -1
        let count = unsafe epoll_wait(descriptor.rawValue, buffer.baseAddress, CInt(buffer.count), limit)
        guard count >= 0 else {
            let code = lastError()
            if code == .interrupted { return }
            throw code
        }
        for index in 0..<Int(count) {
            let event = unsafe buffer[index]
            unsafe report(event.data.u64, Events(rawValue: event.events))
        }
    }
}
