internal import CLinux
internal import Synchronization
package import SystemPackage

package enum Files {
    /// The whole of a small file, or `nil` where it cannot be read.
    package static func contents(of path: FilePath) -> [UInt8]? {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? file.close() }
        return try? contents(of: file, limitBytes: .max)
    }

    /// From where an open file is read next to its end; of more than the limit, one byte more.
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

    /// Puts a file in place whole: written beside it, on disk, then renamed over it (rename(2)).
    package static func replace(
        _ path: FilePath, with bytes: [UInt8], permissions: FilePermissions = .ownerReadWrite
    ) throws(Errno) {
        try put(bytes, at: path, through: FilePath(path.string + ".new"), [.create, .truncate], permissions)
    }

    /// Makes a file that only its owner may read, with this content; throws `.fileExists` where there is one.
    package static func create(_ path: FilePath, with bytes: [UInt8]) throws(Errno) {
        if exists(path) { throw .fileExists }
        let file = try open(path, .writeOnly, [.create, .exclusiveCreate, .closeOnExec], .ownerReadWrite)
        defer { try? file.close() }
        do {
            try file.writeAll(bytes)
        } catch {
            try? remove(path)
            throw error as? Errno ?? .ioError
        }
        try systemCall { fsync(file.rawValue) }
    }

    /// Replaces a file that is there by another content, as `replace` does; owner, group and mode stay, access lists and
    /// extended attributes do not. A symbolic link stays, and what it leads to is replaced.
    ///
    /// Who may not give the file to its old group, but owns it, leaves it to a group of its own. A failure leaves the old
    /// file as it was, but for that of the directory's last sync: then the new one is in place, and a crash may undo it.
    package static func replaceKeepingOwner(_ path: FilePath, with bytes: [UInt8]) throws(Errno) {
        let target = try resolved(path)
        var old = stat()
        try systemCall { unsafe stat(target.string, &old) }
        guard old.kind == S_IFREG else { throw old.kind == S_IFDIR ? .isDirectory : .invalidArgument }
        // Open before anything is done, as it may not be allowed.
        let directory = try open(target.removingLastComponent(), .readOnly, [.directory, .closeOnExec])
        defer { try? directory.close() }

        let number = replacements.add(1, ordering: .relaxed).newValue
        let temporary = FilePath("\(target.string).\(getpid())-\(number).new")
        do throws(Errno) {
            // Left behind by a process of the same number that was killed.
            try remove(temporary)
        } catch .noSuchFileOrDirectory {}
        try put(bytes, at: target, through: temporary, [.create, .exclusiveCreate], .ownerReadWrite) {
            file throws(Errno) in
            var new = stat()
            try systemCall { unsafe fstat(file.rawValue, &new) }
            do throws(Errno) {
                try systemCall { fchown(file.rawValue, old.st_uid, old.st_gid) }
            } catch .notPermitted where new.st_uid == old.st_uid {}
            // After the owner, whose change takes set-user-ID away (chown(2)).
            try systemCall { fchmod(file.rawValue, old.st_mode & 0o7777) }
        }
        do throws(Errno) {
            try systemCall { fsync(directory.rawValue) }
        } catch .invalidArgument {
            // There are file systems that know no sync of a directory (fsync(2)).
        }
    }

    /// Tells apart the temporary files of this process's threads.
    private static let replacements = Atomic(0)

    /// Writes a new file and renames it over `path` once it is on disk; where that fails, the new one is gone.
    ///
    /// - Parameter finish: runs when all is written, before it is on disk.
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

    /// Opens a file; the error is named, as the library's own function leaves it open.
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

    /// Gives a file another name beside its own (link(2)).
    package static func addName(_ other: FilePath, to path: FilePath) throws(Errno) {
        try systemCall { unsafe link(path.string, other.string) }
    }

    /// Removes a directory with the files and directories in it; does nothing where it is not there.
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

    /// The first bytes of a file, or those from an offset on; `nil` where it cannot be read.
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

    /// Makes a directory and those above it; one that is there already is left as it is.
    package static func makeDirectory(_ path: FilePath, permissions: FilePermissions) throws(Errno) {
        do throws(Errno) {
            try systemCall { unsafe mkdir(path.string, permissions.rawValue) }
        } catch .fileExists {
            return
        } catch .noSuchFileOrDirectory {
            let parent = path.removingLastComponent()
            guard !parent.isEmpty, parent != path else { throw .noSuchFileOrDirectory }
            try makeDirectory(parent, permissions: permissions)
            // Once more and no further: there are directories in which none can be made, such as /proc.
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

    /// Gives a file to another user or group; `nil` leaves that half as it is.
    package static func changeOwner(of path: FilePath, user: UInt32?, group: UInt32?) throws(Errno) {
        try systemCall { unsafe chown(path.string, user ?? .max, group ?? .max) }
    }

    package static func changePermissions(of path: FilePath, to permissions: FilePermissions) throws(Errno) {
        try systemCall { unsafe chmod(path.string, permissions.rawValue) }
    }

    /// Who may do what with a file; `nil` where there is none.
    package static func permissions(of path: FilePath) -> FilePermissions? {
        var information = stat()
        guard unsafe stat(path.string, &information) == 0 else { return nil }
        return FilePermissions(rawValue: information.st_mode & 0o7777)
    }

    /// Gives a file the owner, group and permissions of another.
    package static func copyOwner(of source: FilePath, to target: FilePath) throws(Errno) {
        var information = stat()
        try systemCall { unsafe stat(source.string, &information) }
        try changeOwner(of: target, user: information.st_uid, group: information.st_gid)
        try changePermissions(of: target, to: FilePermissions(rawValue: information.st_mode & 0o7777))
    }

    /// Whether every user may go through the directory and all those above it.
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

    /// A path from the root on, `..` and links resolved; `nil` where there is no such file.
    package static func absolute(_ path: FilePath) -> FilePath? { try? resolved(path) }

    private static func resolved(_ path: FilePath) throws(Errno) -> FilePath {
        guard let resolved = unsafe realpath(path.string, nil) else { throw lastError() }
        defer { unsafe free(resolved) }
        return unsafe FilePath(String(cString: resolved))
    }

    /// The program that runs in this process; where its file was replaced, the path it was started from.
    package static func thisProgram() -> FilePath? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe readlink("/proc/self/exe", bytes.bindMemory(to: CChar.self).baseAddress!, bytes.count)
        }
        guard count > 0, let text = String(validating: buffer[..<count], as: UTF8.self) else { return nil }
        let gone = " (deleted)"
        return FilePath(text.hasSuffix(gone) ? String(text.dropLast(gone.count)) : text)
    }

    /// When a file was last written, in nanoseconds since 1970; `nil` where there is none.
    package static func modificationTime(of path: FilePath) -> Int64? {
        var information = stat()
        guard unsafe stat(path.string, &information) == 0 else { return nil }
        return Int64(information.st_mtim.tv_sec) * 1_000_000_000 + Int64(information.st_mtim.tv_nsec)
    }

    /// A file's length in bytes, or 0 where there is none.
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

/// A lock on a file that the system gives back when the process ends, however it ends (flock(2)).
package final class FileLock {
    private let file: FileDescriptor

    /// Takes the lock, or throws `.wouldBlock` while another process holds it.
    /// - Parameter waits: whether to wait for it instead.
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

    /// Goes on with a lock that this process was given by the program that ran in it before.
    package init(holding descriptor: FileDescriptor) { file = descriptor }

    /// What holds the lock; a program that takes this one's place and inherits it goes on with the lock.
    package var descriptor: FileDescriptor { file }

    /// Lets others hold the lock beside this process from now on.
    package func share() throws(Errno) { try systemCall { flock(file.rawValue, LOCK_SH) } }

    /// What the file says; the lock itself does not need it to say anything.
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

/// Has what was printed appear now, also where standard output is no terminal.
package func flushOutput() { _ = fflush(nil) }

/// A pipe that no program started later inherits, and whose reading end does not wait.
package func openPipe() throws(Errno) -> (reading: FileDescriptor, writing: FileDescriptor) {
    let ends = try FileDescriptor.pipe(options: [.closeOnExec, .nonBlocking])
    return (ends.readEnd, ends.writeEnd)
}

/// A pipe for what a program says: its reading end does not wait, and its writing end does. It holds a mebibyte where the
/// system lets it, so that the program need not wait while nobody reads.
package func openLogPipe() throws(Errno) -> (reading: FileDescriptor, writing: FileDescriptor) {
    let ends = try FileDescriptor.pipe(options: .closeOnExec)
    try UnixSocket.makeNonBlocking(ends.readEnd)
    _ = postroom_set_pipe_size(ends.writeEnd.rawValue, 1 << 20)
    return (ends.readEnd, ends.writeEnd)
}
