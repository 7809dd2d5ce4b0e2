package import SystemPackage

/// Counters in a file that processes share: each adds to them without waiting for others, and what was counted stays when
/// any of them dies. Nothing is written to the disk for it.
///
/// After a crash of the machine the counts may be those of some seconds before.
package struct SharedCounters: Sendable {
    /// `nil` where the process has no memory for them: then nothing is counted.
    private let numbers: SharedNumbers?
    /// Whether other processes see what is counted here.
    package let isShared: Bool

    /// - Parameters:
    ///   - path: made where there is none. Where that fails, as on a full disk, this process counts for itself.
    ///   - count: how many counters there are; the same for all that share the file.
    package init(_ path: FilePath, count: Int) {
        let shared = try? SharedNumbers(file: path, count: count)
        numbers = shared ?? (try? SharedNumbers(count: count))
        isShared = shared != nil
    }

    package func add(_ number: UInt64, to index: Int) { numbers?.add(number, at: index) }

    package func value(at index: Int) -> UInt64 { numbers?[index] ?? 0 }
}
