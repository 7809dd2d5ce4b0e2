import FoundationEssentials
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import Linux

@Suite struct FilesTests {
    @Test func `a replaced file has the new bytes and permissions`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try Files.replace(path, with: Array("one".utf8))
            try Files.replace(path, with: Array("two".utf8), permissions: [.ownerReadWrite, .groupRead])
            #expect(Files.contents(of: path) == Array("two".utf8))
            #expect(Files.size(of: path) == 3)
            #expect(!Files.exists(FilePath("\(path).new")))
            #expect(try status(of: path).st_mode & 0o7777 == 0o640)
            #expect(Files.modificationTime(of: path) ?? 0 > 1_600_000_000_000_000_000)
        }
    }

    @Test func `a replacement that fails leaves the old file`() throws {
        try withTemporaryDirectory { directory in
            #expect(throws: Errno.noSuchFileOrDirectory) { try Files.replace(directory.appending("no/file"), with: []) }
            let path = directory.appending("file")
            try Files.replace(path, with: [1])
            try Files.makeDirectory(FilePath("\(path).new"), permissions: .ownerReadWriteExecute)
            #expect(throws: Errno.isDirectory) { try Files.replace(path, with: [2]) }
            #expect(Files.contents(of: path) == [1])
        }
    }

    private func status(of path: FilePath) throws -> stat {
        var status = stat()
        guard unsafe lstat(path.string, &status) == 0 else { throw Errno(rawValue: errno) }
        return status
    }

    private func names(in directory: FilePath) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.string).sorted()
    }

    @Test(arguments: [0o600, 0o644, 0o440, 0o4751] as [mode_t])
    func `replacing a file for its owner keeps the mode`(mode: mode_t) throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try Files.replace(path, with: Array("one".utf8))
            try Files.changePermissions(of: path, to: FilePermissions(rawValue: mode))
            let old = try status(of: path)
            try Files.replaceKeepingOwner(path, with: Array("two!".utf8))
            let new = try status(of: path)
            #expect(Files.contents(of: path) == Array("two!".utf8))
            #expect(new.st_mode == old.st_mode && new.st_mode & 0o7777 == mode)
            #expect(new.st_ino != old.st_ino)
            #expect(try names(in: directory) == ["file"])
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can change the owner of a file"))
    func `replacing a file for its owner keeps owner and group`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try Files.replace(path, with: [1], permissions: FilePermissions(rawValue: 0o640))
            try Files.changeOwner(of: path, user: 12345, group: 54321)
            try Files.replaceKeepingOwner(path, with: [2])
            let new = try status(of: path)
            #expect((new.st_uid, new.st_gid) == (12345, 54321))
            #expect(new.st_mode & 0o7777 == 0o640)
        }
    }

    @Test func `replacing through a link replaces the file, and keeps the link`() throws {
        try withTemporaryDirectory { directory in
            let (path, link) = (directory.appending("far/file"), directory.appending("link"))
            try Files.makeDirectory(directory.appending("far"), permissions: .ownerReadWriteExecute)
            try Files.replace(path, with: [1])
            #expect(unsafe symlink("again", link.string) == 0)
            #expect(unsafe symlink("far/../far/file", directory.appending("again").string) == 0)
            try Files.replaceKeepingOwner(link, with: [2])
            #expect(Files.contents(of: path) == [2])
            #expect(try status(of: link).st_mode & S_IFMT == S_IFLNK)
            #expect(try names(in: directory) == ["again", "far", "link"])
            #expect(try names(in: directory.appending("far")) == ["file"])
        }
    }

    @Test func `only an existing regular file is replaced for its owner`() throws {
        try withTemporaryDirectory { directory in
            let (missing, below) = (directory.appending("missing"), directory.appending("below"))
            try Files.makeDirectory(below, permissions: .ownerReadWriteExecute)
            #expect(unsafe symlink("missing", directory.appending("link").string) == 0)
            #expect(unsafe mkfifo(directory.appending("pipe").string, 0o600) == 0)
            for path in [missing, directory.appending("link"), missing.appending("file")] {
                #expect(throws: Errno.noSuchFileOrDirectory) { try Files.replaceKeepingOwner(path, with: []) }
            }
            #expect(throws: Errno.isDirectory) { try Files.replaceKeepingOwner(below, with: []) }
            #expect(throws: Errno.invalidArgument) {
                try Files.replaceKeepingOwner(directory.appending("pipe"), with: [])
            }
            #expect(try names(in: directory) == ["below", "link", "pipe"])
        }
    }

    @Test(.enabled(if: geteuid() != 0, "root can write to any directory"))
    func `a file in a read-only directory is not replaced`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try Files.replace(path, with: [1])
            try Files.changePermissions(of: directory, to: [.ownerRead, .ownerExecute])
            defer { try? Files.changePermissions(of: directory, to: .ownerReadWriteExecute) }
            #expect(throws: Errno.permissionDenied) { try Files.replaceKeepingOwner(path, with: [2]) }
            #expect(Files.contents(of: path) == [1])
            #expect(try names(in: directory) == ["file"])
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can become another user"))
    func `a user other than root replaces only own files, and their group may change`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            let (own, foreign) = (directory.appending("own"), directory.appending("foreign"))
            for path in [own, foreign] { try Files.replace(path, with: [1], permissions: .ownerReadWrite) }
            try Files.changeOwner(of: own, user: 12345, group: 54321)
            try Files.changePermissions(of: directory, to: FilePermissions(rawValue: 0o777))
            await #expect(processExitsWith: .success) {
                [own = own.string as String, foreign = foreign.string as String] in
                #expect(setgid(12345) == 0 && setuid(12345) == 0)
                try Files.replaceKeepingOwner(FilePath(own), with: [2])
                #expect(throws: Errno.notPermitted) { try Files.replaceKeepingOwner(FilePath(foreign), with: [2]) }
            }
            #expect(try names(in: directory) == ["foreign", "own"])
            #expect(Files.contents(of: own) == [2] && Files.contents(of: foreign) == [1])
            let status = (own: try status(of: own), foreign: try status(of: foreign))
            #expect((status.own.st_uid, status.own.st_gid) == (12345, 12345))
            #expect(status.foreign.st_uid == 0)
            #expect([status.own, status.foreign].allSatisfy { $0.st_mode & 0o7777 == 0o600 })
        }
    }

    @Test func `threads that replace one file at once leave one complete content`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try Files.replace(path, with: [])
            let threads = (0..<4).map { number in
                PlainThread {
                    for _ in 0..<20 {
                        let bytes = [UInt8](repeating: UInt8(number), count: 10_000)
                        #expect(throws: Never.self) { try Files.replaceKeepingOwner(path, with: bytes) }
                    }
                }
            }
            for thread in threads { thread.join() }
            let bytes = try #require(Files.contents(of: path))
            #expect(bytes.count == 10_000 && Set(bytes).count == 1)
            #expect(try names(in: directory) == ["file"])
        }
    }

    @Test func `a new file that cannot be renamed is deleted`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("below")
            try Files.makeDirectory(path, permissions: .ownerReadWriteExecute)
            #expect(throws: Errno.isDirectory) { try Files.replace(path, with: [1]) }
            #expect(try names(in: directory) == ["below"])
        }
    }

    @Test func `a missing file has no contents, size or time`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("nothing")
            #expect(Files.contents(of: path) == nil)
            #expect(Files.size(of: path) == 0)
            #expect(Files.modificationTime(of: path) == nil)
            #expect(Files.absolute(path) == nil)
            #expect(!Files.exists(path) && !Files.isReadable(path))
            #expect(throws: Errno.noSuchFileOrDirectory) { try Files.remove(path) }
        }
    }

    @Test func `a file of more than one buffer is read completely`() throws {
        try withTemporaryDirectory { directory in
            let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
            try Files.replace(directory.appending("file"), with: bytes)
            #expect(Files.contents(of: directory.appending("file")) == bytes)
        }
    }

    @Test func `a directory is created with its parents, unless it exists`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("a/b/c")
            try Files.makeDirectory(path, permissions: .ownerReadWriteExecute)
            try Files.makeDirectory(path, permissions: .ownerReadWriteExecute)
            #expect(Files.absolute(directory.appending("a/./b/../b/c")) == Files.absolute(path))
            try Files.replace(directory.appending("file"), with: [])
            #expect(throws: Errno.notDirectory) {
                try Files.makeDirectory(directory.appending("file/below"), permissions: .ownerReadWriteExecute)
            }
            #expect(throws: Errno.noSuchFileOrDirectory) { try Files.makeDirectory("", permissions: []) }
        }
    }

    @Test func `everyone may pass a path only if all its directories allow it`() throws {
        try withTemporaryDirectory { directory in
            #expect(Files.everyoneMayPass("/tmp"))
            #expect(!Files.everyoneMayPass(directory))
            try Files.changePermissions(of: directory, to: [.ownerReadWriteExecute, .otherExecute])
            #expect(Files.everyoneMayPass(directory))
        }
    }

    @Test func `reserving blocks does not change the length of a file`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            let file = try Files.open(path, .readWrite, [.create, .closeOnExec], .ownerReadWrite)
            defer { try? file.close() }
            try Files.reserve(file, from: 0, to: 1 << 20)
            try Files.reserve(file, from: 10, to: 10)
            #expect(Files.size(of: path) == 0)
        }
    }

    @Test func `an exclusive lock excludes all others until it is released`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("lock")
            let first = try FileLock(path, exclusive: true)
            #expect(throws: Errno.wouldBlock) { try FileLock(path, exclusive: true) }
            #expect(throws: Errno.wouldBlock) { try FileLock(path, exclusive: false) }
            withExtendedLifetime(first) {}
        }
        try withTemporaryDirectory { directory in
            let path = directory.appending("lock")
            do { withExtendedLifetime(try FileLock(path, exclusive: true)) {} }
            let shared = [try FileLock(path, exclusive: false), try FileLock(path, exclusive: false)]
            #expect(throws: Errno.wouldBlock) { try FileLock(path, exclusive: true) }
            withExtendedLifetime(shared) {}
        }
    }

    @Test func `a file in memory can be written and read`() throws {
        let file = try memoryFile(named: "test")
        defer { try? file.close() }
        try file.writeAll([1, 2, 3])
        #expect(try file.seek(offset: 0, from: .start) == 0)
        var bytes = [UInt8](repeating: 0, count: 8)
        #expect(unsafe try bytes.withUnsafeMutableBytes { unsafe try file.read(into: $0) } == 3)
        #expect(bytes.prefix(3) == [1, 2, 3])
    }

    @Test func `a temporary file has no name, and only its owner may open it`() throws {
        try withTemporaryDirectory { directory in
            let file = try Files.openTemporary(in: directory)
            defer { try? file.close() }
            let pipe = try openPipe()
            defer { for end in [pipe.reading, pipe.writing] { try? end.close() } }
            #expect(Files.isRegular(file) && !Files.isRegular(pipe.reading))
            #expect(try names(in: directory) == [])
            var status = stat()
            #expect(unsafe fstat(file.rawValue, &status) == 0 && status.st_mode & 0o777 == 0o600)
            try file.writeAll([1, 2])
            #expect(try Files.read(9, of: file, at: 0) == [1, 2])
            #expect(throws: Errno.noSuchFileOrDirectory) { try Files.openTemporary(in: directory.appending("no")) }
        }
    }

    @Test func `the file of this program is readable`() throws {
        let program = try #require(Files.thisProgram())
        #expect(Files.isReadable(program))
    }
}
