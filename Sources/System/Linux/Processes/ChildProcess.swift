internal import CLinux
package import SystemPackage

/// A program started from this one, and a descriptor that becomes readable when it has ended (pidfd_open(2)).
package struct ChildProcess: Sendable {
    package enum Ending: Equatable, Sendable, CustomStringConvertible {
        case exited(CInt)
        case killed(CInt)

        package var description: String {
            switch self {
            case .exited(let code): "exited with status \(code)"
            case .killed(let signal): "was ended by signal \(signal)"
            }
        }
    }

    package let processID: Int32
    package let descriptor: FileDescriptor

    /// Starts a program in a process group of its own, with no signal blocked.
    /// - Parameters:
    ///   - input: becomes descriptor 0; `nil` opens /dev/null for it.
    ///   - output: becomes descriptor 3; `nil` sets none.
    ///   - errors: becomes descriptor 2; with `nil` this process's is inherited.
    ///   - shared: becomes descriptor 4; its own number must be 10 or above.
    ///   - environment: all the variables that the program gets, as `NAME=value`.
    package init(
        _ program: FilePath, _ arguments: [String], environment: [String], input: FileDescriptor? = nil,
        output: FileDescriptor? = nil, errors: FileDescriptor? = nil, shared: FileDescriptor? = nil,
        directory: FilePath? = nil
    ) throws(Errno) {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        if let input {
            unsafe posix_spawn_file_actions_adddup2(&actions, input.rawValue, 0)
        } else {
            unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        if let output { unsafe posix_spawn_file_actions_adddup2(&actions, output.rawValue, 3) }
        if let errors { unsafe posix_spawn_file_actions_adddup2(&actions, errors.rawValue, 2) }
        if let shared { unsafe posix_spawn_file_actions_adddup2(&actions, shared.rawValue, 4) }
        if let directory { unsafe posix_spawn_file_actions_addchdir_np(&actions, directory.string) }

        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        var defaults = sigset_t()
        unsafe sigemptyset(&defaults)
        unsafe sigaddset(&defaults, SIGPIPE)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &defaults)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        unsafe posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var processID: pid_t = 0
        let code = unsafe withCStrings([program.string] + arguments) { argumentList in
            unsafe withCStrings(environment) { environmentList in
                unsafe posix_spawn(&processID, program.string, &actions, &attributes, argumentList, environmentList)
            }
        }
        guard code == 0 else { throw Errno(rawValue: code) }
        self.processID = processID
        descriptor = FileDescriptor(rawValue: try systemCall { postroom_pidfd_open(processID) })
    }

    /// Takes over a child that was started by the program that ran in this process before (`become`).
    package init(adopting processID: Int32) {
        self.processID = processID
        let descriptor = (try? systemCall { postroom_pidfd_open(processID) }) ?? -1
        self.descriptor = FileDescriptor(rawValue: descriptor)
    }

    package func send(_ signal: CInt) { _ = kill(processID, signal) }

    /// Ends the program and all other processes of its group at once (SIGKILL).
    package func killGroup() { _ = kill(-processID, SIGKILL) }

    /// How the program ended, or `nil` while it runs. The descriptor is closed once the ending is returned.
    package func ending() -> Ending? {
        var status: CInt = 0
        guard unsafe waitpid(processID, &status, WNOHANG) == processID else { return nil }
        try? descriptor.close()
        return Self.ending(of: status)
    }

    /// Ends at once (SIGKILL) all processes of a name in the process group of `leader`, even if the leader itself has
    /// ended.
    package static func killGroup(ledBy leader: Int32, named name: String) {
        guard leader > 1, let directory = unsafe opendir("/proc") else { return }
        defer { unsafe closedir(directory) }
        while let entry = unsafe readdir(directory) {
            let text = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard let processID = Int32(text), getpgid(processID) == leader else { continue }
            let command = Files.contents(of: FilePath("/proc/\(processID)/comm")) ?? []
            if String(decoding: command, as: UTF8.self) == name + "\n" { _ = kill(processID, SIGKILL) }
        }
    }

    /// Reaps ended processes that no other code waits for: the first process of a container inherits those whose parents
    /// died. Stops at an ended process that is in `known`, as its owner reaps that one.
    package static func reapOrphans(except known: [Int32]) {
        var information = unsafe siginfo_t()
        while unsafe waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) == 0 {
            let processID = unsafe information._sifields._sigchld.si_pid
            guard processID > 0, !known.contains(processID) else { return }
            guard waitpid(processID, nil, WNOHANG) == processID else { return }
        }
    }

    /// Waits until the program has ended.
    package func waitForEnding() throws(Errno) -> Ending {
        var status: CInt = 0
        try systemCall { unsafe waitpid(processID, &status, 0) }
        try? descriptor.close()
        return Self.ending(of: status)
    }

    /// wait(2): the low seven bits are the signal, the next byte the exit status.
    private static func ending(of status: CInt) -> Ending {
        let signal = status & 0x7f
        return signal == 0 ? .exited((status >> 8) & 0xff) : .killed(signal)
    }
}

/// Replaces the program of this process by another one; the process number, the parent and the inheritable descriptors
/// stay (execve(2)). Returns only if that fails.
package func become(_ program: FilePath, _ arguments: [String]) -> Errno {
    unsafe withCStrings([program.string] + arguments) { list in
        _ = unsafe execv(program.string, list)
        return lastError()
    }
}

/// Passes the strings as a C array of C strings that ends with a null pointer. It is valid during the call.
@unsafe private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    let copies: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe copies.indices { unsafe free(copies[index]) } }
    return unsafe copies.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
}
