import Curl
import Linux
import Synchronization
import SystemPackage
import TestSupport
import Testing
import Values

@Suite struct GuardTests {
    /// A guard that allows some addresses, and notes all that it is asked about.
    private final class NotingGuard: Sendable {
        let addresses = Mutex<[String]>([])

        func request(_ url: String, allowing allowed: String...) -> Outgoing {
            var request = Outgoing.to(url)
            request.mayConnect = { [self] address in
                addresses.withLock { $0.append(address.description) }
                return allowed.contains(address.description)
            }
            return request
        }

        func take() -> [String] {
            addresses.withLock { list in
                defer { list = [] }
                return list
            }
        }
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("2130706433", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("0", "0.0.0.0"), ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("[::ffff:7f00:1]", "127.0.0.1"), ("[::1]", "::1"), ("[::]", "::"), ("169.254.169.254", "169.254.169.254"),
    ])
    func `the guard recognizes an address in every notation`(host: String, address: String) throws {
        try withReceiver(["--host", "0.0.0.0"]) { receiver in
            let asked = NotingGuard()
            let exchange = try Multi.forTests().send(asked.request("http://\(host):\(receiver.port)/"))
            #expect(exchange.kind == .blocked, "\(exchange)")
            #expect(asked.take().contains(address))
            #expect(try receiver.arrivals().isEmpty)
        }
    }

    @Test func `the error names the refused address`() throws {
        let asked = NotingGuard()
        let exchange = try Multi.forTests().send(asked.request("http://127.1:9/"))
        #expect(exchange.text == "the address 127.0.0.1 may not be called")
        #expect(exchange.remoteAddress == "127.0.0.1" && !exchange.isReusedConnection)
    }

    @Test func `only the allowed addresses of a name are tried`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            let asked = NotingGuard()
            let addresses = ["10.0.0.1", "fd00::1", "127.0.0.1", "10.0.0.2"].compactMap(IPAddress.init)
            multi.setAddresses(addresses, ofHost: "many.test", port: receiver.port)
            let url = "http://many.test:\(receiver.port)/"
            let exchange = try multi.send(asked.request(url, allowing: "127.0.0.1"))
            #expect(exchange.status == 200 && exchange.remoteAddress == "127.0.0.1", "\(exchange)")
            #expect(asked.take().contains("10.0.0.1"))
            #expect(try receiver.arrivals().first?.headers.first == ["Host", "many.test:\(receiver.port)"])

            // If the allowed address refuses the connection, that is the error.
            let port = try freePort()
            multi.setAddresses(addresses, ofHost: "many.test", port: port)
            let refused = try multi.send(asked.request("http://many.test:\(port)/", allowing: "127.0.0.1"))
            #expect(refused.kind == .connect, "\(refused)")
            #expect(try multi.send(asked.request("http://many.test:\(port)/")).kind == .blocked)
        }
    }

    @Test func `the guard checks the current address of a name`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests(idleSeconds: 0)
            let asked = NotingGuard()
            let url = "http://changing.test:\(receiver.port)/"
            multi.setAddresses([try #require(IPAddress("192.0.2.1"))], ofHost: "changing.test", port: receiver.port)
            #expect(try multi.send(asked.request(url, allowing: "127.0.0.1")).kind == .blocked)
            multi.setAddresses([try #require(IPAddress("127.0.0.1"))], ofHost: "changing.test", port: receiver.port)
            #expect(try multi.send(asked.request(url, allowing: "192.0.2.1")).kind == .blocked)
            #expect(try receiver.arrivals().isEmpty)
            #expect(try multi.send(asked.request(url, allowing: "127.0.0.1")).status == 200)
        }
    }

    @Test func `the guard checks a reused connection again`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            let asked = NotingGuard()
            let url = receiver.url("/")
            #expect(try multi.send(asked.request(url, allowing: "127.0.0.1")).status == 200)
            // Once to connect, once to send.
            #expect(asked.take() == ["127.0.0.1", "127.0.0.1"])
            #expect(try multi.send(asked.request(url)).kind == .blocked)
            #expect(asked.take() == ["127.0.0.1"])
            let third = try multi.send(asked.request(url, allowing: "127.0.0.1"))
            #expect(third.status == 200)
            #expect(try receiver.arrivals().count == 2)
        }
    }
}
