internal import CLinux
package import SystemPackage

/// Which file a path leads to: another one in its place, of the same content or not, is not the same.
package struct FileIdentity: Equatable, Sendable {
    private let device: dev_t
    private let inode: ino_t
    package let bytes: Int

    /// `nil` where there is none.
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
    /// Bytes that the file system of a path has left for this user; `nil` where the system does not tell (statvfs(3)).
    package static func freeBytes(of path: FilePath) -> Int? {
        var status = statvfs()
        guard unsafe statvfs(path.string, &status) == 0 else { return nil }
        return Int(
            clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }

    /// Who owns a file, as a name where there is one, else as a number; `nil` where there is no file.
    package static func owner(of path: FilePath) -> String? {
        var status = stat()
        guard unsafe stat(path.string, &status) == 0 else { return nil }
        guard let entry = unsafe getpwuid(status.st_uid), let name = unsafe entry.pointee.pw_name else {
            return String(status.st_uid)
        }
        return unsafe String(cString: name)
    }
}
