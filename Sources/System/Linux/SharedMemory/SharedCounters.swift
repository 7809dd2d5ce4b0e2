internal import CLinux
package import SystemPackage

/// Counters in a file that processes share: each adds to them without waiting for others, and what was counted stays when
/// any of them dies. Adding is one atomic operation on memory; nothing is written to the disk for it.
///
/// After a crash of the machine the counts may be those of some seconds before.
// @unchecked: all access to the memory is atomic, and it stays mapped for as long as the object lives.
@safe package final class SharedCounters: @unchecked Sendable {
    private let base: UnsafeMutablePointer<UInt64>
    private let count: Int
    /// Whether other processes see what is counted here.
    package let isShared: Bool

    /// - Parameters:
    ///   - path: made where there is none. Where that fails, as on a full disk, this process counts for itself.
    ///   - count: how many counters there are; the same for all that share the file.
    package init(_ path: FilePath, count: Int) {
        self.count = count
        let bytes = count * MemoryLayout<UInt64>.stride
        if let file = try? FileDescriptor.open(
            path, .readWrite, options: [.create, .closeOnExec], permissions: [.ownerReadWrite, .groupRead])
        {
            defer { try? file.close() }
            // With its blocks, as a write to memory cannot report a full disk.
            if posix_fallocate(file.rawValue, 0, off_t(bytes)) == 0,
                let mapped = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0),
                // MAP_FAILED, which Swift does not import.
                unsafe mapped != UnsafeMutableRawPointer(bitPattern: -1)
            {
                unsafe base = mapped.bindMemory(to: UInt64.self, capacity: count)
                isShared = true
                return
            }
        }
        unsafe base = .allocate(capacity: count)
        unsafe base.initialize(repeating: 0, count: count)
        isShared = false
    }

    deinit {
        if isShared {
            unsafe munmap(base, count * MemoryLayout<UInt64>.stride)
        } else {
            unsafe base.deallocate()
        }
    }

    package func add(_ number: UInt64, to index: Int) {
        precondition(index >= 0 && index < count, "there is no such counter")
        unsafe postroom_add(base + index, number)
    }

    package func value(at index: Int) -> UInt64 {
        precondition(index >= 0 && index < count, "there is no such counter")
        return unsafe postroom_value(base + index)
    }
}
