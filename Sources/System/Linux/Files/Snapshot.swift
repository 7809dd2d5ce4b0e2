internal import CLinux
package import SystemPackage

/// Why a file was not read.
package enum SnapshotError: Error, Equatable, Sendable, CustomStringConvertible {
    case missing
    case notAFile
    case tooLarge
    case changing
    case system(Errno)

    /// The reason, as the end of a sentence.
    package var description: String {
        switch self {
        case .missing: "there is no such file"
        case .notAFile: "it is not a regular file"
        case .tooLarge: "it is longer than allowed"
        case .changing: "it kept changing while it was read"
        case .system(let code): code.description
        }
    }
}

/// A file's content, and the file's state when it was read.
package struct Snapshot: Sendable {
    package let bytes: [UInt8]
    package let state: FileState
}

extension Files {
    /// The whole of a regular file as of one moment: nothing was written to the file while it was read, and afterwards
    /// the path still leads to it. Opening never blocks, not even at a FIFO.
    ///
    /// A write(2) sets a file's time before its bytes, so a file that was written less than 20 ms ago is read only after
    /// these have passed.
    ///
    /// A file whose reported length is not the length that can be read, as in /proc, counts as changing.
    package static func snapshot(of path: FilePath, limitBytes: Int) throws(SnapshotError) -> Snapshot {
        try snapshot(of: path, limitBytes: limitBytes) {}
    }

    /// - Parameter meanwhile: runs each time after the file was read and before the check for changes.
    static func snapshot(
        of path: FilePath, limitBytes: Int, meanwhile: () -> Void
    ) throws(SnapshotError) -> Snapshot {
        for retriesLeft in (0...5).reversed() {
            if let found = try stableContents(of: path, limitBytes: limitBytes, meanwhile: meanwhile) { return found }
            if retriesLeft > 0 { usleep(5000) }
        }
        throw .changing
    }

    /// Longer than a write(2) of a small file takes, plus one tick of the clock for file times.
    private static let writingMicroseconds: Int64 = 20_000

    /// The file's content and state; `nil` if the file changed meanwhile, or another process holds a lease on it.
    private static func stableContents(
        of path: FilePath, limitBytes: Int, meanwhile: () -> Void
    ) throws(SnapshotError) -> Snapshot? {
        let file: FileDescriptor
        do throws(Errno) {
            file = try open(path, .readOnly, [.nonBlocking, .closeOnExec])
        } catch .noSuchFileOrDirectory {
            throw .missing
        } catch .noSuchAddressOrDevice {
            // A socket (open(2)).
            throw .notAFile
        } catch .wouldBlock {
            // Another process holds a lease on it (fcntl(2), F_SETLEASE).
            return nil
        } catch {
            throw .system(error)
        }
        defer { try? file.close() }

        var before = stat()
        guard unsafe fstat(file.rawValue, &before) == 0 else { throw .system(lastError()) }
        guard before.kind == S_IFREG else { throw .notAFile }
        guard before.st_size <= limitBytes else { throw .tooLarge }
        let age = SystemClock.realTimeMicroseconds() - FileState(before).microseconds
        if (0..<writingMicroseconds).contains(age) { usleep(useconds_t(writingMicroseconds - age)) }
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try contents(of: file, limitBytes: limitBytes)
        } catch {
            throw .system(error)
        }
        meanwhile()
        var after = stat()
        guard unsafe stat(path.string, &after) == 0, FileState(after) == FileState(before),
            bytes.count == FileState(before).length
        else { return nil }
        return Snapshot(bytes: bytes, state: FileState(before))
    }

    /// The state of a file; `nil` if there is none.
    package static func state(of path: FilePath) -> FileState? {
        var status = stat()
        guard unsafe stat(path.string, &status) == 0 else { return nil }
        return FileState(status)
    }
}

/// Differs after the file was written to or another file took its place.
package struct FileState: Equatable, Sendable {
    let device: dev_t
    let inode: ino_t
    let length: Int
    let seconds: Int
    let nanoseconds: Int

    /// When the file was last written, since 1970.
    var microseconds: Int64 { Int64(seconds) * 1_000_000 + Int64(nanoseconds / 1000) }

    fileprivate init(_ status: stat) {
        device = status.st_dev
        inode = status.st_ino
        length = Int(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}
