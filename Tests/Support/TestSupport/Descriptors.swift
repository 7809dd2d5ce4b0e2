internal import FoundationEssentials

/// How many descriptors this process has open.
package func openDescriptors() -> Int { descriptors().count }

/// How many files, pipes and sockets this process has open.
///
/// Swift's runtime opens descriptors of its own (epoll, eventfd, timerfd), in a thread that may come to it at any time after
/// the process has begun. They do not count here: a comparison with the number from before would fail when they come late.
package func openFiles() -> Int { descriptors().count { !$0.hasPrefix("anon_inode:") } }

/// What they lead to.
private func descriptors() -> [String] {
    let directory = "/proc/self/fd"
    let names = try? FileManager.default.contentsOfDirectory(atPath: directory)
    // The directory's own is closed by now.
    return (names ?? []).compactMap { name in
        try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)")
    }
}
