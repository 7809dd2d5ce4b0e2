import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import Linux

@Suite struct SnapshotTests {
    /// Writes over the beginning of a file, or after its end.
    private func write(_ text: String, to path: FilePath, appending: Bool = false) throws {
        let options: FileDescriptor.OpenOptions = appending ? .append : []
        let file = try Files.open(path, .writeOnly, options.union([.create, .closeOnExec]), .ownerReadWrite)
        defer { try? file.close() }
        try file.writeAll(text.utf8)
    }

    @Test(arguments: [0, 1, 65535, 65536, 65537, 200_000])
    func `a file is read completely, and refused if it is a byte longer than the limit`(length: Int) throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
            try Files.replace(path, with: bytes)
            #expect(try Files.snapshot(of: path, limitBytes: length).bytes == bytes)
            #expect(try Files.snapshot(of: path, limitBytes: .max).bytes == bytes)
            #expect(throws: SnapshotError.tooLarge) { try Files.snapshot(of: path, limitBytes: length - 1) }
        }
    }

    @Test func `anything but a regular file is refused at once`() throws {
        try withTemporaryDirectory { directory in
            let pipe = directory.appending("pipe")
            #expect(unsafe mkfifo(pipe.string, 0o600) == 0)
            let socket = directory.appending("socket")
            let listener = try UnixSocket.listen(at: socket, backlog: 1)
            defer { try? listener.close() }
            for path in [pipe, socket, directory, "/dev/null"] {
                #expect(throws: SnapshotError.notAFile) { try Files.snapshot(of: path, limitBytes: 10) }
            }
        }
    }

    @Test func `a link is followed, and a dangling one is missing`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            let link = directory.appending("link")
            #expect(unsafe symlink("file", link.string) == 0)
            for path in [path, link] {
                #expect(throws: SnapshotError.missing) { try Files.snapshot(of: path, limitBytes: 10) }
            }
            try write("text", to: path)
            #expect(try Files.snapshot(of: link, limitBytes: 10).bytes == Array("text".utf8))
            #expect(throws: SnapshotError.system(.notDirectory)) {
                try Files.snapshot(of: path.appending("below"), limitBytes: 10)
            }
        }
    }

    enum Change: CaseIterable { case grows, shrinks, isWritten, isReplaced }

    private func change(_ path: FilePath, _ change: Change, _ number: Int) throws {
        switch change {
        case .grows: try write("+", to: path, appending: true)
        case .shrinks: #expect(unsafe truncate(path.string, off_t(100 - number)) == 0)
        case .isWritten:
            // The clock for file times ticks every few milliseconds.
            usleep(20_000)
            try write("\(number)", to: path)
        case .isReplaced: try Files.replace(path, with: Array(repeating: UInt8(number), count: 100))
        }
    }

    @Test(arguments: Change.allCases)
    func `a file that changes while it is read is read six times at most`(change: Change) throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try Files.replace(path, with: Array(repeating: 0x2e, count: 100))
            var tries = 0
            #expect(throws: SnapshotError.changing) {
                try Files.snapshot(of: path, limitBytes: 1000) {
                    tries += 1
                    #expect(throws: Never.self) { try self.change(path, change, tries) }
                }
            }
            #expect(tries == 6)

            tries = 0
            let bytes = try Files.snapshot(of: path, limitBytes: 1000) {
                tries += 1
                if tries < 6 { #expect(throws: Never.self) { try self.change(path, change, 10 + tries) } }
            }
            #expect(tries == 6)
            #expect(bytes.bytes == Files.contents(of: path))
        }
    }

    @Test func `a file that was just written is read a moment later`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try write("text", to: path)
            let written = SystemClock.bootTimeMicroseconds()
            var read: Int64 = 0
            #expect(
                try Files.snapshot(of: path, limitBytes: 10) { read = SystemClock.bootTimeMicroseconds() }.bytes
                    == Array("text".utf8))
            // The wait less a tick of the clock for file times.
            #expect(read - written >= 9000)
        }
    }

    @Test func `a file deleted while it is read is missing, and one that outgrows the limit is too large`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("file")
            try write("text", to: path)
            #expect(throws: SnapshotError.tooLarge) {
                try Files.snapshot(of: path, limitBytes: 5) { try? self.write("more", to: path, appending: true) }
            }
            #expect(throws: SnapshotError.missing) {
                try Files.snapshot(of: path, limitBytes: 10) { try? Files.remove(path) }
            }
        }
    }

    @Test func `a file in proc, which has no size, counts as changing`() {
        #expect(throws: SnapshotError.changing) { try Files.snapshot(of: "/proc/self/status", limitBytes: 100_000) }
    }

    @Test(
        arguments: [
            (.missing, "there is no such file"), (.notAFile, "it is not a regular file"),
            (.tooLarge, "it is longer than allowed"), (.changing, "it kept changing while it was read"),
            (.system(.permissionDenied), "Permission denied"),
        ] as [(SnapshotError, String)])
    func `each error has its text`(error: SnapshotError, text: String) {
        #expect(error.description == text)
    }
}
