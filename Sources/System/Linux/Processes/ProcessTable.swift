internal import CLinux
package import SystemPackage

/// The state of a process as the system reports it (proc(5)).
package struct ProcessStatus: Equatable, Sendable {
    /// R: runs; S: sleeps; D: waits for a device; T: is stopped; t: is stopped by a debugger; Z: has ended.
    package let state: UInt8
    package let parent: Int32
    /// Processor time that it and its threads have used, in clock ticks.
    package let processorTicks: UInt64

    package init(state: UInt8, parent: Int32, processorTicks: UInt64) {
        self.state = state
        self.parent = parent
        self.processorTicks = processorTicks
    }

    /// `nil` if there is no such process.
    package init?(of processID: Int32) {
        guard let bytes = Files.contents(of: FilePath("/proc/\(processID)/stat")),
            // The program's name, in brackets, may itself contain blanks and brackets.
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let words = bytes[(end + 1)...].split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        guard words.count > 12, let state = words[0].utf8.first, let parent = Int32(words[1]),
            let user = UInt64(words[11]), let system = UInt64(words[12])
        else { return nil }
        self.init(state: state, parent: parent, processorTicks: user + system)
    }
}

extension Machine {
    /// The process that a thread belongs to; `nil` if there is no such thread.
    package static func process(ofThread thread: Int32) -> Int32? {
        let bytes = Files.contents(of: FilePath("/proc/\(thread)/status")) ?? []
        let line = bytes.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: "Tgid:".utf8) }
        return line.flatMap { Int32(String(decoding: $0.dropFirst(6), as: UTF8.self)) }
    }

    /// The program and arguments that a process was started with; empty if there is no such process.
    package static func commandLine(of processID: Int32) -> [String] {
        let bytes = Files.contents(of: FilePath("/proc/\(processID)/cmdline")) ?? []
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A number that identifies the PID namespace of a process (pid_namespaces(7)): processes of two namespaces, as in
    /// two containers, may have the same process number. `nil` if it cannot be read.
    package static func processNamespace(of processID: Int32? = nil) -> UInt64? {
        let path = processID.map { "/proc/\($0)/ns/pid" } ?? "/proc/self/ns/pid"
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return UInt64(status.st_ino)
    }
}

extension FileLock {
    /// The processes that hold a lock on a file, as far as the system shows them (proc(5), /proc/locks). 0 means a
    /// process of another PID namespace.
    package static func holders(of path: FilePath) -> [Int32] {
        var status = stat()
        guard unsafe stat(path.string, &status) == 0 else { return [] }
        let lines = String(decoding: Files.contents(of: "/proc/locks") ?? [], as: UTF8.self).split(separator: "\n")
        return lines.compactMap { line in
            // "1: FLOCK  ADVISORY  READ 4242 08:01:131077 0 EOF"; for a process that waits for the lock, "1: -> FLOCK
            // …".
            let words = line.split(separator: " ")
            guard words.count >= 6, words[1] == "FLOCK", let processID = Int32(words[4]),
                words[5].split(separator: ":").last.map(String.init) == String(status.st_ino)
            else { return nil }
            return processID
        }
    }
}
