internal import CLinux
internal import Glibc
package import SystemPackage

/// Signals that arrive as bytes to read instead of interrupting the program (signalfd(2)).
package struct SignalQueue: ~Copyable {
    package let descriptor: FileDescriptor

    /// Blocks the signals in this thread, and in every thread and process started from it, and queues them here.
    package init(_ signals: [CInt]) throws(Errno) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        descriptor = FileDescriptor(
            rawValue: try systemCall {
                unsafe signalfd(-1, &set, CInt(SFD_CLOEXEC | SFD_NONBLOCK))
            })
    }

    deinit { try? descriptor.close() }

    /// The next signal that has arrived, or `nil` if there is none.
    package func next() -> CInt? {
        var information = signalfd_siginfo()
        let count = unsafe withUnsafeMutableBytes(of: &information) { bytes in
            unsafe read(descriptor.rawValue, bytes.baseAddress, bytes.count)
        }
        return count == MemoryLayout<signalfd_siginfo>.size ? CInt(information.ssi_signo) : nil
    }
}

package enum Signal {
    package static var child: CInt { SIGCHLD }
    package static var hangUp: CInt { SIGHUP }
    package static var interrupt: CInt { SIGINT }
    package static var terminate: CInt { SIGTERM }
    package static var kill: CInt { SIGKILL }
    package static var quit: CInt { SIGQUIT }
    package static var resume: CInt { SIGCONT }
    package static var user: CInt { SIGUSR2 }
    /// The signals that end a program after a fault or a failed check.
    package static var crashes: [CInt] { [SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGTRAP, SIGFPE] }

    /// Sends a signal to this process itself.
    package static func raise(_ signal: CInt) { _ = Glibc.raise(signal) }

    /// Sends a signal to another process.
    /// - Returns: false if that is not allowed, or there is no such process.
    @discardableResult
    package static func send(_ signal: CInt, to processID: Int32) -> Bool { Glibc.kill(processID, signal) == 0 }

    /// Has a signal end this process with a text on standard error.
    package static func endProcess(on signal: CInt, saying text: String, status: Int32) {
        unsafe postroom_end_on(signal, text, status)
    }

    /// Ignores SIGPIPE: a write to a connection whose other side has gone then fails with an error, and does not end the
    /// process.
    package static func ignoreBrokenPipes() { postroom_ignore(SIGPIPE) }

    /// Has the kernel send `signal` to this process when its parent dies (prctl(2), PR_SET_PDEATHSIG; kept over exec).
    /// If the parent is already another process than `parent`, the signal is raised at once.
    package static func send(_ signal: CInt, whenParentDies parent: Int32) {
        _ = postroom_signal_on_parent_death(signal)
        if getppid() != parent { Glibc.raise(signal) }
    }
}
