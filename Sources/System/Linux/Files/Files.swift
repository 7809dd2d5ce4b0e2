internal import CLinux
internal import Synchronization
package import SystemPackage

package enum Files {
    /// The whole of a small file, or `nil` if it cannot be read.
    package static func contents(of path: FilePath) -> [UInt8]? {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? file.close() }
        return try? contents(of: file, limitBytes: .max)
    }

    /// The bytes of an open file from its current position to its end. If there are more than the limit, one byte more
    /// than the limit is returned.
    static func contents(of file: FileDescriptor, limitBytes: Int) throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        do {
            while bytes.count <= limitBytes {
                let wanted = min(limitBytes - bytes.count, buffer.count - 1) + 1
                let count = try unsafe buffer.withUnsafeMutableBytes { buffer in
                    unsafe try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
                }
                if count == 0 { break }
                bytes += buffer[..<count]
            }
        } catch {
            throw error as? Errno ?? .ioError
        }
        return bytes
    }

    /// Replaces a file in one step: the new content is written to another file, synced to disk, and renamed over it
    /// (rename(2)).
    package static func replace(
        _ path: FilePath, with bytes: [UInt8], permissions: FilePermissions = .ownerReadWrite
    ) throws(Errno) {
        try put(bytes, at: path, through: FilePath(path.string + ".new"), [.create, .truncate], permissions)
    }

    /// Creates a file that only its owner may read and write, with this content, and syncs it and its name to disk. Throws
    /// `.fileExists` if there is one. A crash leaves the whole file or none.
    package static func create(_ path: FilePath, with bytes: [UInt8]) throws(Errno) {
        if exists(path) { throw .fileExists }
        let temporary = FilePath("\(path.string).\(getpid())-\(replacements.add(1, ordering: .relaxed).newValue).new")
        do throws(Errno) { try remove(temporary) } catch .noSuchFileOrDirectory {}
        let file = try open(temporary, .writeOnly, [.create, .exclusiveCreate, .closeOnExec], .ownerReadWrite)
        defer { try? remove(temporary) }
        do {
            defer { try? file.close() }
            try file.writeAll(bytes)
            try systemCall { fsync(file.rawValue) }
        } catch {
            throw error as? Errno ?? .ioError
        }
        try addName(path, to: temporary)
        try synchronizeNames(in: path.removingLastComponent())
    }

    /// Replaces the content of an existing file as `replace` does. Owner, group and mode stay; access control lists and
    /// extended attributes are lost. If the path is a symbolic link, the link stays and the file it leads to is
    /// replaced.
    ///
    /// A user who owns the file but may not give it to its old group leaves it with the user's own group. After a
    /// failure the old file is unchanged, unless it was the directory's sync at the end that failed: then the new file
    /// is in place, and a crash may undo it.
    package static func replaceKeepingOwner(_ path: FilePath, with bytes: [UInt8]) throws(Errno) {
        let target = try resolved(path)
        var old = stat()
        try systemCall { unsafe stat(target.string, &old) }
        guard old.kind == S_IFREG else { throw old.kind == S_IFDIR ? .isDirectory : .invalidArgument }
        // Open the directory first, as that may not be allowed.
        let directory = try open(target.removingLastComponent(), .readOnly, [.directory, .closeOnExec])
        defer { try? directory.close() }

        let number = replacements.add(1, ordering: .relaxed).newValue
        let temporary = FilePath("\(target.string).\(getpid())-\(number).new")
        do throws(Errno) {
            // A killed process with the same number may have left it behind.
            try remove(temporary)
        } catch .noSuchFileOrDirectory {}
        try put(bytes, at: target, through: temporary, [.create, .exclusiveCreate], .ownerReadWrite) {
            file throws(Errno) in
            var new = stat()
            try systemCall { unsafe fstat(file.rawValue, &new) }
            do throws(Errno) {
                try systemCall { fchown(file.rawValue, old.st_uid, old.st_gid) }
            } catch .notPermitted where new.st_uid == old.st_uid {}
            // After fchown, which clears the set-user-ID bit (chown(2)).
            try systemCall { fchmod(file.rawValue, old.st_mode & 0o7777) }
        }
        try synchronizeNames(directory)
    }

    /// Numbers the temporary files, so that threads of this process do not share one.
    private static let replacements = Atomic(0)

    /// Writes a new file and renames it over `path` once it is on disk. If that fails, the new file is removed.
    ///
    /// - Parameter finish: runs when everything is written, before the sync to disk.
    private static func put(
        _ bytes: [UInt8], at path: FilePath, through temporary: FilePath, _ options: FileDescriptor.OpenOptions,
        _ permissions: FilePermissions, finish: (FileDescriptor) throws(Errno) -> Void = { _ in }
    ) throws(Errno) {
        let file = try open(temporary, .writeOnly, options.union(.closeOnExec), permissions)
        do {
            defer { try? file.close() }
            try file.writeAll(bytes)
            try finish(file)
            try systemCall { fsync(file.rawValue) }
            try move(temporary, to: path)
        } catch {
            try? remove(temporary)
            throw error as? Errno ?? .ioError
        }
    }

    /// Opens a file, with a typed error, which the library's own function does not have.
    package static func open(
        _ path: FilePath, _ mode: FileDescriptor.AccessMode, _ options: FileDescriptor.OpenOptions = .closeOnExec,
        _ permissions: FilePermissions? = nil
    ) throws(Errno) -> FileDescriptor {
        do {
            return try FileDescriptor.open(path, mode, options: options, permissions: permissions)
        } catch {
            throw error as? Errno ?? .ioError
        }
    }

    /// Creates a file without a name, which is gone once it is closed (open(2), O_TMPFILE).
    package static func unnamed(in directory: FilePath) throws(Errno) -> FileDescriptor {
        // __O_TMPFILE and O_DIRECTORY, which is what O_TMPFILE stands for.
        let unnamed = FileDescriptor.OpenOptions(rawValue: 0o20_000_000 | O_DIRECTORY)
        return try open(directory, .readWrite, [unnamed, .closeOnExec], .ownerReadWrite)
    }

    /// Gives a file another name beside its own (link(2)).
    package static func addName(_ other: FilePath, to path: FilePath) throws(Errno) {
        try systemCall { unsafe link(path.string, other.string) }
    }

    /// Removes a directory with the files and directories in it; does nothing if it cannot be opened.
    package static func removeTree(_ directory: FilePath) throws(Errno) {
        guard let entries = unsafe opendir(directory.string) else { return }
        defer { unsafe closedir(entries) }
        while let entry = unsafe readdir(entries) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            let path = directory.appending(name)
            if unsafe entry.pointee.d_type == UInt8(DT_DIR) { try removeTree(path) } else { try remove(path) }
        }
        try systemCall { unsafe rmdir(directory.string) }
    }

    /// Bytes of a file from an offset on, `limitBytes` at most; `nil` if it cannot be read.
    package static func start(of path: FilePath, at offset: Int = 0, limitBytes: Int) -> [UInt8]? {
        guard let file = try? open(path, .readOnly) else { return nil }
        defer { try? file.close() }
        var bytes = [UInt8](repeating: 0, count: limitBytes)
        guard
            let count = unsafe try? bytes.withUnsafeMutableBytes({
                unsafe try file.read(fromAbsoluteOffset: Int64(offset), into: $0)
            })
        else { return nil }
        return Array(bytes[..<count])
    }

    package static func exists(_ path: FilePath) -> Bool { unsafe access(path.string, F_OK) == 0 }

    package static func isReadable(_ path: FilePath) -> Bool { unsafe access(path.string, R_OK) == 0 }

    package static func remove(_ path: FilePath) throws(Errno) { try systemCall { unsafe unlink(path.string) } }

    package static func move(_ path: FilePath, to target: FilePath) throws(Errno) {
        try systemCall { unsafe rename(path.string, target.string) }
    }

    /// Creates a directory and its missing parents. A directory that exists is left as it is.
    package static func makeDirectory(_ path: FilePath, permissions: FilePermissions) throws(Errno) {
        do throws(Errno) {
            try systemCall { unsafe mkdir(path.string, permissions.rawValue) }
        } catch .fileExists {
            return
        } catch .noSuchFileOrDirectory {
            let parent = path.removingLastComponent()
            guard !parent.isEmpty, parent != path else { throw .noSuchFileOrDirectory }
            try makeDirectory(parent, permissions: permissions)
            // Try only once more: in some directories, such as /proc, none can be created.
            do throws(Errno) {
                try systemCall { unsafe mkdir(path.string, permissions.rawValue) }
            } catch .fileExists {
                return
            }
        }
    }

    /// Waits until a file's content is on the disk.
    package static func synchronize(_ path: FilePath) throws(Errno) {
        let file = try open(path, .readOnly)
        defer { try? file.close() }
        try systemCall { fsync(file.rawValue) }
    }

    /// Changes the owner or group of a file; `nil` leaves that one as it is.
    package static func changeOwner(of path: FilePath, user: UInt32?, group: UInt32?) throws(Errno) {
        try systemCall { unsafe chown(path.string, user ?? .max, group ?? .max) }
    }

    package static func changePermissions(of path: FilePath, to permissions: FilePermissions) throws(Errno) {
        try systemCall { unsafe chmod(path.string, permissions.rawValue) }
    }

    /// The permissions of a file; `nil` if there is no such file.
    package static func permissions(of path: FilePath) -> FilePermissions? {
        var information = stat()
        guard unsafe stat(path.string, &information) == 0 else { return nil }
        return FilePermissions(rawValue: information.st_mode & 0o7777)
    }

    /// Gives a file the owner, group and permissions of another file.
    package static func copyOwner(of source: FilePath, to target: FilePath) throws(Errno) {
        var information = stat()
        try systemCall { unsafe stat(source.string, &information) }
        try changeOwner(of: target, user: information.st_uid, group: information.st_gid)
        try changePermissions(of: target, to: FilePermissions(rawValue: information.st_mode & 0o7777))
    }

    /// Whether every user may pass through the directory and all its parents (permission `x` for others).
    package static func everyoneMayPass(_ directory: FilePath) -> Bool {
        var path = directory
        while true {
            var information = stat()
            guard unsafe stat(path.string, &information) == 0, information.st_mode & 0o001 != 0 else { return false }
            let parent = path.removingLastComponent()
            if parent.isEmpty || parent == path { return true }
            path = parent
        }
    }

    /// The absolute path of a file, with `..` and links resolved; `nil` if there is no such file.
    package static func absolute(_ path: FilePath) -> FilePath? { try? resolved(path) }

    private static func resolved(_ path: FilePath) throws(Errno) -> FilePath {
        guard let resolved = unsafe realpath(path.string, nil) else { throw lastError() }
        defer { unsafe free(resolved) }
        return unsafe FilePath(String(cString: resolved))
    }

    /// The file of the program that runs in this process; if that file was replaced, the path that it had.
    package static func thisProgram() -> FilePath? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe readlink("/proc/self/exe", bytes.bindMemory(to: CChar.self).baseAddress!, bytes.count)
        }
        guard count > 0, let text = String(validating: buffer[..<count], as: UTF8.self) else { return nil }
        let gone = " (deleted)"
        return FilePath(text.hasSuffix(gone) ? String(text.dropLast(gone.count)) : text)
    }

    /// When a file was last written, in nanoseconds since 1970; `nil` if there is no such file.
    package static func modificationTime(of path: FilePath) -> Int64? {
        var information = stat()
        guard unsafe stat(path.string, &information) == 0 else { return nil }
        return Int64(information.st_mtim.tv_sec) * 1_000_000_000 + Int64(information.st_mtim.tv_nsec)
    }

    /// A file's length in bytes, or 0 if there is no such file.
    package static func size(of path: FilePath) -> Int {
        var information = stat()
        guard unsafe stat(path.string, &information) == 0 else { return 0 }
        return Int(information.st_size)
    }

    /// Reserves disk blocks up to `end` without changing the file's length, so that writing there cannot meet a full
    /// disk (fallocate(2), FALLOC_FL_KEEP_SIZE).
    package static func reserve(_ file: FileDescriptor, from start: Int, to end: Int) throws(Errno) {
        guard end > start else { return }
        try systemCall { fallocate(file.rawValue, postroom_fallocate_keep_size, off_t(start), off_t(end - start)) }
    }
}

extension stat {
    /// `S_IFREG`, `S_IFDIR` and so on (inode(7)).
    var kind: CInt { CInt(bitPattern: st_mode) & S_IFMT }
}

/// A lock on a file that the system releases when the process ends, however it ends (flock(2)).
package final class FileLock {
    private let file: FileDescriptor

    /// Takes the lock, or throws `.wouldBlock` if a lock of another process forbids it.
    /// - Parameter waits: whether to wait for the lock instead.
    package init(_ path: FilePath, exclusive: Bool, waits: Bool = false) throws(Errno) {
        let options: FileDescriptor.OpenOptions = [.create, .closeOnExec]
        let descriptor = try Files.open(path, .readWrite, options, [.ownerReadWrite, .groupRead])
        do throws(Errno) {
            try systemCall { flock(descriptor.rawValue, (exclusive ? LOCK_EX : LOCK_SH) | (waits ? 0 : LOCK_NB)) }
        } catch {
            try? descriptor.close()
            throw error
        }
        file = descriptor
    }

    /// Takes over a lock that this process inherited from the program that ran in it before.
    package init(holding descriptor: FileDescriptor) { file = descriptor }

    /// The descriptor that holds the lock. A program that replaces this one in the process and inherits the descriptor
    /// keeps the lock.
    package var descriptor: FileDescriptor { file }

    /// Turns the lock into a shared one, which other processes can hold too.
    package func share() throws(Errno) { try systemCall { flock(file.rawValue, LOCK_SH) } }

    /// The first 256 bytes of the file as text. The lock itself does not use them.
    package func text() throws(Errno) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe pread(file.rawValue, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw lastError() }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    package func setText(_ text: String) throws(Errno) {
        let bytes = Array(text.utf8)
        let count = unsafe bytes.withUnsafeBytes { unsafe pwrite(file.rawValue, $0.baseAddress, $0.count, 0) }
        guard count == bytes.count else { throw count < 0 ? lastError() : .noSpace }
        try systemCall { ftruncate(file.rawValue, off_t(count)) }
    }

    deinit { try? file.close() }
}

/// Flushes printed output now, also when standard output is not a terminal.
package func flushOutput() { _ = fflush(nil) }

/// A pipe that is not inherited by programs started later. Neither end blocks.
package func openPipe() throws(Errno) -> (reading: FileDescriptor, writing: FileDescriptor) {
    let ends = try FileDescriptor.pipe(options: [.closeOnExec, .nonBlocking])
    return (ends.readEnd, ends.writeEnd)
}

/// A pipe for the log output of a program. Reading never blocks; writing does when the pipe is full. It holds 1 MiB if
/// the system allows that, so that the program rarely waits while no one reads.
package func openLogPipe() throws(Errno) -> (reading: FileDescriptor, writing: FileDescriptor) {
    let ends = try FileDescriptor.pipe(options: .closeOnExec)
    try UnixSocket.makeNonBlocking(ends.readEnd)
    _ = postroom_set_pipe_size(ends.writeEnd.rawValue, 1 << 20)
    return (ends.readEnd, ends.writeEnd)
}
