import SystemPackage
import TestSupport
import Testing

@testable import Linux

/// A listener, and both ends of a connection to it.
final class SocketPair {
    let listener: FileDescriptor
    let client: FileDescriptor
    let server: FileDescriptor

    init(in directory: FilePath) throws {
        let path = directory.appending("socket")
        listener = try UnixSocket.listen(at: path, backlog: 8)
        client = try UnixSocket.connect(to: path, timeoutSeconds: 5)
        server = try #require(try UnixSocket.accept(listener))
    }

    private var isClientOpen = true

    deinit {
        closeClient()
        for descriptor in [listener, server] { try? descriptor.close() }
    }

    func closeClient() {
        if isClientOpen { try? client.close() }
        isClientOpen = false
    }
}

@Suite struct UnixSocketTests {
    @Test(arguments: [107, 108])
    func `a path has at most 107 bytes`(count: Int) throws {
        try withTemporaryDirectory { directory in
            let name = String(repeating: "s", count: count - directory.string.utf8.count - 1)
            let path = directory.appending(name)
            guard count <= UnixSocket.maximumPathBytes else {
                #expect(throws: Errno.fileNameTooLong) { try UnixSocket.listen(at: path, backlog: 1) }
                #expect(throws: Errno.fileNameTooLong) { try UnixSocket.connect(to: path, timeoutSeconds: 1) }
                return
            }
            try UnixSocket.listen(at: path, backlog: 1).close()
            #expect(Files.exists(path))
        }
    }

    @Test func `a socket that was left behind is replaced`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("socket")
            try UnixSocket.listen(at: path, backlog: 1).close()
            #expect(throws: Errno.connectionRefused) { try UnixSocket.connect(to: path, timeoutSeconds: 1) }
            let listener = try UnixSocket.listen(at: path, backlog: 1)
            defer { try? listener.close() }
            #expect(UnixSocket.isListening(listener))
            let client = try UnixSocket.connect(to: path, timeoutSeconds: 1)
            #expect(!UnixSocket.isListening(client))
            try client.close()
        }
    }

    @Test func `only a listening socket is listening`() throws {
        #expect(throws: Errno.noSuchFileOrDirectory) {
            try UnixSocket.connect(to: "/nowhere/at/all", timeoutSeconds: 1)
        }
        #expect(!UnixSocket.isListening(FileDescriptor(rawValue: -1)))
        let file = try memoryFile(named: "test")
        #expect(!UnixSocket.isListening(file))
        try file.close()
    }

    @Test func `accepting on a non-blocking listener does not wait`() throws {
        try withTemporaryDirectory { directory in
            let listener = try UnixSocket.listen(at: directory.appending("socket"), backlog: 1)
            defer { try? listener.close() }
            try UnixSocket.makeNonBlocking(listener)
            #expect(try UnixSocket.accept(listener) == nil)
        }
    }

    @Test func `peeking keeps the bytes, and receiving takes them`() throws {
        try withTemporaryDirectory { directory in
            let pair = try SocketPair(in: directory)
            var buffer = [UInt8](repeating: 0, count: 16)
            #expect(throws: Errno.wouldBlock) { try UnixSocket.peek(pair.server, into: &buffer) }
            #expect(try UnixSocket.send([9, 1, 2, 3, 4], from: 1, to: pair.client) == 4)
            #expect(try UnixSocket.peek(pair.server, into: &buffer) == 4)
            #expect(try UnixSocket.receive(pair.server, into: &buffer, atMost: 3) == 3)
            #expect(Array(buffer.prefix(3)) == [1, 2, 3])
            #expect(try UnixSocket.receive(pair.server, into: &buffer) == 1)
            #expect(throws: Errno.wouldBlock) { try UnixSocket.receive(pair.server, into: &buffer) }
            pair.closeClient()
            #expect(try UnixSocket.receive(pair.server, into: &buffer) == 0)
        }
    }

    @Test func `sending to a full socket sends nothing, and to a closed one fails`() throws {
        try withTemporaryDirectory { directory in
            let pair = try SocketPair(in: directory)
            let bytes = [UInt8](repeating: 7, count: 1 << 16)
            var count = 0
            for _ in 0..<1000 {
                let taken = try UnixSocket.send(bytes, from: 0, to: pair.server)
                count += taken
                if taken == 0 { break }
            }
            #expect(count > 0 && count < 1000 << 16)
            pair.closeClient()
            #expect(throws: (any Error).self) { try UnixSocket.send(bytes, from: 0, to: pair.server) }
        }
    }
}
