internal import CLinux
internal import Glibc
package import SystemPackage

/// Starts threads that are not part of Swift's thread pool.
enum PlainThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts a thread that is not detached, and in which all signals are blocked.
    fileprivate static func start(
        joinable thread: inout pthread_t, _ body: @escaping @Sendable () -> Void
    ) throws(Errno) {
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { _ = unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        let code = create(&thread, body)
        guard code == 0 else { throw Errno(rawValue: code) }
    }

    private static func create(_ thread: inout pthread_t, _ body: @escaping @Sendable () -> Void) -> CInt {
        let work = unsafe Unmanaged.passRetained(Work(body))
        let code = unsafe pthread_create(
            &thread, nil,
            { work in
                if let work = unsafe work { unsafe Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body() }
                return nil
            }, work.toOpaque())
        if code != 0 { unsafe work.release() }
        return code
    }

    /// Starts a thread that runs `body` and then ends. Signals that the calling thread has blocked are blocked in it
    /// too.
    /// - Returns: false if the system cannot create a thread.
    static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        var thread = pthread_t()
        guard create(&thread, body) == 0 else { return false }
        pthread_detach(thread)
        return true
    }
}

/// A thread that its owner waits for. All signals are blocked in it.
package final class JoinedThread {
    private var thread = pthread_t()
    private var hasEnded = false

    /// Starts the thread.
    package init(_ body: @escaping @Sendable () -> Void) throws(Errno) {
        try PlainThread.start(joinable: &thread, body)
    }

    /// Waits until the thread has ended. The owner must have asked it to end.
    package func join() {
        guard !hasEnded else { return }
        hasEnded = true
        pthread_join(thread, nil)
    }
}
