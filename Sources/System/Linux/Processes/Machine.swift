internal import CLinux
internal import SystemPackage

package enum Machine {
    /// An identifier that changes with each start of the machine (random(4), boot_id); a container sees its host's.
    package static func bootID() -> String {
        let bytes = Files.contents(of: "/proc/sys/kernel/random/boot_id") ?? []
        return String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self)
    }

    /// The processors this process may run on (sched_getaffinity(2)).
    package static func processorCount() -> Int {
        max(1, Int(postroom_processor_count()))
    }

    package static var isRoot: Bool { geteuid() == 0 }

    package static var processID: Int32 { getpid() }

    package static var parentProcessID: Int32 { getppid() }

    /// A user's and its group's numbers, by name (getpwnam(3)).
    package static func user(named name: String) -> (user: UInt32, group: UInt32)? {
        guard let entry = unsafe getpwnam(name) else { return nil }
        return unsafe (entry.pointee.pw_uid, entry.pointee.pw_gid)
    }

    /// The variables this process was started with.
    package static func environment() -> [String: String] {
        var variables: [String: String] = [:]
        for entry in environmentList() {
            guard let equals = entry.firstIndex(of: "=") else { continue }
            variables[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
        }
        return variables
    }

    /// The same variables as a list of `NAME=value`, to pass on to another program.
    package static func environmentList() -> [String] {
        let bytes = Files.contents(of: "/proc/self/environ") ?? []
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
}
