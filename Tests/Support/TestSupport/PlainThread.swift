internal import Glibc

/// A thread outside of Swift's pool, to which signals can be sent.
///
/// @unchecked: the thread's number does not change, and `join` is called once.
package final class PlainThread: @unchecked Sendable {
    private let thread: pthread_t

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    package init(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let work = unsafe Unmanaged.passRetained(Work(body)).toOpaque()
        let code = unsafe pthread_create(
            &thread, nil,
            { work in
                if let work = unsafe work { unsafe Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body() }
                return nil
            }, work)
        precondition(code == 0, "pthread_create: \(code)")
        self.thread = thread
    }

    package func send(_ signal: CInt) { pthread_kill(thread, signal) }

    package func join() { pthread_join(thread, nil) }
}

/// Waits until `condition` holds, for at most `seconds`, and returns whether it does.
package func holds(withinSeconds seconds: Double = 30, _ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<Int(seconds * 200) {
        if try condition() { return true }
        usleep(5000)
    }
    return try condition()
}

/// Ends this process at once, as `kill -9` does.
package func killThisProcess() -> Never {
    kill(getpid(), SIGKILL)
    fatalError("still alive")
}
