internal import FoundationEssentials

/// The number of open descriptors of this process.
package func openDescriptors() -> Int { descriptors().count }

/// The number of open files, pipes and sockets of this process.
///
/// Swift's runtime opens its own descriptors (epoll, eventfd, timerfd) in a thread, at any time after the start of the
/// process. They do not count here: opened late, they would make a comparison with an earlier number fail.
package func openFiles() -> Int { descriptors().count { !$0.hasPrefix("anon_inode:") } }

/// The targets of all open descriptors.
private func descriptors() -> [String] {
    let directory = "/proc/self/fd"
    let names = try? FileManager.default.contentsOfDirectory(atPath: directory)
    // The descriptor of the directory itself is closed by now.
    return (names ?? []).compactMap { name in
        try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)")
    }
}
