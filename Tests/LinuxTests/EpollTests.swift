import SystemPackage
import TestSupport
import Testing

@testable import Linux

@Suite struct EpollTests {
    private func events(_ epoll: Epoll, milliseconds: Int = 0) throws -> [UInt64: Epoll.Events] {
        var found: [UInt64: Epoll.Events] = [:]
        try epoll.wait(milliseconds: milliseconds) { found[$0] = $1 }
        return found
    }

    @Test func `an edge is reported once, and a level for as long as it lasts`() throws {
        try withTemporaryDirectory { directory in
            let pair = try SocketPair(in: directory)
            let edge = try Epoll()
            let level = try Epoll()
            try edge.add(pair.server, [.readable, .edgeTriggered], token: 5)
            try level.add(pair.server, .readable, token: .max)
            #expect(try events(edge).isEmpty && events(level).isEmpty)
            _ = try UnixSocket.send([1], from: 0, to: pair.client)
            #expect(try events(edge) == [5: .readable])
            #expect(try events(edge).isEmpty)
            #expect(try events(level) == [.max: .readable])
            #expect(try events(level) == [.max: .readable])
            _ = try UnixSocket.send([1], from: 0, to: pair.client)
            #expect(try events(edge) == [5: .readable])
        }
    }

    @Test func `changing the events of a descriptor reports those that hold already`() throws {
        try withTemporaryDirectory { directory in
            let pair = try SocketPair(in: directory)
            let epoll = try Epoll(batch: 1)
            try epoll.add(pair.server, [.readable, .edgeTriggered], token: 1)
            try epoll.change(pair.server, to: [.writable, .edgeTriggered], token: 2)
            #expect(try events(epoll)[2]?.contains(.writable) == true)
            try epoll.remove(pair.server)
            #expect(try events(epoll).isEmpty)
            #expect(throws: Errno.noSuchFileOrDirectory) { try epoll.remove(pair.server) }
            #expect(throws: Errno.badFileDescriptor) {
                try epoll.add(FileDescriptor(rawValue: -1), .readable, token: 3)
            }
        }
    }

    @Test func `the closing of the other end is reported`() throws {
        try withTemporaryDirectory { directory in
            let pair = try SocketPair(in: directory)
            let epoll = try Epoll()
            try epoll.add(pair.server, [.hangUp, .edgeTriggered], token: 1)
            pair.closeClient()
            let found = try events(epoll, milliseconds: 5000)
            #expect(found[1].map { !$0.isDisjoint(with: .hangUp) } == true)
        }
    }
}
