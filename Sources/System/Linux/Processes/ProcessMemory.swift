internal import CLinux
package import SystemPackage

/// A file that exists only in memory and is gone once closed (memfd_create(2)).
package func memoryFile(named name: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try systemCall { unsafe memfd_create(name, postroom_memfd_close_on_exec) })
}

/// Has the memory of large blocks returned to the system when they are freed (mallopt(3)). Without this, the C library keeps
/// them for later once it has seen some, in pieces that no longer fit together.
package func returnLargeBlocks() {
    _ = mallopt(M_MMAP_THRESHOLD, 4 << 20)
    _ = mallopt(M_TRIM_THRESHOLD, 8 << 20)
}
