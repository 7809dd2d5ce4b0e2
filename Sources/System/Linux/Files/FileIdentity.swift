internal import CLinux
package import SystemPackage

/// Identifies the file that a path leads to, by device and inode. Another file at the same path is not equal, even with
/// the same content.
package struct FileIdentity: Equatable, Sendable {
    private let device: dev_t
    private let inode: ino_t
    package let bytes: Int

    /// `nil` if there is no such file.
    package init?(of path: FilePath) {
        var status = stat()
        guard unsafe stat(path.string, &status) == 0 else { return nil }
        (device, inode, bytes) = (status.st_dev, status.st_ino, Int(status.st_size))
    }

    package static func == (one: FileIdentity, other: FileIdentity) -> Bool {
        one.device == other.device && one.inode == other.inode
    }
}

extension Files {
    /// Bytes that are free for this user in the file system of a path; `nil` if the system does not report it
    /// (statvfs(3)).
    package static func freeBytes(of path: FilePath) -> Int? {
        var status = statvfs()
        guard unsafe statvfs(path.string, &status) == 0 else { return nil }
        return Int(
            clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }

    /// The owner of a file, as a name or, if the user has none, as a number; `nil` if there is no file.
    package static func owner(of path: FilePath) -> String? {
        var status = stat()
        guard unsafe stat(path.string, &status) == 0 else { return nil }
        guard let entry = unsafe getpwuid(status.st_uid), let name = unsafe entry.pointee.pw_name else {
            return String(status.st_uid)
        }
        return unsafe String(cString: name)
    }
}
