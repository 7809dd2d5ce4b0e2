import SystemPackage
import TestSupport
import Testing

@testable import Linux

@Suite struct FilesTests {
    @Test func `a file that is replaced has the new bytes and permissions`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try Files.replace(path, with: Array("one".utf8))
            try Files.replace(path, with: Array("two".utf8), permissions: [.ownerReadWrite, .groupRead])
            #expect(Files.contents(of: path) == Array("two".utf8))
            #expect(Files.size(of: path) == 3)
            #expect(!Files.exists(FilePath("\(path).new")))
            #expect(Files.modificationTime(of: path) ?? 0 > 1_600_000_000_000_000_000)
        }
    }

    @Test func `a file that cannot be put in place leaves the old one`() throws {
        try withTemporaryDirectory { directory in
            #expect(throws: Errno.noSuchFileOrDirectory) { try Files.replace(directory.appending("no/file"), with: []) }
            let path = directory.appending("file")
            try Files.replace(path, with: [1])
            try Files.makeDirectory(FilePath("\(path).new"), permissions: .ownerReadWriteExecute)
            #expect(throws: Errno.isDirectory) { try Files.replace(path, with: [2]) }
            #expect(Files.contents(of: path) == [1])
        }
    }

    @Test func `what is not there has no contents, size or time`() throws {
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

    @Test func `contents come whole, also of more than one buffer`() throws {
        try withTemporaryDirectory { directory in
            let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
            try Files.replace(directory.appending("file"), with: bytes)
            #expect(Files.contents(of: directory.appending("file")) == bytes)
        }
    }

    @Test func `directories are made with those above them, and once`() throws {
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

    @Test func `a path that one directory closes to others is not everyone's`() throws {
        try withTemporaryDirectory { directory in
            #expect(Files.everyoneMayPass("/tmp"))
            #expect(!Files.everyoneMayPass(directory))
            try Files.changePermissions(of: directory, to: [.ownerReadWriteExecute, .otherExecute])
            #expect(Files.everyoneMayPass(directory))
        }
    }

    @Test func `reserving blocks leaves a file as long as it is`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            let file = try Files.open(path, .readWrite, [.create, .closeOnExec], .ownerReadWrite)
            defer { try? file.close() }
            try Files.reserve(file, from: 0, to: 1 << 20)
            try Files.reserve(file, from: 10, to: 10)
            #expect(Files.size(of: path) == 0)
        }
    }

    @Test func `only one may hold an exclusive lock, until it is let go`() throws {
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

    @Test func `a file in memory takes and gives bytes`() throws {
        let file = try memoryFile(named: "test")
        defer { try? file.close() }
        try file.writeAll([1, 2, 3])
        #expect(try file.seek(offset: 0, from: .end) == 3)
    }

    @Test func `this program's file is there`() throws {
        let program = try #require(Files.thisProgram())
        #expect(Files.isReadable(program))
    }
}
