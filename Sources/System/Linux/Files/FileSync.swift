internal import CLinux
package import SystemPackage

/// Reading and writing at offsets, and waiting for the disk.
extension Files {
    /// Waits until the content of an open file is on the disk (fdatasync(2)).
    package static func synchronizeData(_ file: FileDescriptor) throws(Errno) {
        try systemCall { fdatasync(file.rawValue) }
    }

    /// Waits until the names in a directory are on the disk. Does nothing in a file system that cannot do that.
    package static func synchronizeNames(in directory: FilePath) throws(Errno) {
        let file = try open(directory, .readOnly, [.directory, .closeOnExec])
        defer { try? file.close() }
        try synchronizeNames(file)
    }

    /// The same with an open directory.
    static func synchronizeNames(_ directory: FileDescriptor) throws(Errno) {
        do throws(Errno) { try systemCall { fsync(directory.rawValue) } } catch .invalidArgument {
            // Some file systems cannot sync a directory (fsync(2)).
        }
    }

    /// Has the system begin to write a file's changed pages to the disk, without waiting for it (sync_file_range(2)).
    package static func beginWriting(_ file: FileDescriptor) {
        _ = sync_file_range(file.rawValue, 0, 0, postroom_sync_file_range_write)
    }

    /// Cuts a file off at a length.
    package static func truncate(_ file: FileDescriptor, to length: Int) throws(Errno) {
        try systemCall { ftruncate(file.rawValue, off_t(length)) }
    }

    /// Writes bytes at an offset.
    package static func write(_ bytes: [UInt8], to file: FileDescriptor, at offset: Int) throws(Errno) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe pwrite(
                    file.rawValue, $0.baseAddress! + written, bytes.count - written, off_t(offset + written))
            }
            if count < 0, lastError() == .interrupted { continue }
            guard count > 0 else { throw count < 0 ? lastError() : .noSpace }
            written += count
        }
    }

    /// The bytes at an offset; fewer where the file ends.
    package static func read(_ count: Int, of file: FileDescriptor, at offset: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var found = 0
        while found < count {
            let now = unsafe bytes.withUnsafeMutableBytes {
                unsafe pread(file.rawValue, $0.baseAddress! + found, count - found, off_t(offset + found))
            }
            if now < 0, lastError() == .interrupted { continue }
            guard now >= 0 else { throw lastError() }
            if now == 0 { break }
            found += now
        }
        bytes.removeLast(count - found)
        return bytes
    }

    /// Whether a process holds a lock of fcntl(2) on one byte of a file. The restriction of `isLocked` applies.
    package static func hasLock(_ processID: Int32, on path: FilePath, at offset: Int) -> Bool {
        guard let file = try? open(path, .readWrite) else { return false }
        defer { try? file.close() }
        return postroom_lock_holder(file.rawValue, off_t(offset)) == processID
    }

    /// Whether another process holds a lock of fcntl(2) on the first bytes of a file. The caller must not hold such locks
    /// on the file itself: they end here, as with every close of a descriptor of it.
    package static func isLocked(_ path: FilePath, bytes: Int) -> Bool {
        guard let file = try? open(path, .readWrite) else { return false }
        defer { try? file.close() }
        return postroom_is_locked(file.rawValue, Int32(bytes)) == 1
    }
}
