import Linux
import SystemPackage
import TestSupport
import Testing
import Values

@Suite struct SharedCountersTests {
    @Test func `counters of one file are shared, and survive their processes`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("counters")
            do {
                let (one, other) = (SharedCounters(path, count: 3), SharedCounters(path, count: 3))
                #expect(one.isShared && other.isShared)
                one.add(2, to: 0)
                other.add(3, to: 0)
                other.add(1, to: 2)
                #expect((0..<3).map { one.value(at: $0) } == [5, 0, 1])
            }
            #expect(SharedCounters(path, count: 3).value(at: 0) == 5)
        }
    }

    @Test func `without a file a process counts for itself`() {
        let counters = SharedCounters("/nowhere/at/all", count: 2)
        counters.add(7, to: 1)
        #expect(!counters.isShared && counters.value(at: 1) == 7)
    }
}

@Suite struct TCPSocketTests {
    @Test func `a port in use, a foreign address and a free port are distinguished`() throws {
        let local = try #require(IPAddress("127.0.0.1"))
        let server = try TCPServer([])
        #expect(throws: Errno.addressInUse) { try TCPSocket.tryListening(at: local, port: server.port) }
        #expect(throws: Errno.addressNotAvailable) {
            try TCPSocket.tryListening(at: try #require(IPAddress("192.0.2.1")), port: 0)
        }
        try TCPSocket.tryListening(at: local, port: 0)
    }
}
