internal import CLinux
package import SystemPackage

/// Numbers in memory that processes share: a process and the programs it starts, or all processes that map the same
/// file. Each number is read and written atomically. Who reads a number sees all that its writer has written before.
// @unchecked: the memory is mapped for as long as the object lives, and is accessed only by atomic operations.
@safe package final class SharedNumbers: @unchecked Sendable {
    /// The descriptor of the memory; a program that inherits it can map the same memory. Its number is 10 or above, so
    /// that it does not collide with descriptors that are passed to a program under a fixed number.
    package let descriptor: FileDescriptor
    /// How many numbers are mapped. Those of a file that are not allocated yet must not be accessed.
    package let count: Int
    private let memory: UnsafeMutableRawPointer

    /// Creates `count` numbers, all 0. They are gone when the last process that maps them ends.
    package convenience init(count: Int) throws(Errno) {
        let made = try systemCall { unsafe memfd_create("postroom", postroom_memfd_close_on_exec) }
        defer { try? FileDescriptor(rawValue: made).close() }
        try systemCall { ftruncate(made, off_t(count * MemoryLayout<UInt64>.size)) }
        try self.init(mapping: FileDescriptor(rawValue: try systemCall { postroom_duplicate(made, 10) }))
    }

    /// Maps the numbers of a file, which is created if there is none.
    /// - Parameters:
    ///   - count: how many of them are allocated now.
    ///   - mapped: how many are mapped, at least `count`; the others can be accessed once they are allocated (`append`).
    package convenience init(file path: FilePath, count: Int, mapped: Int? = nil) throws(Errno) {
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(
                path, .readWrite, options: [.create, .closeOnExec], permissions: [.ownerReadWrite, .groupRead])
        } catch {
            throw error as? Errno ?? .ioError
        }
        defer { try? file.close() }
        try Self.allocate(0..<count, in: file)
        try self.init(
            mapping: FileDescriptor(rawValue: try systemCall { postroom_duplicate(file.rawValue, 10) }), count: mapped)
    }

    /// Allocates the disk blocks of numbers, as a write to mapped memory cannot report a full disk. Numbers that were not
    /// allocated before are 0.
    private static func allocate(_ range: Range<Int>, in file: FileDescriptor) throws(Errno) {
        let size = MemoryLayout<UInt64>.size
        let code = posix_fallocate(file.rawValue, off_t(range.lowerBound * size), off_t(range.count * size))
        guard code == 0 else { throw Errno(rawValue: code) }
    }

    /// Allocates numbers at the end of the file, so that all processes that map it can access them. Throws `noSpace`, and
    /// changes nothing, if the disk would have less than so many bytes left.
    package func append(_ range: Range<Int>, leavingBytes: Int) throws(Errno) {
        var status = statvfs()
        try systemCall { unsafe fstatvfs(descriptor.rawValue, &status) }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        guard free - range.count * MemoryLayout<UInt64>.size >= leavingBytes else { throw .noSpace }
        do throws(Errno) { try Self.allocate(range, in: descriptor) } catch {
            // A part of it may have been allocated.
            try? truncate(to: range.lowerBound)
            throw error
        }
    }

    /// Cuts off the file after so many numbers. No process may access one after them until it is allocated again.
    package func truncate(to count: Int) throws(Errno) {
        try systemCall { ftruncate(descriptor.rawValue, off_t(count * MemoryLayout<UInt64>.size)) }
    }

    /// Maps numbers that another process created. This object owns the descriptor from now on, unless it throws.
    /// - Parameter mapped: how many are mapped; `nil`: as many as there are.
    package init(mapping descriptor: FileDescriptor, count mapped: Int? = nil) throws(Errno) {
        var status = stat()
        try systemCall { unsafe fstat(descriptor.rawValue, &status) }
        count = mapped ?? Int(status.st_size) / MemoryLayout<UInt64>.size
        guard count > 0 else { throw .invalidArgument }
        let bytes = count * MemoryLayout<UInt64>.size
        let mapped = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.rawValue, 0)
        guard let mapped = unsafe mapped, Int(bitPattern: mapped) != -1 else { throw lastError() }
        unsafe memory = mapped
        self.descriptor = descriptor
    }

    deinit {
        unsafe munmap(memory, count * MemoryLayout<UInt64>.size)
        try? descriptor.close()
    }

    package subscript(index: Int) -> UInt64 {
        get {
            precondition(index >= 0 && index < count, "no such shared number")
            return unsafe postroom_load(memory, index)
        }
        set {
            precondition(index >= 0 && index < count, "no such shared number")
            unsafe postroom_store(memory, index, newValue)
        }
    }

    /// Raises a number to a value if it is lower.
    /// - Returns: whether it was lower. If several threads or processes raise it to one value, this is true for one of them.
    @discardableResult
    package func raise(at index: Int, to value: UInt64) -> Bool {
        precondition(index >= 0 && index < count, "no such shared number")
        return unsafe postroom_raise(memory, index, value) != 0
    }

    /// Waits until another thread or process calls `wake` for this number, at most for a time. Returns at once if the
    /// number is no longer `seen`. It may also return early (futex(2)).
    package func wait(at index: Int, while seen: UInt64, milliseconds: Int) {
        precondition(index >= 0 && index < count, "no such shared number")
        unsafe postroom_wait(memory, index, UInt32(truncatingIfNeeded: seen), milliseconds)
    }

    /// Adds 1 to a number, and wakes the threads of all processes that wait at it.
    package func wake(at index: Int) {
        add(at: index)
        unsafe postroom_wake(memory, index, .max)
    }

    package func add(_ value: UInt64 = 1, at index: Int) {
        precondition(index >= 0 && index < count, "no such shared number")
        unsafe postroom_add_at(memory, index, value)
    }
}

extension FileDescriptor {
    /// Sets whether programs started from this one, or replacing it, inherit this descriptor.
    package func setInherited(_ isInherited: Bool) throws(Errno) {
        try systemCall { postroom_set_inherited(rawValue, isInherited ? 1 : 0) }
    }
}
