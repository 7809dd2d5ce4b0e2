internal import CLinux
package import SystemPackage

/// A file that exists only in memory and is gone once closed (memfd_create(2)).
package func memoryFile(named name: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try systemCall { unsafe memfd_create(name, postroom_memfd_close_on_exec) })
}
