internal import CLinux
package import SystemPackage

extension Files {
    /// Whether an open file is a regular file, and not a pipe, a socket or a device.
    package static func isRegular(_ file: FileDescriptor) -> Bool {
        var status = stat()
        return unsafe fstat(file.rawValue, &status) == 0 && status.kind == S_IFREG
    }

    /// Creates a file that only this user may open. It has no name any more, so that it is gone once it is closed.
    package static func openTemporary(in directory: FilePath) throws(Errno) -> FileDescriptor {
        var name = Array(directory.appending("postroom-XXXXXX").string.utf8CString)
        let file = FileDescriptor(rawValue: try systemCall { unsafe mkstemp(&name) })
        _ = unsafe unlink(name)
        do throws(Errno) { try file.setInherited(false) } catch {
            try? file.close()
            throw error
        }
        return file
    }
}
