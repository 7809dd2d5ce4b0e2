package import SystemPackage

/// Counters in a file that processes share. Each process adds to them without waiting for others, and the counts stay
/// when a process dies. Nothing is synced to disk for it.
///
/// After a crash of the machine the counts may be some seconds old.
package struct SharedCounters: Sendable {
    /// `nil` if there is no memory for them; then nothing is counted.
    private let numbers: SharedNumbers?
    /// Whether other processes see what is counted here.
    package let isShared: Bool

    /// - Parameters:
    ///   - path: the file, which is created if there is none. If that fails, as on a full disk, this process counts in
    ///     memory of its own.
    ///   - count: how many counters there are; the same for all processes that share the file.
    package init(_ path: FilePath, count: Int) {
        let shared = try? SharedNumbers(file: path, count: count)
        numbers = shared ?? (try? SharedNumbers(count: count))
        isShared = shared != nil
    }

    package func add(_ number: UInt64, to index: Int) { numbers?.add(number, at: index) }

    package func value(at index: Int) -> UInt64 { numbers?[index] ?? 0 }
}
